"""Problems of the python domain as rows: what `Problem.tests` may hold, and how a row with tests becomes one.

`tests` has one of these forms beside its `entry_point` (the function that the program must define, or ""):

    {"asserts": ["assert add(1, 2) == 3"], "setup": ""}       statements; a unittest class counts as one
    {"calls": [{"input": [1, 2], "expected": 3}]}             what the function must answer
    {"cases": [{"stdin": "1 2\\n", "stdout": "3\\n"}]}        what the whole program must print
    {"inputs": "[[1, 2], [0, 0]]"}                            a literal; the reference says what is expected

and, where they are needed: `tolerance` (calls, cases, inputs); `oracle` (inputs: see `domains.jobs`); `before` and
`after` (code around every program); `modules` (installed libraries that tests and programs import); `beside`
(true: the tests take the program's classes and cannot be kept apart from it); and `completion`, which says how
the benchmark's official grader reads one: `continues` (the prompt, then the completion, as they stand) or
`program` (the completion alone).

Nothing here executes or parses code. Whatever is wrong with a row is a ValueError in words.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from forge import extract
from forge.types import Problem, from_row

DOMAIN = "python"
FORMS = ("asserts", "calls", "cases", "inputs")

_END = re.compile(r"\[DONE\]|\[/(?:ANSWER|CODE|PYTHON)\]")
_IMPORT = re.compile(r"^(?:import|from)[ \t]+(\w+)[^\n;(\\#]*$", re.M)
_BEGIN = re.compile(r"^[ \t]*\[(?:BEGIN|ANSWER|CODE|PYTHON)\][ \t]*\n", re.M)


def has_tests(row: Any) -> bool:
    """Whether a row says how its own answer is judged."""
    return isinstance(row, Mapping) and any(key in row for key in ("tests", "test", "answer"))


def problem(row: Any) -> Problem:
    """The problem that a row with tests states: forge's own kind, HumanEval's, anyone's, or one of mathematics.

    Raises:
        ValueError: a key is missing or not of its type, or there are no tests.
    """
    if not isinstance(row, Mapping):
        raise ValueError(f"a row should be a JSON object, not {type(row).__name__}")
    if "domain" in row and "split" in row:
        return _own(row)
    if "answer" in row and not ("tests" in row or "test" in row):
        return _mathematical(row)
    prompt, entry_point, setup = (text_of(row, key, "") for key in ("prompt", "entry_point", "setup"))
    reference = prompt + text_of(row, "canonical_solution") if "canonical_solution" in row else ""
    reference = text_of(row, "reference", reference)
    if "tests" in row:
        asserts = _asserts(row["tests"], entry_point)
        tests = {"entry_point": entry_point, "setup": setup, "asserts": asserts}
        return Problem(identity(row), DOMAIN, "heldout", prompt, tests, reference)
    test = text_of(row, "test")
    setup, asserts = _checked(test, prompt, entry_point, setup)
    tests = {"entry_point": entry_point, "setup": setup, "asserts": asserts}
    if extract.defines(test, "check") and extract.is_stub(prompt, entry_point):
        tests |= {"completion": "continues", **lent(test)}
    return Problem(identity(row), DOMAIN, "heldout", prompt, tests, reference)


def lent(code: str) -> dict[str, str]:
    """What tests lend to the program where official graders run both as one: their imports, as `after`."""
    found = [match.group() for match in _IMPORT.finditer(code) if match.group(1) in sys.stdlib_module_names]
    return {"after": "\n\n" + "\n".join(dict.fromkeys(found)) + "\n"} if found else {}


def official(problem: Problem, completion: str) -> tuple[tuple[str, ...], bool]:
    """The programs that a benchmark's official grader would run for a completion, in the order to try.

    With it whether the program should be looked for where these do not pass: there is no such grader, or the
    completion bears marks that no program has.
    """
    reading = problem.tests.get("completion")
    if reading == "continues":
        return (problem.prompt + completion,), False
    if reading == "program":
        marked = _BEGIN.search(completion) or _END.search(completion)
        return (_between_marks(completion),), bool(marked or extract.fenced(completion))
    return (), True


def _between_marks(completion: str) -> str:
    """What stands between the marks of MBPP's few-shot prompt, where there are any."""
    begin = _BEGIN.search(completion)
    text = completion[begin.end() :] if begin else completion
    end = _END.search(text)
    return text[: end.start()] if end else text


