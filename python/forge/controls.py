"""Pairs that should not help: the same training on rows that carry no repair of the model's own mistakes.

`corrupted` is the published control: clean programs of a foreign family, broken mechanically. `format_only`
teaches nothing but where an answer ends: the model's own passing answers to problems that it always
passes, beside the same answers wrapped in the junk that base models emit. `teacher` is no control: it
trains on true references of the held-out problems' own family and shows what a teacher could reach.
Rows only; the caller has judged what is said to pass or fail.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from forge.mine import Couple
from forge.types import Outcome, Problem, Verdict, content_id

JUDGE = "control"
_JUNK = (
    "\nassert False\nassert",
    "\n# The answer is:\n```",
    "\nprint(answer)\nclass Solution:\n    def",
    "\n# solve\ndef",
)


def verdict(problem: Problem, answer: str, outcome: Outcome, feedback: str) -> Verdict:
    """A verdict on a text that no model wrote."""
    return Verdict(content_id(problem.id, answer), outcome, answer, 0, 0, "", feedback, 0.0, JUDGE)


def format_only(
    problems: Sequence[Problem], verdicts: Mapping[str, Sequence[Verdict]], limit: int, seed: int
) -> list[Couple]:
    """Own passing answers to problems without one failure, rejected in a junk wrapping: at most `limit`.

    With fewer such problems than `limit`, further distinct passing answers of the same problems follow.
    """
    source = random.Random(seed)
    ladders = []
    for problem in problems:
        rows = [row for row in verdicts.get(problem.id, []) if row.outcome is not Outcome.ERROR]
        if rows and all(row.outcome is Outcome.PASS for row in rows):
            distinct = {" ".join(row.answer.split()): row for row in reversed(rows)}
            ladders.append([(problem, row) for row in reversed(distinct.values())])
    source.shuffle(ladders)
    longest = max(map(len, ladders), default=0)
    ranked = [ladder[rank] for rank in range(longest) for ladder in ladders if rank < len(ladder)]
    found = []
    for problem, row in ranked[:limit]:
        junk = row.answer.rstrip() + source.choice(_JUNK)
        message = "SyntaxError: invalid syntax"
        found.append(Couple(problem, verdict(problem, junk, Outcome.INVALID, message), row))
    return found


def repeated(couples: Sequence[Couple], limit: int) -> list[Couple]:
    """The couples again and again up to `limit`, so that a control takes as many steps as the adapter."""
    return [couples[index % len(couples)] for index in range(limit)] if couples else []
