"""Tables of real problems: they make the calls that their tests make, and find of the answers what the tests find."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from forge.benchmarks import humaneval

SOURCES = Path(__file__).parent.parent / "rust" / "py" / "src"
CLERK: dict[str, Any] = {}
for name in ("constants.py", "clerk.py"):
    exec(compile((SOURCES / name).read_text(), name, "exec"), CLERK)

Steps = list[tuple[Any, ...]]


def holds(each: tuple[Any, ...], answer: Any) -> bool:
    kind, operand, tolerance = each[3:6]
    if kind.startswith(("near", "rnear")):
        far = abs(operand - answer) if kind.startswith("r") else abs(answer - operand)
        return bool(far <= tolerance if kind.endswith("=") else far < tolerance)
    checks: dict[str, Callable[[], bool]] = {
        "eq": lambda: answer == operand, "ne": lambda: answer != operand,
        "is": lambda: answer is operand, "is not": lambda: answer is not operand,
        "true": lambda: bool(answer), "false": lambda: not answer,
    }  # fmt: skip
    return bool(checks[kind]())


def told(error: BaseException | None) -> tuple[str, str]:
    return ("", "") if error is None else (type(error).__name__, str(error))


def by_the_table(steps: Steps, functions: dict[str, Any]) -> tuple[str, str]:
    """What becomes of a test: nothing, or the exception that ends it."""
    try:
        for each in steps:
            function, arguments, named = each[:3]
            if not holds(each, functions[function](*copy.deepcopy(arguments), **copy.deepcopy(named))):
                return "AssertionError", each[9] if each[9] is not None else "*"
    except Exception as error:
        return told(error)
    return told(None)


def by_python(setup: str, test: str, functions: dict[str, Any], entry_point: str) -> tuple[str, str]:
    names = dict(functions)
    exec(compile(setup, "<setup>", "exec"), names)
    names |= {entry_point: functions[entry_point]} if entry_point else {}
    try:
        exec(compile(test, "<test>", "exec"), names)
    except Exception as error:
        return told(error)
    return told(None)


def agrees(setup: str, tests: list[str], entry_point: str, source: str) -> bool:
    """Whether there is a table; it is compared with Python's own word, for the reference and for constant answers."""
    table = CLERK["tabulate"](setup, tests, [], entry_point)
    if table is None:
        return False
    namespace: dict[str, Any] = {"__name__": "candidate"}
    exec(compile(source, "<reference>", "exec"), namespace)
    functions = {name: value for name, value in namespace.items() if callable(value) and not name.startswith("__")}
    called = {each[0] for steps in table[0] for each in steps}
    for wrong in (None, lambda *a, **k: None, lambda *a, **k: 1, lambda *a, **k: [True], lambda *a, **k: 2.0):
        calls: list[list[str]] = [[], []]

        def recorded(name: str, which: int, wrong: Any = wrong, calls: Any = calls) -> Any:
            def call(*arguments: Any, **named: Any) -> Any:
                calls[which].append(CLERK["rendered"]((name, arguments, named)))
                return (wrong or functions[name])(*arguments, **named)

            return call

        for test, steps in zip(tests, table[0], strict=True):
            calls[:] = [[], []]
            of_table = by_the_table(steps, {name: recorded(name, 0) for name in called})
            of_python = by_python(setup, test, functions | {name: recorded(name, 1) for name in called}, entry_point)
            if of_table[1] == "*":
                # The message calls the candidate again, and may raise.
                assert of_python[0]
                continue
            assert of_table == of_python
            assert calls[0] == calls[1]
            assert wrong or of_table == ("", "")
    return True


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def test_humaneval_becomes_tables(benchmark_data: Path) -> None:
    with quiet():
        refused = [
            problem.id
            for problem in humaneval.problems()
            if not agrees(
                problem.tests["setup"], problem.tests["asserts"], problem.tests["entry_point"], problem.reference or ""
            )
        ]
    print(f"{164 - len(refused)} of 164 problems of HumanEval are tables; not {refused}")
    assert len(refused) == 8


def test_mbpp_becomes_tables(benchmark_data: Path) -> None:
    path = benchmark_data / "mbpp" / "mbpp.jsonl"
    if not path.exists():
        pytest.skip(f"no {path}: MBPP is NOT checked")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    refused = []
    with quiet():
        for row in rows:
            defined = re.findall(r"def (\w+)", row["code"])
            entry_point = next((name for name in defined if re.search(rf"\b{name}\b", row["test_list"][0])), "")
            if not agrees(row["test_setup_code"], row["test_list"], entry_point, row["code"]):
                refused.append(row["task_id"])
    print(f"{len(rows) - len(refused)} of {len(rows)} problems of MBPP are tables; not {refused}")
    assert len(refused) <= 10
