"""Benchmarks of code: published rows become problems whose references pass and whose broken answers do not."""

from __future__ import annotations

import base64
import gzip
import json
import pickle
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from forge import benchmarks
from forge.benchmarks import bigcodebench, evalplus, livecodebench, mbpp
from forge.domains.python import PythonDomain
from forge.errors import DataError
from forge.types import Attempt, Outcome, Problem, Verdict


@pytest.fixture(scope="module")
def domain() -> Iterator[PythonDomain]:
    with PythonDomain() as opened:
        yield opened


def verdicts(domain: PythonDomain, problem: Problem, *programs: str) -> list[Verdict]:
    attempt = Attempt("", problem.id, 0, "", "stop", "")
    return list(domain.judge_answers((problem, attempt, [program]) for program in programs))


def outcomes(domain: PythonDomain, problem: Problem, *programs: str) -> list[str]:
    return [str(verdict.outcome) for verdict in verdicts(domain, problem, *programs)]


@pytest.mark.parametrize(("name", "count"), [("humaneval", 164), ("mbpp", 974), ("mbpp/sanitized", 427)])
def test_every_reference_passes(domain: PythonDomain, benchmark_data: Path, name: str, count: int) -> None:
    problems = benchmarks.load(name)
    items = [(p, Attempt("", p.id, 0, "", "stop", ""), [p.reference]) for p in problems]
    failed = [v.attempt_id for v in domain.judge_answers(items) if v.outcome is not Outcome.PASS]
    assert (len(problems), failed) == (count, [])


def test_splits_of_mbpp_are_those_that_were_published(benchmark_data: Path) -> None:
    sizes = {"mbpp/test": 500, "mbpp/validation": 90, "mbpp/train": 374, "mbpp/sanitized/test": 257}
    assert {name: len(benchmarks.load(name)) for name in sizes} == sizes
    assert benchmarks.load("mbpp/test")[0].id == "Mbpp/11"


def test_only_the_few_problems_that_ask_for_it_share_a_process(benchmark_data: Path) -> None:
    beside = [p.id for p in benchmarks.load("mbpp") if p.tests.get("beside")]
    assert beside == ["Mbpp/367", "Mbpp/533", "Mbpp/601", "Mbpp/927"]


