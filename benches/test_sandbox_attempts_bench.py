"""How fast many attempts at one problem are judged: the shape of work that sampling from a model makes."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import pytest
from contest import Contest, cpu, cpu_ratio, rate, wall_ratio
from contestants import WORKERS, everybody
from programs import Program

PROBLEMS = 8
ATTEMPTS = 64


@pytest.mark.timeout(900)
def test_many_attempts_at_each_problem(contest: Contest, programs: list[Program]) -> None:
    chosen = programs[:: len(programs) // PROBLEMS][:PROBLEMS]
    attempts = {"forge": ATTEMPTS, "fork-exec": ATTEMPTS, "interpreter": ATTEMPTS // 4}
    contestants = everybody()
    with ExitStack() as stack:
        turns = {}
        for name, count in attempts.items():
            driver = stack.enter_context(contestants[name].start(chosen))
            # One problem's attempts after the other's, each text with a comment of its own.
            places = [place for place in range(PROBLEMS) for _ in range(count if contest.measure else 2)]
            turns[contestants[name].title] = partial(driver.turn, places)
        found = contest.run(turns)
    contest.compare(
        "sandbox-attempts",
        f"{ATTEMPTS} attempts at each of {PROBLEMS} problems, {WORKERS} workers",
        found,
        [
            ("programs/s", rate),
            ("CPU ms each", cpu),
            ("time: times forge's", wall_ratio),
            ("CPU: times forge's", cpu_ratio),
        ],
    )
