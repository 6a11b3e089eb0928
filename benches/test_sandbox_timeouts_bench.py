"""What programs cost that never end: how little more than their limit, together and each for itself."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from contest import Contest, spread

from forge import Job, Limits, Outcome, Sandbox

WORKERS = 2
SOURCE = "def spin():\n    while True:\n        pass\n# {}\n"


def _loops(count: int) -> Iterator[Job]:
    for _ in range(count):
        yield Job(SOURCE.format(time.perf_counter_ns()), ("assert spin() is None",), "spin")


def _over(box: Sandbox, jobs: Iterator[Job], limit: float) -> float:
    """How far the worst of the jobs went over its limit, in milliseconds, by its own account."""
    executions = list(box.run(jobs))
    outcomes = {str(execution.outcome) for execution in executions}
    assert outcomes == {str(Outcome.TIMEOUT)}, f"endless loops ended as {outcomes}"
    assert all(execution.seconds >= limit for execution in executions)
    return 1000 * max(execution.seconds - limit for execution in executions)


@pytest.mark.timeout(900)
def test_endless_loops(contest: Contest) -> None:
    limit, count, single = (0.5, 64, 4) if contest.measure else (0.1, 4, 1)
    together, over, seen = [], [], []
    with Sandbox(workers=WORKERS, limits=Limits(wall=limit)) as box:
        for _ in range(contest.rounds if contest.measure else 1):
            began = time.perf_counter()
            over.append(_over(box, _loops(count), limit))
            together.append((time.perf_counter() - began) / (count * limit / WORKERS))
            waits = []
            for _ in range(single):
                began = time.perf_counter()
                _over(box, _loops(1), limit)
                waits.append(1000 * (time.perf_counter() - began - limit))
            seen.append(max(waits))
    assert min(together) >= 1
    contest.report(
        "sandbox-timeouts",
        f"{count} endless loops, limit {limit} s, {WORKERS} workers",
        ["", "forge, full isolation"],
        [
            ["wall time of all, times the least possible", spread(together, 3)],
            ["over the limit, by `execution.seconds`, worst of all, ms", spread(over, 1)],
            [f"over the limit, as the caller waits, one at a time, worst of {single}, ms", spread(seen, 1)],
        ],
    )