@pytest.mark.parametrize("name", ["humaneval+", "mbpp+", "bigcodebench", "bigcodebench-hard", "livecodebench"])
def test_what_is_not_on_this_machine_is_said(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORGE_DATA", raising=False)
    with pytest.raises(DataError) as failure:
        benchmarks.load(name)
    assert "is not on this machine" in str(failure.value) or "from the hub" in str(failure.value)
    assert "FORGE_DATA" in failure.value.hint


STUB = 'def near(x: float) -> float:\n    """Return a third of x."""\n'
CHECK = """
import numpy as np

def assertion(out, exp, atol):
    exact_match = out == exp
    if atol == 0 and isinstance(exp, float):
        atol = 1e-6
    if not exact_match and atol != 0:
        assert np.allclose(out, exp, rtol=1e-07, atol=atol)
    else:
        assert exact_match

def check(candidate):
    inputs, results = [[3.0], [1.0]], [1.0, 0.333333333333]
    for inp, exp in zip(inputs, results):
        assertion(candidate(*inp), exp, 0)
"""


def test_humaneval_plus_of_the_hub_compares_floats_with_numpy(domain: PythonDomain) -> None:
    row = {"task_id": "HumanEval/900", "prompt": STUB, "canonical_solution": "    return x / 3\n",
           "entry_point": "near", "test": CHECK}  # fmt: skip
    problem = evalplus.problem(row)
    programs = problem.reference, STUB + "    return x / 3 + 1e-9\n", STUB + "    return x / 3 + 1e-3\n"
    assert outcomes(domain, problem, *programs) == ["pass", "pass", "fail"]


def test_mbpp_plus_of_the_hub_runs_its_script(domain: PythonDomain) -> None:
    script = (
        "import numpy as np\n\ninputs = [[[1, 2]], [[3]]]\nresults = [3, 3]\n"
        "for i, (inp, exp) in enumerate(zip(inputs, results)):\n    assert np.allclose(total(*inp), exp)\n"
    )
    row = {"task_id": 901, "prompt": "Write a function.", "code": "def total(xs):\n    return sum(xs)\n",
           "test_list": ["assert total([1, 2]) == 3"], "test_imports": [], "test": script}  # fmt: skip
    problem = evalplus.problem(row)
    assert (problem.id, problem.tests["entry_point"]) == ("Mbpp/901", "total")
    assert outcomes(domain, problem, problem.reference, "def total(xs):\n    return 3\n") == ["pass", "pass"]
    assert outcomes(domain, problem, "def total(xs):\n    return xs[0]\n") == ["fail"]


def plus_row(task: str, name: str, code: str, inputs: Sequence[Any], atol: float = 0) -> dict[str, Any]:
    stub, _, body = code.partition("\n")
    return {"task_id": task, "prompt": f"{stub}\n", "canonical_solution": body, "entry_point": name, "contract": "",
            "base_input": list(inputs[:1]), "plus_input": list(inputs[1:]), "atol": atol}  # fmt: skip


def test_evalplus_s_own_file_takes_what_the_reference_answers(domain: PythonDomain) -> None:
    code = "def third(x):\n    return x / 3\n"
    problem = evalplus.problem(plus_row("HumanEval/902", "third", code, [[3], [1.0], [float("inf")]]))
    near = "def third(x):\n    return x / 3 + 1e-8\n"
    assert outcomes(domain, problem, code, near, "def third(x):\n    return x\n") == ["pass", "pass", "fail"]
    exact = evalplus.problem(plus_row("HumanEval/903", "same", "def same(x):\n    return x\n", [[[1]], [[]]]))
    assert outcomes(domain, exact, "def same(x):\n    return tuple(x)\n") == ["fail"], "a tuple is no list"
    [told] = verdicts(domain, exact, "def same(x):\n    return x + [0]\n")
    assert told.feedback == "same([1]) returned [1, 0], expected [1]"


def test_evalplus_s_special_cases_have_several_right_answers(domain: PythonDomain) -> None:
    members = "def similar_elements(a, b):\n    return tuple(set(a) & set(b))\n"
    problem = evalplus.problem(plus_row("Mbpp/2", "similar_elements", members, [[[1, 2, 3], [3, 2]]]))
    assert "(1, 2, 3)" in problem.tests["inputs"], "JSON has no tuples, this task has"
    other = "def similar_elements(a, b):\n    return [3, 2, 2]\n"
    assert outcomes(domain, problem, members, other, other.replace("3, 2, 2", "3")) == ["pass", "pass", "fail"]
    root = "def find_zero(xs):\n    return 1.0\n"
    zero = evalplus.problem(plus_row("HumanEval/32", "find_zero", root, [[[-1, 0, 1]]], 1e-4))
    assert outcomes(domain, zero, root, root.replace("1.0", "-1.0"), root.replace("1.0", "0.5")) == [
        "pass", "pass", "fail",
    ]  # fmt: skip


def test_a_reference_that_says_nothing_is_told_and_scores_nobody(domain: PythonDomain) -> None:
    problem = evalplus.problem(plus_row("HumanEval/904", "f", "def f(x):\n    return 1 / x\n", [[0]]))
    [told] = verdicts(domain, problem, "def f(x):\n    return 1\n")
    assert told.outcome is Outcome.ERROR
    assert "reference does not say what is expected: ZeroDivisionError" in told.feedback


TASK = {
    "task_id": "BigCodeBench/9000",
    "complete_prompt": 'import random\ndef task_func(n):\n    """Return n random numbers."""\n',
    "code_prompt": "import random\ndef task_func(n):\n",
    "canonical_solution": "    return [random.random() for _ in range(n)]\n",
    "test": (
        "import unittest\nfrom unittest.mock import patch\n\nclass TestCases(unittest.TestCase):\n"
        "    def test_length(self):\n        self.assertEqual(len(task_func(3)), 3)\n"
        "    def test_source(self):\n        with patch('random.random', return_value=0.5):\n"
        "            self.assertEqual(task_func(2), [0.5, 0.5])\n"
    ),
    "entry_point": "task_func",
    "libs": "['random']",
}


def test_bigcodebench_is_judged_by_its_unittests(domain: PythonDomain) -> None:
    problem = bigcodebench.problem(TASK)
    wrong = TASK["complete_prompt"] + "    return [0.25] * n\n"
    assert outcomes(domain, problem, problem.reference, wrong) == ["pass", "fail"]


def test_a_library_that_is_missing_is_said_and_not_failed(domain: PythonDomain) -> None:
    problem = bigcodebench.problem({**TASK, "libs": "['random', 'no_such_library.part']"})
    [told] = verdicts(domain, problem, problem.reference)
    assert (told.outcome, told.feedback) == (Outcome.ERROR, "needs no_such_library, not installed here")


def packed(tests: list[dict[str, str]]) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(tests)))).decode()


