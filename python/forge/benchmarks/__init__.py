"""Held-out problems: one file for each benchmark, named here, plus any JSONL file of forge's problem rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from forge.config import resolve
from forge.errors import DataError
from forge.store import Rows
from forge.types import Problem

BENCHMARKS = {
    "nano/dev": "forge.benchmarks.nano:dev",
    "nano/final": "forge.benchmarks.nano:final",
    "humaneval": "forge.benchmarks.humaneval:problems",
    "gsm8k": "forge.benchmarks.gsm8k:problems",
    "math500": "forge.benchmarks.math500:problems",
    "aime": "forge.benchmarks.aime:all_90",
    "aime24": "forge.benchmarks.aime:of_2024",
    "aime25": "forge.benchmarks.aime:of_2025",
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
    where = f"problem {problem.id!r} of {name!r}"
    _NEEDS.get(problem.domain, _check_any)(problem, where)
    if not problem.reference.strip():
        raise DataError(f"{where} has no reference", "the grader is tested with it")


def _check_any(problem: Problem, where: str) -> None:
    if not problem.tests:
        raise DataError(f"{where} has no tests", f"add what the domain {problem.domain!r} judges by")


def _check_asserts(problem: Problem, where: str) -> None:
    asserts = problem.tests.get("asserts")
    if not asserts or not problem.tests.get("entry_point"):
        raise DataError(f"{where} has no tests", "add tests.entry_point and tests.asserts")
    if not isinstance(asserts, list | tuple) or not all(isinstance(test, str) for test in asserts):
        raise DataError(f"tests.asserts of {where} should be a list of strings")


def _check_answer(problem: Problem, where: str) -> None:
    answer = problem.tests.get("answer")
    if not isinstance(answer, str) or not answer.strip():
        raise DataError(f"{where} has no answer", "add tests.answer, a text")


_NEEDS: dict[str, Callable[[Problem, str], None]] = {"python": _check_asserts, "math": _check_answer}
"""What a problem of each domain must have; named here, so that no domain is loaded to read a file."""
