"""The grader's self-test: answers whose verdict is known in advance, judged before any score is given.

Which they are, each domain knows of its own problems. What is right is also judged as a generator would cut it that
obeys a prompt format's stop strings: it must still pass, or be called truncated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from forge.prompts import Format, kind
from forge.protocols import CUT, RIGHT, WRONG, Known, Tested
from forge.types import Attempt, Problem, content_id

GENERATOR = "selftest"


@dataclass(frozen=True, slots=True)
class Result:
    """How many known answers were judged, of which kinds, and each that was judged wrongly."""

    judged: int
    kinds: dict[str, int]
    misses: list[str]


def run(domain: Tested, problems: Sequence[Problem], seed: int, formats: Iterable[Format] = ()) -> Result:
    """Judge the known answers to these problems, and what the stop strings of `formats` leave of the right ones.

    Mutants need not all fail, since some change nothing: of each problem's, one must.
    """
    known = []
    for problem in problems:
        cases = list(domain.known(problem))
        cases += [case for format in formats for case in _stopped(problem, cases, format)]
        known += [(problem, case) for case in cases]
    items = [(case.problem or problem, _attempt(problem, case.completion, case.finish)) for problem, case in known]
    kinds: Counter[str] = Counter()
    misses = []
    for (problem, case), verdict in zip(known, domain.judge(items), strict=True):
        kinds[case.kind] += 1
        if verdict.outcome not in case.outcomes:
            right = " or ".join(sorted(case.outcomes)[:2])
            misses.append(f"{problem.id}: {case.kind} is {verdict.outcome}, not {right}")
    mutants = domain.mutants(problems, seed)
    broken = [
        (problem, _attempt(problem, text)) for problem, texts in zip(problems, mutants, strict=True) for text in texts
    ]
    caught: set[str] = set()
    for (problem, _), verdict in zip(broken, domain.judge(broken), strict=True):
        kinds["mutant"] += 1
        if verdict.outcome in WRONG:
            caught.add(problem.id)
    misses += [f"{p.id}: no mutant of the reference fails" for p in problems if p.id not in caught]
    return Result(sum(kinds.values()), dict(kinds), misses)


def _stopped(problem: Problem, cases: Sequence[Known], format: Format) -> Iterator[Known]:
    """What a format asks for, and every right completion that holds one of its stop strings, up to that."""
    target = Known(f"target of {format.name}", format.target(problem, problem.reference), RIGHT)
    yield target
    for stop in format.stops.get(kind(problem), ()):
        for case in (target, *cases):
            before, found, _ = case.completion.partition(stop)
            if found and case.outcomes == RIGHT:
                yield Known(f"cut at {stop!r} of {format.name}", before, CUT, problem=case.problem)


def _attempt(problem: Problem, completion: str, finish: str = "stop") -> Attempt:
    number = content_id(problem.id, completion, finish)
    return Attempt(number, problem.id, 0, completion, finish, GENERATOR)
