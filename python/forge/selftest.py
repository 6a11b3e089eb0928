"""The grader's self-test: answers whose verdict is known in advance, judged before any score is given.

Which they are, each domain knows of its own problems.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from forge.protocols import WRONG, Tested
from forge.types import Attempt, Problem, content_id

GENERATOR = "selftest"


@dataclass(frozen=True, slots=True)
class Result:
    """How many known answers were judged, of which kinds, and each that was judged wrongly."""

    judged: int
    kinds: dict[str, int]
    misses: list[str]


def run(domain: Tested, problems: Sequence[Problem], seed: int) -> Result:
    """Judge the known answers to these problems.

    Mutants need not all fail, since some change nothing: of each problem's, one must.
    """
    known = [(problem, case) for problem in problems for case in domain.known(problem)]
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


def _attempt(problem: Problem, completion: str, finish: str = "stop") -> Attempt:
    number = content_id(problem.id, completion, finish)
    return Attempt(number, problem.id, 0, completion, finish, GENERATOR)
