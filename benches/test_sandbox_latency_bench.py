"""How long one job takes that comes alone, beside a bare copy of a warm interpreter that runs the same program."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import pytest
from contest import Contest, Turns, quantile, spread
from contestants import peer, zygote
from programs import Program


def _milliseconds(share: float, mine: Turns, _: Turns) -> str:
    return spread([1000 * quantile(turn.each, share) for turn in mine])


def _ratio(share: float, mine: Turns, first: Turns) -> str:
    if mine is first:
        return "1"
    return spread([quantile(a.each, share) / quantile(b.each, share) for a, b in zip(mine, first, strict=True)])


@pytest.mark.timeout(900)
def test_one_job_at_a_time(contest: Contest, programs: list[Program]) -> None:
    contestants = {
        "forge, full isolation": peer("forge", level="full", alone=True),
        "fork of a warm interpreter that runs it; no isolation": zygote(raw=False, processes=1),
    }
    places = list(range(len(programs) if contest.measure else 4))
    with ExitStack() as stack:
        found = contest.run(
            {title: partial(stack.enter_context(start(programs)).turn, places) for title, start in contestants.items()}
        )
    assert all(len(turn.each) == len(places) for turns in found.values() for turn in turns)
    contest.compare(
        "sandbox-latency",
        f"Latency of {len(places)} fast HumanEval references, one at a time",
        found,
        [
            ("p50 ms", partial(_milliseconds, 0.5)),
            ("p99 ms", partial(_milliseconds, 0.99)),
            ("p50: times forge's", partial(_ratio, 0.5)),
            ("p99: times forge's", partial(_ratio, 0.99)),
        ],
    )