def check(found: Problem) -> Problem:
    """The problem itself, if it has what its domain judges by.

    Raises:
        ValueError: its tests have no form that forge knows, or a part is not of its type.
    """
    tests = found.tests
    if found.domain == "math":
        if not isinstance(tests.get("answer"), str) or not tests["answer"].strip():
            raise ValueError("has no answer: add tests.answer, a text")
        return found
    if found.domain != DOMAIN:
        if not tests:
            raise ValueError(f"has no tests: add what the domain {found.domain!r} judges by")
        return found
    for key in ("entry_point", "setup", "completion", "oracle", "before", "after"):
        text_of(tests, key, "")
    if "tests" in tests:
        raise ValueError("has tests.tests: the forms are tests.asserts, tests.calls, tests.cases and tests.inputs")
    forms = [form for form in FORMS if form in tests]
    if len(forms) != 1:
        raise ValueError("has no tests.asserts" if not forms else f"has both tests.{forms[0]} and tests.{forms[1]}")
    form = forms[0]
    if form == "inputs":
        text_of(tests, "inputs")
        if not found.reference.strip() or not text_of(tests, "entry_point", ""):
            raise ValueError("has tests.inputs, which need an entry_point and a reference to say what is expected")
        return found
    values = tests[form]
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise ValueError(f"tests.{form} should be a list, not {type(values).__name__}")
    if not values:
        raise ValueError(f"tests.{form} is empty")
    if form == "asserts" and not all(isinstance(test, str) for test in values):
        raise ValueError("tests.asserts should be a list of strings")
    if form == "calls" and not all(_is_call(call) for call in values):
        raise ValueError("a call should be an object with a list `input` and `expected`")
    if form == "calls" and not text_of(tests, "entry_point", ""):
        raise ValueError("has tests.calls and no entry_point to call")
    if form == "cases" and not all(_is_case(case) for case in values):
        raise ValueError("a case should be an object with texts `stdin` and `stdout`")
    return found


def _is_call(call: Any) -> bool:
    return isinstance(call, Mapping) and isinstance(call.get("input"), list | tuple) and "expected" in call


def _is_case(case: Any) -> bool:
    return isinstance(case, Mapping) and all(isinstance(case.get(key), str) for key in ("stdin", "stdout"))


def _mathematical(row: Mapping[str, Any]) -> Problem:
    """A question with its answer, whole or, as in GSM8K, at the end of the worked one."""
    answer = row["answer"]
    worked = text_of({"answer": str(answer) if isinstance(answer, int | float) else answer}, "answer")
    prompt = next((text_of(row, key) for key in ("problem", "question", "prompt") if key in row), "")
    reference = next((text_of(row, key) for key in ("solution", "reference") if key in row), worked)
    tests = {"answer": worked.rpartition("####")[2].strip()}
    return Problem(identity(row), "math", "heldout", prompt, tests, reference)


def _own(row: Mapping[str, Any]) -> Problem:
    """A row that forge wrote, or one like it."""
    return from_row(Problem, row)


def _asserts(tests: Any, entry_point: str) -> list[str]:
    """Tests as statements: they are such, or inputs with the value that is expected of them."""
    if not isinstance(tests, list):
        raise ValueError(f"tests should be a list, not {type(tests).__name__}")
    if not tests:
        raise ValueError("tests is empty")
    return [test if isinstance(test, str) else _comparison(test, entry_point) for test in tests]


def _comparison(test: Any, entry_point: str) -> str:
    if not _is_call(test):
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


def identity(row: Mapping[str, Any]) -> str:
    """What a row calls its problem; empty where it does not.

    Raises:
        ValueError: that is neither text nor a whole number.
    """
    name = row.get("task_id", row.get("id"))
    if name is not None and name_of(name) is None:
        raise ValueError(f"task_id should be text or a whole number, not {type(name).__name__}")
    return "" if name is None else str(name)


def find(name: str, problems: Mapping[str, Problem]) -> Problem | None:
    """A problem by its name, or by the number that ends it: `HumanEval/0`, `mbpp/2`, `2`; None where it is none."""
    found = problems.get(name)
    if found is None:
        family, _, number = name.rpartition("/")
        near = problems.get(number)
        if near and near.id.rpartition("/")[0].casefold() == family.casefold():
            found = near
    return found


def name_of(value: Any) -> str | int | None:
    """A value if it can be a name, else None."""
    return value if isinstance(value, str | int) and not isinstance(value, bool) else None


def text_of(row: Mapping[str, Any], key: str, otherwise: str | None = None) -> str:
    """The text at a key, or `otherwise` where there is none.

    Raises:
        ValueError: there is none and no `otherwise`, or it is no text.
    """
    value = row.get(key, otherwise)
    if value is None and otherwise is not None:
        return otherwise
    if not isinstance(value, str):
        raise ValueError(f"{key} should be text, not {type(value).__name__}" if key in row else f"has no {key}")
    return value
