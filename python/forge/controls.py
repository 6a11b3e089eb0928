"""Pairs that should not help: the same training on rows that carry no repair of the model's own mistakes.

`corrupted` is the published control: clean programs of a foreign family, broken mechanically. `format-only`
teaches nothing but where an answer ends: the model's own passing answers to problems that it always
passes, beside the same answers with junk behind them. `teacher` is no control: it trains on true references
of the held-out problems' own family and shows what a teacher could reach. Rows only; what is said to pass
or to fail is judged by the caller.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence

from forge.types import Attempt, Outcome, Pair, Problem, Verdict, content_id

NAMES = ("corrupted", "format-only")
JUDGE = "control"

Triple = tuple[Problem, str, str]
"""A problem, a program that is said to fail it, and one that is said to pass."""

# Indented, so that extraction takes them for the answer's own lines, as it does with a base model's run-on.
_JUNK = (
    "\n    The function returns the value",
    "\n    return (",
    "\n    ```\n    Explanation:",
    '\n    """The answer',
)


def verdict(problem: Problem, answer: str, outcome: Outcome) -> Verdict:
    """A verdict on a text that no model wrote."""
    return Verdict(content_id(problem.id, answer), outcome, answer, 0, 0, "", "", 0.0, JUDGE)


def stated(problem: Problem, program: str) -> Attempt:
    """A program as an attempt, so that it can be judged."""
    return Attempt(content_id(problem.id, program), problem.id, 0, program, "stop", JUDGE)


def format_only(
    problems: Sequence[Problem], verdicts: Mapping[str, Sequence[Verdict]], limit: int, seed: int
) -> list[Triple]:
    """Own passing answers to problems without one failure, with and without junk: at most `limit`.

    With fewer such problems than `limit`, further distinct passing answers of the same problems follow.
    """
    source = random.Random(seed)
    ladders = []
    for problem in problems:
        rows = [row for row in verdicts.get(problem.id, []) if row.outcome is not Outcome.ERROR]
        if rows and all(row.outcome is Outcome.PASS for row in rows):
            distinct = {" ".join(row.answer.split()): row.answer for row in reversed(rows)}
            ladders.append([(problem, answer) for answer in reversed(distinct.values())])
    source.shuffle(ladders)
    longest = max(map(len, ladders), default=0)
    ranked = [ladder[rank] for rank in range(longest) for ladder in ladders if rank < len(ladder)]
    return [(problem, answer.rstrip() + source.choice(_JUNK), answer) for problem, answer in ranked[:limit]]


def matched(rows: Sequence[Pair], pattern: Sequence[Pair]) -> list[Pair]:
    """The rows, repeated or cut so that there are as many of each kind as in `pattern`.

    An arm that lacks a kind takes the whole number from the kinds it has. Empty where either is.
    """
    if not rows:
        return []
    wanted = Counter(row.kind for row in pattern)
    by_kind = {kind: [row for row in rows if row.kind == kind] for kind in wanted}
    if not all(by_kind.values()):
        return [rows[index % len(rows)] for index in range(len(pattern))]
    return [by_kind[kind][index % len(by_kind[kind])] for kind, count in wanted.items() for index in range(count)]
