"""Which programs behave alike, asked without a problem's tests: by what they answer to generated inputs.

The inputs are made from what the prompt shows, examples and signature (`inside.inputs`), never from the tests. All
of it happens in the sandbox. What two programs must have in common to be alike is in docs/sampling.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from forge.sandbox import Execution, Job, Limits, Probe, Sandbox
from forge.types import Outcome, Problem, content_id

LIMITS = Limits(wall=4.0, cpu=0.5)
"""What one program may use to answer all inputs, or one of them alone."""

DIGITS = 9
"""How many digits of a float count."""

_ENDED = "ended"
_ENDS = 4
"""How many inputs end a program for good: it has no vote. Half as many do where it answered none of those before."""

_REMEMBERED = 65_536
_Inputs = Callable[[Problem, int], list[str]]


class Behaviours:
    """Puts programs into classes; keeps what it has seen, so that asking again costs nothing.

    Args:
        box: where programs run.
        inputs: the arguments, as source text, that a problem's function is called with, by the seed.
    """

    def __init__(self, box: Sandbox, inputs: _Inputs) -> None:
        self._box = box
        self._make = inputs
        self._inputs: dict[tuple[str, str, int], list[str]] = {}
        self._known: dict[tuple[str, str, int, str], str] = {}

    def classes(self, problem: Problem, programs: Sequence[str], seed: int) -> list[int | None]:
        """For each program the number of its class, None where it has no vote."""
        key = problem.id, problem.prompt, seed
        if key not in self._inputs:
            self._inputs[key] = self._make(problem, seed)
        fresh = [text for text in dict.fromkeys(programs) if (*key, text) not in self._known]
        entry_point = str(problem.tests.get("entry_point", ""))
        calls = [f"{entry_point}({arguments})" for arguments in self._inputs[key]]
        for text, behaviour in zip(fresh, self._behaviours(fresh, entry_point, calls), strict=True):
            self._known[(*key, text)] = behaviour
        numbers: dict[str, int] = {}
        found: list[int | None] = []
        for text in programs:
            behaviour = self._known[(*key, text)]
            found.append(numbers.setdefault(behaviour, len(numbers)) if behaviour else None)
        while len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        return found

    def _behaviours(self, programs: Sequence[str], entry_point: str, calls: Sequence[str]) -> list[str]:
        """What each program does on every call; empty where it answers none, or not the same twice."""
        if not calls:
            return [""] * len(programs)
        told: list[list[str] | None] = [None] * len(programs)
        # Each call is made twice, the second time in reverse order: what depends on the calls before is no answer.
        probes = (*calls, *reversed(calls))
        for execution in self._box.run(Job(text, (), entry_point, "", probes, LIMITS) for text in programs):
            if len(execution.values) == len(probes) and not execution.shared_process:
                told[execution.index] = _answers(execution, calls)
            elif execution.outcome is Outcome.INVALID or execution.shared_process:
                told[execution.index] = []
        owed = {place: programs[place] for place, answers in enumerate(told) if answers is None}
        for place, answers in self._alone(owed, entry_point, calls).items():
            told[place] = answers
        return [_named(answers or []) for answers in told]

    def _alone(self, programs: dict[int, str], entry_point: str, calls: Sequence[str]) -> dict[int, list[str]]:
        """The same for programs that one of the calls ended: each call has a process and the limits to itself."""
        told: dict[int, list[str]] = {place: [] for place in programs}
        for call in calls:
            places = [place for place, answers in told.items() if _is_hopeful(answers)]
            jobs = (Job(programs[place], (), entry_point, "", (call, call), LIMITS) for place in places)
            for execution in self._box.run(jobs):
                answers = _answers(execution, [call]) if len(execution.values) == 2 else [_ENDED]
                told[places[execution.index]] += answers or [""]
        whole = {place for place, answers in told.items() if len(answers) == len(calls) and _is_hopeful(answers)}
        return {place: answers if place in whole else [] for place, answers in told.items()}


def _is_hopeful(answers: Sequence[str]) -> bool:
    """Whether a program with these answers so far may still get a vote."""
    most = _ENDS if any(map(_is_value, answers)) else _ENDS // 2
    return answers.count(_ENDED) < most and "" not in answers


def _named(answers: Sequence[str]) -> str:
    """One name for all answers; empty where none of them is a value."""
    return content_id(list(answers)) if any(map(_is_value, answers)) else ""


def _is_value(answer: str) -> bool:
    return answer.startswith("=")


def _answers(execution: Execution, calls: Sequence[str]) -> list[str]:
    """What the first half of the probes gave, if the second half gave the same; else nothing."""
    told = [_told(probe) for probe in execution.values]
    first, second = told[: len(calls)], told[len(calls) :]
    return first if first == second[::-1] else []


def _told(probe: Probe) -> str:
    if probe.exception:
        return f"raised: {probe.exception}"
    try:
        return "=" + written(probe.value)
    except (ValueError, RecursionError):
        # A range of numbers with thousands of digits, or lists in lists in lists.
        return "=" + probe.text


def written(value: Any) -> str:
    """One text for values that tests would take for equal: `True`, `1` and `1.0`, sets and dicts in any order."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, bool | int | float):
        # In hexadecimal there is no limit to the digits.
        return hex(int(value)) if value == int(value) else f"{value:.{DIGITS}g}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}({', '.join(map(written, value))})"
    if isinstance(value, set | frozenset):
        return f"set({', '.join(sorted(map(written, value)))})"
    if isinstance(value, dict):
        items = sorted(f"{written(key)}: {written(item)}" for key, item in value.items())
        return f"dict({', '.join(items)})"
    return repr(value)
