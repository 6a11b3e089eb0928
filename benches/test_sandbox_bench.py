"""How fast the sandbox judges, beside raw limits and what people use instead: one interleaved run, all judged right."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import pytest
from contest import Contest, cpu, cpu_ratio, rate, wall_ratio
from contestants import WORKERS, everybody
from programs import Program, wrong


def _spread_out(count: int, of: int) -> list[int]:
    """Places of that many programs, the same ones each time, from all over; some several times if there are fewer."""
    return [place * of // count for place in range(count)] if count < of else [place % of for place in range(count)]


@pytest.mark.parametrize("name", everybody())
def test_a_contestant_tells_right_from_wrong(
    name: str, programs: list[Program], request: pytest.FixtureRequest
) -> None:
    contestant = everybody(request.config.getoption("--peers-python"))[name]
    if reason := contestant.missing():
        pytest.skip(reason)
    with contestant.start([*programs, wrong()]) as driver:
        right = _spread_out(3, len(programs))
        assert driver.passed(right)[0] == 3
        if name != "raw-fork":
            assert driver.passed([*right, len(programs)])[0] == 3


@pytest.mark.timeout(1800)
def test_the_sandbox_beside_its_peers(
    contest: Contest, programs: list[Program], request: pytest.FixtureRequest
) -> None:
    assert 150 < len(programs) < 164, "the slow programs were not told from the fast"
    contestants = everybody(request.config.getoption("--peers-python"))
    if not contest.measure:
        contestants = {name: contestants[name] for name in ("forge", "raw-fork")}
    absent = {name: reason for name, contestant in contestants.items() if (reason := contestant.missing())}
    assert "forge" not in absent, absent["forge"]
    with ExitStack() as stack:
        turns = {}
        for name, contestant in contestants.items():
            if name not in absent:
                driver = stack.enter_context(contestant.start(programs))
                places = _spread_out(contestant.share if contest.measure else 3, len(programs))
                turns[contestant.title] = partial(driver.turn, places)
        found = contest.run(turns)
    notes = [f"Absent: {reason}." for reason in absent.values()]
    contest.compare(
        "sandbox-peers",
        f"{len(programs)} fast HumanEval references, {WORKERS} workers",
        found,
        [
            ("programs/s", rate),
            ("CPU ms each", cpu),
            ("time: times forge's", wall_ratio),
            ("CPU: times forge's", cpu_ratio),
        ],
        notes,
    )
