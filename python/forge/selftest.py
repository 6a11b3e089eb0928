"""The grader's self-test: answers whose verdict is known in advance, judged before any score is given.

References must pass however they are wrapped; cut ones must pass or be called truncated; empty ones,
mutants, early exits, printed claims and answers that equal everything must not pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from forge.protocols import Judge
from forge.types import Attempt, Outcome, Problem, content_id

GENERATOR = "selftest"


class Mutating(Judge, Protocol):
    """A judge whose domain can also break a reference in one place."""

    def mutants(self, problems: Sequence[Problem], seed: int) -> list[list[str]]:
        """For each problem, programs that differ from its reference in one token."""
        ...


@dataclass(frozen=True, slots=True)
class Result:
    """How many known answers were judged, of which kinds, and each that was judged wrongly."""

    judged: int
    kinds: dict[str, int]
    misses: list[str]


_RIGHT = frozenset({Outcome.PASS})
_CUT = frozenset({Outcome.PASS, Outcome.TRUNCATED})
_WRONG = frozenset(Outcome) - {Outcome.PASS, Outcome.ERROR}
_EQUAL = (
    "    class Equal(int):\n        __eq__ = __ge__ = __le__ = __gt__ = __lt__ = lambda self, other: True\n"
    "        __ne__ = lambda self, other: False\n        __hash__ = int.__hash__\n    return Equal(0)"
)


def run(domain: Mutating, problems: Sequence[Problem], seed: int) -> Result:
    """Judge the known answers to these problems.

    One-token mutants need not all fail, since some change nothing: of each problem's, one must.
    """
    known = [case for problem in problems for case in _cases(problem)]
    items = [(problem, attempt) for _, problem, attempt, _ in known]
    kinds: Counter[str] = Counter()
    misses = []
    for (kind, problem, _, allowed), verdict in zip(known, domain.judge(items), strict=True):
        kinds[kind] += 1
        if verdict.outcome not in allowed:
            misses.append(f"{problem.id}: {kind} is {verdict.outcome}, not {' or '.join(sorted(allowed)[:2])}")
    mutants = domain.mutants(problems, seed)
    broken = [
        (problem, _attempt(problem, text)) for problem, texts in zip(problems, mutants, strict=True) for text in texts
    ]
    caught: set[str] = set()
    for (problem, _), verdict in zip(broken, domain.judge(broken), strict=True):
        kinds["mutant"] += 1
        if verdict.outcome in _WRONG:
            caught.add(problem.id)
    misses += [f"{p.id}: no mutant of the reference fails" for p in problems if p.id not in caught]
    return Result(sum(kinds.values()), dict(kinds), misses)


def _cases(problem: Problem) -> Iterator[tuple[str, Problem, Attempt, Any]]:
    """Kind, problem, attempt and the outcomes that are right for it."""
    whole, stub = problem.reference, problem.prompt
    body = whole[len(stub) :] if whole.startswith(stub) else whole
    half = body[: len(body) // 2]
    yield "reference", problem, _attempt(problem, body), _RIGHT
    yield "whole reference", problem, _attempt(problem, whole), _RIGHT
    yield "fenced reference", problem, _attempt(problem, f"Sure:\n```python\n{whole}\n```\nThis works."), _RIGHT
    yield "open fence", problem, _attempt(problem, f"```python\n{whole}\n"), _RIGHT
    yield "chatter after", problem, _attempt(problem, body + "\n\nThis function works as follows: it"), _RIGHT
    yield "special token", problem, _attempt(problem, body + "<|im_end|>\nuser\nanother"), _RIGHT
    yield "run-on", problem, _attempt(problem, body + "\n\nprint(undefined_name)\nassert False"), _RIGHT
    run_on = f"{body.rstrip()}\n\n\ndef another_function(values):\n    return (values +"
    yield "run-on that is cut", problem, _attempt(problem, run_on, finish="length"), _RIGHT
    yield "cut in half", problem, _attempt(problem, half, finish="length"), _CUT
    yield "empty", problem, _attempt(problem, ""), _WRONG
    yield "blank", problem, _attempt(problem, "\n\n   \n"), _WRONG
    yield "early exit", problem, _attempt(problem, "    import os\n    os._exit(0)"), _WRONG
    yield "polite exit", problem, _attempt(problem, "    raise SystemExit(0)"), _WRONG
    yield "printed claim", problem, _attempt(problem, "    print('all tests passed')"), _WRONG
    yield "equals everything", problem, _attempt(problem, _EQUAL), _WRONG


def _attempt(problem: Problem, completion: str, finish: str = "stop") -> Attempt:
    number = content_id(problem.id, completion, finish)
    return Attempt(number, problem.id, 0, completion, finish, GENERATOR)
