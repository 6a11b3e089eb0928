"""Pairs out of verdicts: a failed answer beside a passing one, where the model is at its edge.

A problem is at the edge when some attempts pass and some fail. Attempts that ended in `error` or
`truncated`, or hold no code, teach nothing and are passed over. Sees rows only.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from forge.prompts import Format
from forge.types import Attempt, Outcome, Pair, Problem, Prompt, Verdict, content_id

_MINED = frozenset(Outcome) - {Outcome.PASS, Outcome.ERROR, Outcome.TRUNCATED, Outcome.REFUSED}


@dataclass(frozen=True, slots=True)
class Couple:
    """A failed and a passing answer to one problem, before a format makes rows of them."""

    problem: Problem
    rejected: Verdict
    chosen: Verdict


@dataclass(frozen=True, slots=True)
class Edge:
    """How many problems the attempts show to be at the edge, solved always, or never."""

    some: int
    all: int
    none: int


def by_problem(attempts: Iterable[Attempt], verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    """Each problem's verdicts in the order of its samples."""
    latest = {verdict.attempt_id: verdict for verdict in verdicts}
    found: dict[str, list[tuple[int, Verdict]]] = defaultdict(list)
    for attempt in attempts:
        if attempt.id in latest:
            found[attempt.problem_id].append((attempt.index, latest[attempt.id]))
    return {name: [verdict for _, verdict in sorted(rows, key=lambda row: row[0])] for name, rows in found.items()}


def edge(verdicts: Mapping[str, Sequence[Verdict]]) -> Edge:
    """Count the problems at, above and below the edge; verdicts that ended in `error` do not count."""
    counts = [0, 0, 0]
    for rows in verdicts.values():
        passed = [row.outcome is Outcome.PASS for row in rows if row.outcome is not Outcome.ERROR]
        if passed:
            counts[1 if all(passed) else 0 if any(passed) else 2] += 1
    return Edge(*counts)


def couples(
    problems: Sequence[Problem], verdicts: Mapping[str, Sequence[Verdict]], per_problem: int, limit: int, seed: int
) -> list[Couple]:
    """At most `per_problem` distinct failures of each problem at the edge, each with its first passing answer.

    Every problem gives its first couple before any gives its second; which problems come first is drawn
    by `seed`. Failures that differ in layout only count once.
    """
    ladders = []
    for problem in problems:
        rows = verdicts.get(problem.id, [])
        chosen = next((row for row in rows if row.outcome is Outcome.PASS), None)
        if chosen is None:
            continue
        distinct: dict[str, Verdict] = {}
        for row in rows:
            if row.outcome in _MINED and row.answer.strip():
                distinct.setdefault(" ".join(row.answer.split()), row)
        ladder = [Couple(problem, row, chosen) for row in list(distinct.values())[:per_problem]]
        if ladder:
            ladders.append(ladder)
    random.Random(seed).shuffle(ladders)
    ranked = [ladder[rank] for rank in range(per_problem) for ladder in ladders if rank < len(ladder)]
    return ranked[:limit]


def clean(
    couples: Iterable[Couple], keys: Callable[[str, str], frozenset[str]], heldout: Mapping[str, Problem]
) -> list[Couple]:
    """The couples neither of whose answers is, in normal form, a held-out answer."""
    return [
        couple
        for couple in couples
        if not any(key in heldout for text in (couple.rejected, couple.chosen) for key in keys("", text.answer))
    ]


def pairs(couples: Iterable[Couple], format: Format, targets: str) -> list[Pair]:
    """Training rows: `repair` shows the failure and its feedback, `plain` the problem alone, `both` gives each."""
    found: dict[str, Pair] = {}
    for couple in couples:
        if targets in ("repair", "both"):
            prompt = format.repair(couple.problem, couple.rejected.answer, couple.rejected.feedback)
            row = _pair("repair", couple, prompt, format)
            found.setdefault(row.id, row)
        if targets in ("plain", "both"):
            row = _pair("plain", couple, format.solve(couple.problem), format)
            found.setdefault(row.id, row)
    return list(found.values())


def _pair(kind: str, couple: Couple, prompt: Prompt, format: Format) -> Pair:
    rejected = format.target(couple.problem, couple.rejected.answer)
    chosen = format.target(couple.problem, couple.chosen.answer)
    number = content_id(kind, prompt, rejected, chosen)
    return Pair(
        number, couple.problem.id, kind, prompt, rejected, chosen, couple.rejected.feedback,
        couple.rejected.attempt_id, couple.chosen.attempt_id,
    )  # fmt: skip
