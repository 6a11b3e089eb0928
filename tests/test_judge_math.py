"""`forge judge` on rows of mathematics, through the command line: good rows, bad ones, fall-back, missing libraries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from test_judge import judge, rows, written

RIGHT = {
    "task_id": "q/1",
    "problem": "What is half of 3?",
    "answer": "\\frac{3}{2}",
    "completion": "It is \\boxed{1.5}.",
}
WRONG = {**RIGHT, "task_id": "q/2", "completion": "The answer is 1."}
UNSTATED = {**RIGHT, "task_id": "q/3", "completion": "Half of 3 comes to 1.5"}
CODE = {"task_id": "t/1", "solution": "x = 1\n", "tests": ["assert x == 1"]}


def test_rows_of_mathematics_are_judged_by_what_their_answers_are_worth(tmp_path: Path) -> None:
    worked = {
        "id": 7,
        "question": "What is 600 + 634?",
        "answer": "600 + 634 = 1234\n#### 1,234",
        "completion": "#### 1234",
    }
    cut = {**UNSTATED, "finish_reason": "length"}
    written(tmp_path / "in.jsonl", [RIGHT, WRONG, UNSTATED, worked, cut])
    done = judge("in.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert [row["outcome"] for row in found] == ["pass", "fail", "invalid", "pass", "truncated"]
    assert [row["task_id"] for row in found[:3]] == ["q/1", "q/2", "q/3"]
    assert found[1]["feedback"] == "the answer 1 is not right"
    assert all(row["judge"].startswith("math-") and "last-number" not in row["judge"] for row in found)
    assert "passed: 40.0 %" in done.stderr


def test_an_answer_that_is_never_stated_counts_only_if_that_is_asked_for(tmp_path: Path) -> None:
    written(tmp_path / "in.jsonl", [UNSTATED, WRONG])
    done = judge("in.jsonl", "--fallback", "last number", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert [row["outcome"] for row in found] == ["pass", "fail"]
    assert all("+last-number" in row["judge"] for row in found)
    refused = judge("in.jsonl", "--fallback", "first number", cwd=tmp_path)
    assert refused.returncode == 2
    written(tmp_path / "code.jsonl", [CODE])
    other = judge("code.jsonl", "--fallback", "last number", cwd=tmp_path)
    assert (other.returncode, other.stdout) == (2, "")
    assert "error: a fall-back, 'last number', is for mathematics" in other.stderr


@pytest.mark.parametrize("first", [0, 2])
def test_a_row_that_cannot_be_judged_is_named_and_the_rest_is_judged(tmp_path: Path, first: int) -> None:
    faulty: list[Any] = ["{no json", {"task_id": "q/4", "problem": "What?", "answer": "5"}, CODE,
                         {**RIGHT, "task_id": "q/5", "answer": "  "}]  # fmt: skip
    good = [RIGHT, WRONG]
    written(tmp_path / "in.jsonl", [*good[:first], *(faulty if first else faulty[:1]), *good])
    done = judge("in.jsonl", cwd=tmp_path)
    assert done.returncode == 1
    found = rows(done.stdout)
    assert [row["outcome"] for row in found if row["outcome"] != "error"] == ["pass", "fail"] * (2 if first else 1)
    told = [f"line {first + 1}: not JSON"]
    if first:
        told += [
            "line 4: has no source, solution or completion",
            "line 5: is of the domain python",
            "line 6: has no answer",
        ]
    for text in told:
        assert f"in.jsonl, {text}" in done.stderr
        assert any(row.get("detail", "").startswith(text) for row in found)


def test_a_missing_parser_is_an_error_and_never_a_comparison_of_texts(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['antlr4'] = None\n")
    written(tmp_path / "in.jsonl", [RIGHT])
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "forge", "judge", "in.jsonl"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: mathematics cannot be judged without antlr4-python3-runtime" in done.stderr
    assert "hint: pip install forge[math]" in done.stderr


def test_a_benchmark_of_mathematics_names_the_problems(tmp_path: Path) -> None:
    questions = [{"id": "GSM8K/0", "domain": "math", "split": "heldout", "prompt": "What is 2 + 2?", "reference": "",
                  "tests": {"answer": "4"}}]  # fmt: skip
    written(tmp_path / "problems.jsonl", questions)
    written(
        tmp_path / "in.jsonl", [{"task_id": "GSM8K/0", "completion": "#### 4"}, {"task_id": 0, "response": "#### 5"}]
    )
    done = judge("in.jsonl", "--problems", "problems.jsonl", cwd=tmp_path)
    assert [row["passed"] for row in rows(done.stdout)] == [True, False], done.stderr
    assert json.loads(done.stdout.splitlines()[0])["tests_total"] == 1
