"""Samples as others write them: one row states a program and the problem it should solve, or names the problem.

    {"task_id": "t/1", "solution": "def inc(x): return x + 1", "tests": ["assert inc(1) == 2"]}
    {"task_id": "HumanEval/0", "completion": "    return [x for x in ..."}
    {"id": "0f3a", "problem_id": "own/77", "index": 0, "completion": "...", "finish": "stop", "generator": "..."}

A row is recognised by its keys; docs/judge.md lists them. Here rows become values; nothing is read, executed
or parsed, and whatever is wrong with a row is a ValueError in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from forge import extract
from forge.types import Attempt, Problem, from_row

DOMAIN = "python"
_PROGRAMS = ("source", "solution")
_NOTHING = Problem("", DOMAIN, "", "", {"entry_point": "", "asserts": []})


class Sample(NamedTuple):
    """One row of input: `program` as it stands, or None where it is to be extracted from the attempt.

    `task` and `id` are what the row calls them, None where it does not; `fault` says why the row cannot be
    judged.
    """

    problem: Problem
    attempt: Attempt
    program: str | None
    task: str | int | None = None
    id: str | int | None = None
    fault: str = ""


def faulty(fault: str, row: Any = None) -> Sample:
    """What stands for a row that cannot be judged."""
    row = row if isinstance(row, Mapping) else {}
    task = row.get("problem_id", row.get("task_id"))
    return Sample(_NOTHING, _attempt("", ""), "", _name(task), _name(row.get("id")), fault)


def sample(row: Any, problems: Mapping[str, Problem]) -> Sample:
    """The sample that a row states; `problems` are those that rows may name.

    Raises:
        ValueError: a key is missing or not of its type, or the problem is not among `problems`.
    """
    if not isinstance(row, Mapping):
        raise ValueError(f"a row should be a JSON object, not {type(row).__name__}")
    if "problem_id" in row:
        attempt = from_row(Attempt, row)
        return Sample(_named(attempt.problem_id, problems), attempt, None, attempt.problem_id, attempt.id)
    task = row.get("task_id")
    if "tests" in row or "test" in row:
        stated = problem(row)
    elif task is None:
        raise ValueError("has neither tests nor a task_id")
    else:
        stated = _named(_identity(row), problems)
    for key in _PROGRAMS:
        if key in row:
            return Sample(stated, _attempt(stated.id, ""), _text(row, key), _name(task), _name(row.get("id")))
    if "completion" not in row:
        raise ValueError("has no source, solution or completion")
    attempt = _attempt(stated.id, _text(row, "completion"))
    return Sample(stated, attempt, None, _name(task), _name(row.get("id")))


def problem(row: Any) -> Problem:
    """The problem that a row states: forge's own kind, a benchmark's, or any row with tests.

    Raises:
        ValueError: a key is missing or not of its type, or there are no tests.
    """
    if not isinstance(row, Mapping):
        raise ValueError(f"a row should be a JSON object, not {type(row).__name__}")
    if "domain" in row and "split" in row:
        return _own(row)
    prompt, entry_point, setup = (_text(row, key, "") for key in ("prompt", "entry_point", "setup"))
    if "tests" in row:
        asserts = _asserts(row["tests"], entry_point)
    else:
        setup, asserts = _checked(_text(row, "test"), prompt, entry_point, setup)
    reference = prompt + _text(row, "canonical_solution") if "canonical_solution" in row else ""
    tests = {"entry_point": entry_point, "setup": setup, "asserts": asserts}
    return Problem(_identity(row), DOMAIN, "heldout", prompt, tests, reference)


def _own(row: Mapping[str, Any]) -> Problem:
    """A row that forge wrote, or one like it."""
    found = from_row(Problem, row)
    if found.domain != DOMAIN:
        raise ValueError(f"is of domain {found.domain!r}, not {DOMAIN!r}")
    _text(found.tests, "entry_point")
    _text(found.tests, "setup", "")
    if "asserts" not in found.tests:
        raise ValueError("has no tests.asserts")
    _asserts(found.tests["asserts"], "")
    return found


def _asserts(tests: Any, entry_point: str) -> list[str]:
    """Tests as statements: they are such, or inputs with the value that is expected of them."""
    if not isinstance(tests, list):
        raise ValueError(f"tests should be a list, not {type(tests).__name__}")
    if not tests:
        raise ValueError("tests is empty")
    return [test if isinstance(test, str) else _comparison(test, entry_point) for test in tests]


def _comparison(test: Any, entry_point: str) -> str:
    if not isinstance(test, Mapping) or not isinstance(test.get("input"), list) or "expected" not in test:
        raise ValueError("a test should be a statement, or an object with a list `input` and `expected`")
    if not entry_point:
        raise ValueError("has tests by input and no entry_point to call")
    return f"assert {entry_point}({', '.join(map(repr, test['input']))}) == {test['expected']!r}"


def _checked(test: str, prompt: str, entry_point: str, setup: str) -> tuple[str, list[str]]:
    """Setup and tests of one text: it is a test itself, or defines `check(candidate)` as HumanEval's do."""
    if not extract.defines(test, "check"):
        return setup, [test]
    if not entry_point:
        raise ValueError("has a test that defines check(candidate) and no entry_point to check")
    if extract.is_stub(prompt, entry_point):
        # The prompt's helpers are then the benchmark's and not the candidate's.
        setup = f"{setup}\n{prompt}\n    pass\n" if setup else f"{prompt}\n    pass\n"
    return f"{setup}\n{test}\n", [f"check({entry_point})"]


def _named(name: str, problems: Mapping[str, Problem]) -> Problem:
    found = problems.get(name)
    if found is None and not problems:
        raise ValueError("has no tests, and no problems were named with --problems or --benchmark")
    if found is None:
        raise ValueError(f"names the unknown problem {name[:100]!r}")
    return found


def _identity(row: Mapping[str, Any]) -> str:
    """What a row calls its problem; empty where it does not."""
    name = row.get("task_id", row.get("id"))
    if name is not None and _name(name) is None:
        raise ValueError(f"task_id should be text or a whole number, not {type(name).__name__}")
    return "" if name is None else str(name)


def _name(value: Any) -> str | int | None:
    return value if isinstance(value, str | int) and not isinstance(value, bool) else None


def _text(row: Mapping[str, Any], key: str, otherwise: str | None = None) -> str:
    value = row.get(key, otherwise)
    if value is None and otherwise is not None:
        return otherwise
    if not isinstance(value, str):
        raise ValueError(f"{key} should be text, not {type(value).__name__}" if key in row else f"has no {key}")
    return value


def _attempt(problem_id: str, completion: str) -> Attempt:
    return Attempt("", problem_id, 0, completion, "stop", "")
