"""How fast the sandbox judges, against what people use instead: one interleaved run, everything judged right."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from forge import Job, Limits, Outcome, Sandbox

SOURCE = """
def squares_of_evens(xs):
    total = 0
    for x in xs:
        if x % 2 == 0:
            total += x * x
    return total
"""
TESTS = tuple(f"assert squares_of_evens({list(range(n))!r}) == {sum(x * x for x in range(0, n, 2))}" for n in range(8))
WORKERS = 2


def _check(source: str, tests: tuple[str, ...], passed: Any) -> None:
    space: dict[str, object] = {}
    exec(source, space)
    for test in tests:
        exec(test, space)
    passed.append(True)


def manager_and_process(count: int) -> None:
    """The usual harness: a manager and a process for each program, no isolation."""
    context = multiprocessing.get_context("fork")

    def one(_: int) -> bool:
        with context.Manager() as manager:
            passed = manager.list()
            process = context.Process(target=_check, args=(SOURCE, TESTS, passed))
            process.start()
            process.join(10)
            return bool(passed)

    with ThreadPoolExecutor(WORKERS) as pool:
        assert all(pool.map(one, range(count)))


def interpreter_each(count: int) -> None:
    """A fresh interpreter for each program, no isolation; exit status 0 counts as a pass."""
    text = "\n".join((SOURCE, *TESTS))

    def one(_: int) -> bool:
        return subprocess.run([sys.executable, "-I", "-c", text], capture_output=True, timeout=10).returncode == 0

    with ThreadPoolExecutor(WORKERS) as pool:
        assert all(pool.map(one, range(count)))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_the_sandbox_against_unisolated_harnesses(contest: Any) -> None:
    count = 64 if contest.measure else 4
    jobs = [Job(SOURCE, TESTS, "squares_of_evens")] * count
    with Sandbox(workers=WORKERS, limits=Limits(wall=10.0)) as box:

        def sandbox() -> None:
            assert all(execution.outcome is Outcome.PASS for execution in box.run(jobs))

        contest.run(
            f"{count} programs, {WORKERS} workers",
            {
                f"forge, isolation {box.isolation}": sandbox,
                "subprocess per program, no isolation": lambda: interpreter_each(count),
                "manager and process, no isolation": lambda: manager_and_process(count),
            },
        )