def test_livecodebench_has_whole_programs_and_methods(domain: PythonDomain) -> None:
    row: dict[str, Any] = {"question_id": "abc1_a", "question_content": "Add.", "starter_code": "", "metadata": "{}",
           "public_test_cases": json.dumps([{"input": "1 2\n", "output": "3\n", "testtype": "stdin"}]),
           "private_test_cases": packed([{"input": "5 5\n", "output": "10\n", "testtype": "stdin"}])}  # fmt: skip
    whole = livecodebench.problem(row)
    assert len(whole.tests["cases"]) == 2
    right = "a, b = map(int, input().split())\nprint(a + b)\n"
    assert outcomes(domain, whole, right, "print(3)\n") == ["pass", "fail"]
    functional = json.dumps([{"input": "[1, 2]\n3", "output": "6", "testtype": "functional"}])
    row |= {"question_id": "77", "starter_code": "class Solution:\n    def add(self, xs: List[int]) -> int:\n        ",
            "metadata": json.dumps({"func_name": "add"}), "private_test_cases": "",
            "public_test_cases": functional}  # fmt: skip
    method = livecodebench.problem(row)
    solution = "class Solution:\n    def add(self, xs: List[int], x: int) -> int:\n        return sum(xs) + x\n"
    assert outcomes(domain, method, solution, solution.replace("+ x", "")) == ["pass", "fail"]


def test_packed_tests_that_would_execute_something_are_refused() -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return print, ("executed",)

    data = base64.b64encode(zlib.compress(pickle.dumps(Evil()))).decode()
    with pytest.raises(ValueError, match="cannot be unpacked: names builtins"):
        livecodebench.problem({"question_id": "x", "question_content": "", "private_test_cases": data})


def test_files_are_read_in_the_format_that_they_were_published_in(tmp_path: Path, benchmark_data: Path) -> None:
    folder = benchmark_data / "mbpp"
    assert benchmarks.read(str(folder / "mbpp.jsonl")) == benchmarks.load("mbpp")
    assert benchmarks.read(str(folder / "sanitized-mbpp.json")) == benchmarks.load("mbpp/sanitized")
    zipped = tmp_path / "sanitized.json.gz"
    zipped.write_bytes(gzip.compress((folder / "sanitized-mbpp.json").read_bytes()))
    assert len(benchmarks.read(str(zipped))) == 427


def test_problems_of_one_s_own_take_calls_or_asserts(domain: PythonDomain, tmp_path: Path) -> None:
    rows = [
        {"id": "own/1", "type": "code", "prompt": "Add one.", "entry_point": "inc",
         "tests": [{"input": [1], "expected": 2}, {"input": [-1], "expected": 0}]},
        {"id": "own/2", "prompt": "Add two.", "tests": ["assert add(1) == 3"], "reference": "def add(x): return x + 2"},
    ]  # fmt: skip
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    first, second = benchmarks.read(str(path))
    assert outcomes(domain, first, "def inc(x): return x + 1", "def inc(x): return 2") == ["pass", "fail"]
    assert outcomes(domain, second, second.reference) == ["pass"]
    path.write_text(json.dumps(rows[0]) + '\n{"id": "own/3", "tests": [{"input": 1}]}\n')
    with pytest.raises(DataError, match=r"own\.jsonl, line 2: a test should be a statement"):
        benchmarks.read(str(path))


def test_a_row_of_a_known_benchmark_that_lacks_a_column_is_named() -> None:
    with pytest.raises(ValueError, match="has no test_list"):
        mbpp.problem({"task_id": 1, "text": "x", "code": "y"})
    with pytest.raises(ValueError, match="task_id should be a whole number"):
        mbpp.problem({"text": "x", "code": "y", "test_list": ["assert y"]})


def test_what_cannot_be_carried_is_judged_as_the_official_grader_would(domain: PythonDomain) -> None:
    tests = {"entry_point": "f", "asserts": ["assert sorted(f([2, 1])) == [1, 2]"]}
    problem = Problem("p", "python", "heldout", "", tests, "")
    lazy = "def f(xs):\n    return map(int, xs)\n"
    assert outcomes(domain, problem, lazy, lazy.replace("int, xs", "abs, [3]")) == ["pass", "refused"]
    compared = {"entry_point": "f", "asserts": ["xs = [2, 1]\nassert f(xs) in ([2, 1], (1, 2)) and sorted(xs)"]}
    assert outcomes(domain, Problem("q", "python", "heldout", "", compared, ""), lazy) != ["pass"]


def test_a_program_may_use_what_its_tests_import(domain: PythonDomain) -> None:
    row = {"task_id": 1, "prompt": "Area.", "code": "import math\ndef area(r):\n    return math.pi * r * r\n",
           "test_imports": ["import math"], "test_list": ["assert math.isclose(area(1), math.pi)"]}  # fmt: skip
    problem = mbpp.problem(row)
    careless = "def area(r):\n    return math.pi * r * r\n"
    assert outcomes(domain, problem, problem.reference, careless) == ["pass", "pass"]
    assert outcomes(domain, mbpp.problem({**row, "test_imports": []}), careless) == ["fail"]
