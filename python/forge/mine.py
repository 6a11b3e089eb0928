"""Pairs out of verdicts: a failed answer beside a passing one, where the model is at its edge.

A problem is at the edge when some attempts pass and some fail. Failed answers merge only where they do the same
thing in the same way: inside one problem, outcome and behaviour, by near-duplicate code (`dedup`), since the code
alone cannot tell a bug from a harmless edit. Each is paired with the passing answer nearest to it, so that the pair
shows the repair and little else. Sees rows only; what is wrong with an answer is the domain's to say.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from forge import dedup
from forge.config import MineConfig
from forge.decontaminate import Heldout
from forge.prompts import Format
from forge.types import Attempt, Outcome, Pair, Problem, Prompt, Verdict, content_id

_MINED = frozenset(Outcome) - {Outcome.PASS, Outcome.ERROR, Outcome.REFUSED}


@dataclass(frozen=True, slots=True)
class Couple:
    """A failed and a passing answer to one problem, before a format makes rows of them."""

    problem: Problem
    rejected: Verdict
    chosen: Verdict
    flaw: str = ""


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
    problems: Sequence[Problem], verdicts: Mapping[str, Sequence[Verdict]], policy: MineConfig
) -> tuple[list[Couple], int]:
    """The failures of problems at the edge that are left after merging, each with a passing answer; and how many
    failures there were. Of one problem, what many attempts did comes before what few did."""
    at_edge = [
        (problem, rows)
        for problem in problems
        if (rows := verdicts.get(problem.id)) and any(row.outcome is Outcome.PASS for row in rows)
    ]
    failures = [[row for row in rows if row.outcome in _MINED] for _, rows in at_edge]
    merges = {"behaviour": _by_behaviour, "text": _by_text}
    left = merges[policy.merge](failures) if policy.merge in merges else failures
    found = []
    for (problem, rows), kept in zip(at_edge, left, strict=True):
        passing = [row for row in rows if row.outcome is Outcome.PASS]
        found += [Couple(problem, row, _partner(row, passing, policy)) for row in kept]
    return found, sum(map(len, failures))


def ranked(
    couples: Sequence[Couple], verdicts: Mapping[str, Sequence[Verdict]], policy: MineConfig, seed: int
) -> list[Couple]:
    """The couples within the quotas, in the order of their use.

    Every problem gives its first couple before any gives its second. Of one problem, a failure of each behaviour
    comes before a second one of any. Problems that are equal in the policy's order are shuffled.
    """
    ladders: dict[str, list[Couple]] = defaultdict(list)
    for couple in couples:
        ladders[couple.problem.id].append(couple)
    for name, ladder in ladders.items():
        ladders[name] = _rungs(ladder, policy)[: policy.per_problem]
    names = list(ladders)
    random.Random(seed).shuffle(names)
    if policy.order == "hardest":
        names.sort(key=lambda name: _passing(verdicts[name]))
    return [ladders[name][rank] for rank in range(policy.per_problem) for name in names if rank < len(ladders[name])]


def clean(couples: Iterable[Couple], heldout: Heldout) -> tuple[list[Couple], list[dict[str, str]]]:
    """The couples neither of whose answers repeats a held-out problem; and the answers that do, with what they
    repeat, as plain rows."""
    kept = []
    hits: dict[str, dict[str, str]] = {}
    for couple in couples:
        found = {row.attempt_id: (row, heldout.find("", row.answer)) for row in (couple.rejected, couple.chosen)}
        leaks = {name: (row, hit) for name, (row, hit) in found.items() if hit is not None}
        for name, (row, hit) in leaks.items():
            twin = hit.problem
            their = twin.reference or twin.prompt
            hits[name] = {"id": name, "heldout": twin.id, "how": hit.how, "text": row.answer, "heldout_text": their}
        if not leaks:
            kept.append(couple)
    return kept, list(hits.values())


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


def _by_behaviour(failures: Sequence[Sequence[Verdict]]) -> list[list[Verdict]]:
    """Of near-duplicates that end alike, the first."""
    rows = [(place, row) for place, found in enumerate(failures) for row in found]
    keys = [(place, str(row.outcome), row.behaviour) for place, row in rows]
    clusters = dedup.clusters([row.answer for _, row in rows], keys)
    sizes = Counter(clusters)
    kept: list[list[Verdict]] = [[] for _ in failures]
    for cluster in sorted(sizes, key=lambda cluster: (-sizes[cluster], cluster)):
        place, row = rows[cluster]
        kept[place].append(row)
    return kept


def _by_text(failures: Sequence[Sequence[Verdict]]) -> list[list[Verdict]]:
    """What no earlier failure of any problem equals, case and layout aside."""
    seen: set[str] = set()
    kept: list[list[Verdict]] = []
    for found in failures:
        kept.append([])
        for row in found:
            text = " ".join(row.answer.lower().split())
            if text not in seen:
                seen.add(text)
                kept[-1].append(row)
    return kept


def _rungs(ladder: Sequence[Couple], policy: MineConfig) -> list[Couple]:
    """One problem's couples: the first of each behaviour, then the second of each, within their quota."""
    if policy.merge != "behaviour":
        return list(ladder)
    ranks: Counter[tuple[str, str]] = Counter()
    found = []
    for place, couple in enumerate(ladder):
        key = (str(couple.rejected.outcome), couple.rejected.behaviour)
        found.append((ranks[key], place, couple))
        ranks[key] += 1
    return [couple for rank, _, couple in sorted(found, key=lambda item: item[:2]) if rank < policy.per_behaviour]


def _passing(rows: Sequence[Verdict]) -> float:
    judged = [row for row in rows if row.outcome is not Outcome.ERROR]
    return sum(row.outcome is Outcome.PASS for row in judged) / max(1, len(judged))


def _partner(row: Verdict, passing: Sequence[Verdict], policy: MineConfig) -> Verdict:
    if policy.partner == "first" or len(passing) == 1:
        return passing[0]
    return passing[dedup.nearest(row.answer, [other.answer for other in passing])]


def _pair(kind: str, couple: Couple, prompt: Prompt, format: Format) -> Pair:
    rejected = format.target(couple.problem, couple.rejected.answer)
    chosen = format.target(couple.problem, couple.chosen.answer)
    number = content_id(kind, prompt, rejected, chosen)
    return Pair(
        number, couple.problem.id, kind, prompt, rejected, chosen, couple.rejected.feedback,
        couple.rejected.attempt_id, couple.chosen.attempt_id, couple.flaw,
    )  # fmt: skip
