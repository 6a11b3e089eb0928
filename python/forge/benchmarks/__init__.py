"""Held-out problems: one file for each benchmark, named here, plus files of problems by path."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from forge import payload
from forge.benchmarks import bigcodebench, evalplus, livecodebench, mbpp
from forge.benchmarks.rows import Row, states_in
from forge.config import resolve
from forge.documents import is_document
from forge.errors import DataError
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
    "humaneval+": "forge.benchmarks.evalplus:humaneval",
    "mbpp": "forge.benchmarks.mbpp:full",
    "mbpp/test": "forge.benchmarks.mbpp:test",
    "mbpp/validation": "forge.benchmarks.mbpp:validation",
    "mbpp/train": "forge.benchmarks.mbpp:train",
    "mbpp/sanitized": "forge.benchmarks.mbpp:sanitized",
    "mbpp/sanitized/test": "forge.benchmarks.mbpp:sanitized_test",
    "mbpp+": "forge.benchmarks.evalplus:mbpp",
    "bigcodebench": "forge.benchmarks.bigcodebench:full",
    "bigcodebench-hard": "forge.benchmarks.bigcodebench:hard",
    "livecodebench": "forge.benchmarks.livecodebench:problems",
}
_PUBLISHED: tuple[tuple[Callable[[Row], bool], Callable[[Row], Problem]], ...] = (
    (evalplus.states, evalplus.problem),
    (mbpp.states, mbpp.problem),
    (bigcodebench.states, bigcodebench.problem),
    (livecodebench.states, livecodebench.problem),
)
"""Whose rows are known by their keys; any others are of `payload.problem`'s kinds."""


def load(name: str, *, references: bool = True) -> list[Problem]:
    """The problems of a benchmark by name, or of a file by path, each with a reference unless that is waived.

    Raises:
        ConfigError: there is no such benchmark.
        DataError: its rows cannot be had or read, or a problem has no tests or no reference.
    """
    if not _is_path(name):
        problems = list(resolve(BENCHMARKS, name, "benchmark")())
    elif Path(name).is_file():
        problems = states_in(name, _stated)
    else:
        raise DataError(f"no problem file at {name!r}", f"known benchmarks: {', '.join(BENCHMARKS)}")
    for problem in _checked(problems, f"benchmark {name!r}", repr(name)):
        if references and not problem.reference.strip():
            raise DataError(
                f"problem {problem.id!r} of {name!r} has no reference", "add one: the grader is tested with it"
            )
    return problems


def read(name: str) -> list[Problem]:
    """The problems in a file by path, in forge's format or in the published one of a benchmark.

    Raises:
        DataError: the file cannot be read or holds none, a row is no problem, or one is there twice.
    """
    return _checked(states_in(name, _stated), name, name)


def named(problems: Iterable[Problem]) -> dict[str, Problem]:
    """Problems by their names, and by the number that ends a name where only one has it."""
    found: dict[str, Problem] = {}
    ends: dict[str, list[Problem]] = {}
    for problem in problems:
        found[problem.id] = problem
        ends.setdefault(problem.id.rpartition("/")[2], []).append(problem)
    return {end: same[0] for end, same in ends.items() if len(same) == 1} | found


def _stated(row: Row) -> Problem:
    for states, problem in _PUBLISHED:
        if states(row):
            return problem(row)
    return payload.problem(row)


def _is_path(name: str) -> bool:
    return name.endswith((".jsonl", ".jsonl.gz")) or is_document(name)


def _checked(found: list[Problem], whole: str, name: str) -> list[Problem]:
    """The problems, each of which can be judged and is there once."""
    if not found:
        raise DataError(f"{whole} holds no problem", "give one row of JSON for each problem")
    seen: set[str] = set()
    for problem in found:
        try:
            payload.check(problem)
        except ValueError as failure:
            raise DataError(f"problem {problem.id!r} of {name} {failure}") from failure
        if problem.id in seen:
            raise DataError(f"problem {problem.id!r} of {name} appears twice")
        seen.add(problem.id)
    return found
