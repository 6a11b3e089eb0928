"""Comparing answers where their characters do not tell: by algebra, in the sandbox, a few at a time.

A handful of comparisons shares a process, which is short of time. Where that does not end well each of them has
a process and the whole limits to itself, so that none is judged by what its neighbours did.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from forge.errors import ConfigError
from forge.sandbox import Execution, Job, Limits, Sandbox
from forge.types import Outcome

LIMITS = Limits(wall=4.0, cpu=2.0, memory=512 << 20)
"""What one comparison may use."""

TOGETHER = 8
"""How many comparisons share a process."""

_SHORT = 0.5
_LIBRARIES = {"sympy": "sympy", "mpmath": "mpmath", "antlr4": "antlr4-python3-runtime"}
_LIBRARIES["latex2sympy2_extended"] = "latex2sympy2_extended"
_SOURCE = "import sympy\nfrom forge.domains.warmed import same\n\n\ndef compare(pairs):\n    return same(pairs)\n"

Question = Sequence[tuple[str, str]]
"""Pairs of texts in normal form; answered by whether one of the pairs is equal."""


@dataclass(frozen=True, slots=True)
class Finding:
    """How a comparison ended, what of it took how many seconds, and the outcome if it is not `equal`."""

    equal: bool
    outcome: Outcome
    seconds: float
    detail: str = ""


class Comparison:
    """Compares answers in a sandbox of its own; close it or use it in a `with` block.

    Raises:
        ConfigError: a library that reads mathematics is not installed.
        SandboxError: this host gives less isolation than `require`.
    """

    def __init__(self, workers: int = 0, require: str = "full", limits: Limits | None = None) -> None:
        missing = [owner for name, owner in _LIBRARIES.items() if importlib.util.find_spec(name) is None]
        if missing:
            raise ConfigError(f"mathematics cannot be judged without {', '.join(missing)}", "pip install forge[math]")
        self.limits = limits or LIMITS
        self.box = Sandbox(
            workers=workers or None,
            limits=self.limits,
            require=require,
            modules=(*_LIBRARIES, "forge.domains.warmed"),
        )
        versions = "+".join(f"{name}-{importlib.metadata.version(name)}" for name in ("sympy", "latex2sympy2_extended"))
        self.version = f"{versions}+{self.box.version}+{self.box.isolation}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the sandbox's processes."""
        self.box.close()

    def findings(self, questions: Sequence[Question]) -> list[Finding]:
        """For each question, in order, whether one of its pairs is equal."""
        found: dict[int, Finding] = {}
        groups = [range(start, min(start + TOGETHER, len(questions))) for start in range(0, len(questions), TOGETHER)]
        short = replace(self.limits, cpu=min(_SHORT, self.limits.cpu), wall=min(4 * _SHORT, self.limits.wall))
        if len(questions) > 1:
            jobs = (_job([questions[place] for place in group], short) for group in groups)
            for execution in self.box.run(jobs):
                group = groups[execution.index]
                if execution.outcome is Outcome.PASS:
                    seconds = execution.seconds / len(group)
                    found |= {place: _finding(execution, i, seconds) for i, place in enumerate(group)}
        for _ in range(2):
            # A second time for those that forge failed to judge.
            owed = [p for p in range(len(questions)) if p not in found or found[p].outcome is Outcome.ERROR]
            for execution in self._alone([questions[place] for place in owed]):
                found[owed[execution.index]] = _finding(execution, 0, execution.seconds)
        return [found[place] for place in range(len(questions))]

    def _alone(self, questions: Sequence[Question]) -> Iterator[Execution]:
        return self.box.run(_job([question], self.limits) for question in questions)


def _job(questions: Sequence[Question], limits: Limits) -> Job:
    # As ASCII, any text can be written in a program.
    probes = tuple(f"compare({[list(map(str, pair)) for pair in question]!a})" for question in questions)
    return Job(_SOURCE, entry_point="compare", probes=probes, limits=limits)


def _finding(execution: Execution, place: int, seconds: float) -> Finding:
    outcome = execution.outcome
    probe = execution.values[place] if place < len(execution.values) else None
    if probe is not None and probe.exception:
        outcome = Outcome.MEMORY if probe.exception == "MemoryError" else Outcome.FAIL
    equal = outcome is Outcome.PASS and probe is not None and probe.value is True
    detail = execution.detail or (
        f"{probe.exception}: {probe.message}" if probe is not None and probe.exception else ""
    )
    return Finding(equal, Outcome.FAIL if outcome is Outcome.PASS and not equal else outcome, seconds, detail)
