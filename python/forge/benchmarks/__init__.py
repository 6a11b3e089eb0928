"""Held-out problems: one file for each benchmark, named here, plus any JSONL file of forge's problem rows."""

from __future__ import annotations

from pathlib import Path

from forge.config import resolve
from forge.errors import DataError
from forge.store import Rows
from forge.types import Problem

BENCHMARKS = {
    "nano/dev": "forge.benchmarks.nano:dev",
    "nano/final": "forge.benchmarks.nano:final",
    "humaneval": "forge.benchmarks.humaneval:problems",
}


def load(name: str) -> list[Problem]:
    """The problems of a benchmark by name, or of a JSONL file by path.

    Raises:
        ConfigError: there is no such benchmark.
        DataError: its rows cannot be had or read, or a problem has no tests.
    """
    if name.endswith(".jsonl"):
        if not Path(name).is_file():
            raise DataError(f"no problem file at {name!r}", f"known benchmarks: {', '.join(BENCHMARKS)}")
        problems = Rows(Path(name), Problem).read(torn=False)
    else:
        problems = list(resolve(BENCHMARKS, name, "benchmark")())
    if not problems:
        raise DataError(f"benchmark {name!r} holds no problem")
    seen: set[str] = set()
    for problem in problems:
        _check(problem, name)
        if problem.id in seen:
            raise DataError(f"problem {problem.id!r} of {name!r} appears twice")
        seen.add(problem.id)
    return problems


def _check(problem: Problem, name: str) -> None:
    asserts = problem.tests.get("asserts")
    if not asserts or not problem.tests.get("entry_point"):
        raise DataError(f"problem {problem.id!r} of {name!r} has no tests", "add tests.entry_point and tests.asserts")
    if not isinstance(asserts, list | tuple) or not all(isinstance(test, str) for test in asserts):
        raise DataError(f"tests.asserts of problem {problem.id!r} of {name!r} should be a list of strings")
    if not problem.reference.strip():
        raise DataError(f"problem {problem.id!r} of {name!r} has no reference", "the grader is tested with it")
