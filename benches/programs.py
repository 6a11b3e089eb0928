"""What is judged in the sandbox's benches: HumanEval's references, each with the tests of its problem."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from forge.benchmarks import humaneval

SLOW = 20.0
"""A program is slow if it takes this many times the median. Four of the 164 do, 40 times and more; the next one 11."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program, in the pieces that forge takes and as the one text that everybody else takes."""

    name: str
    source: str
    tests: tuple[str, ...]
    entry_point: str
    setup: str
    text: str


def references() -> list[Program]:
    """All references, as their domain hands them to the sandbox.

    Raises:
        DataError: the rows are not to be had.
    """
    found = []
    for problem in humaneval.problems():
        setup, asserts = str(problem.tests["setup"]), tuple(problem.tests["asserts"])
        stub = f"{problem.prompt}\n    pass\n\n"
        if not setup.startswith(stub):
            raise ValueError(f"the setup of {problem.id} does not begin with its prompt")
        # The reference repeats the prompt: whoever runs one text need not compile it twice.
        text = "\n".join((problem.reference, setup.removeprefix(stub), *asserts, ""))
        entry_point = str(problem.tests["entry_point"])
        found.append(Program(problem.id, problem.reference, asserts, entry_point, setup, text))
    return found


def wrong() -> Program:
    """A program whose test does not hold."""
    source, test = "def one():\n    return 2\n", "assert one() == 1"
    return Program("wrong", source, (test,), "one", "", f"{source}\n{test}\n")


def fast(programs: Sequence[Program]) -> list[Program]:
    """Those that show the executor rather than their own work: compiled and run here, without any slow one."""
    seconds = [_least_seconds(program) for program in programs]
    limit = SLOW * statistics.median(seconds)
    return [program for program, took in zip(programs, seconds, strict=True) if took < limit]


def _least_seconds(program: Program) -> float:
    found = []
    for _ in range(3):
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(program.text, program.name, "exec"), {"__name__": "candidate"})
        found.append(time.perf_counter() - began)
        if found[-1] > 0.05:
            break
    return min(found)
