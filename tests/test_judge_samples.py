"""Sample files as other tools write them: names of problems, how texts are read, logs, and what they add up to."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from test_judge import judge, rows, written

STUB = 'import math\n\ndef area(r):\n    """The area of a circle."""\n'
BODY = "    return math.pi * r * r\n"
TEST = "def check(candidate):\n    assert abs(candidate(1) - 3.14159) < 1e-3\n"
PROBLEMS = [
    {"task_id": f"HumanEval/{i}", "prompt": STUB, "entry_point": "area", "canonical_solution": BODY, "test": TEST}
    for i in range(3)
]
MBPP = [{"task_id": 2, "text": "Add one.", "code": "def inc(x):\n    return x + 1\n", "test_setup_code": "",
         "test_list": ["assert inc(1) == 2"], "challenge_test_list": []}]  # fmt: skip


@pytest.fixture
def problems(tmp_path: Path) -> str:
    return str(written(tmp_path / "problems.jsonl", PROBLEMS))


def judged(path: Path, samples: list[Any], *arguments: str, name: str = "in.jsonl") -> list[dict[str, Any]]:
    written(path / name, samples)
    done = judge(name, *arguments, cwd=path)
    assert done.returncode == 0, done.stderr
    return rows(done.stdout)


def test_a_problem_is_named_as_the_official_tools_name_it(tmp_path: Path, problems: str) -> None:
    names: list[Any] = ["HumanEval/0", "humaneval/0", 0, "0", "HumanEval/2"]
    found = judged(tmp_path, [{"task_id": name, "completion": BODY} for name in names], "--problems", problems)
    assert [row["task_id"] for row in found] == names
    assert all(row["passed"] for row in found)
    (tmp_path / "mbpp.json").write_text(json.dumps(MBPP))
    names = ["Mbpp/2", "MBPP/2", 2, "2"]
    samples = [{"task_id": name, "solution": MBPP[0]["code"]} for name in names]
    assert all(row["passed"] for row in judged(tmp_path, samples, "--problems", "mbpp.json"))
    written(tmp_path / "in.jsonl", [{"task_id": "HumanEval/2", "solution": ""}])
    done = judge("in.jsonl", "--problems", "mbpp.json", cwd=tmp_path)
    assert done.returncode == 1
    assert "in.jsonl, line 1: names the unknown problem 'HumanEval/2'" in done.stderr


def test_a_completion_of_humaneval_is_what_follows_the_prompt_unless_extraction_is_asked_for(
    tmp_path: Path, problems: str
) -> None:
    texts = {
        BODY: ("pass", "pass"),
        f"\n\ndef area(r):\n{BODY}": ("pass", "pass"),
        f"```python\n{STUB}{BODY}```": ("invalid", "pass"),
        f"{BODY}\nThis is the area.": ("invalid", "pass"),
        f"{BODY}<|im_end|>": ("invalid", "pass"),
        f"{BODY}\nprint(undefined)": ("invalid", "pass"),
        BODY.strip(): ("invalid", "pass"),
        "    return (math.pi *": ("truncated", "truncated"),
        "    return 3 * r": ("fail", "fail"),
        "\ufeff\u202e": ("invalid", "fail"),
    }
    samples = [{"task_id": 0, "completion": text} for text in texts]
    official = judged(tmp_path, samples, "--problems", problems)
    assert [row["outcome"] for row in official] == [outcomes[0] for outcomes in texts.values()]
    assert {row["read"] for row in official} == {"as given"}
    extracted = judged(tmp_path, samples, "--problems", problems, "--extract")
    assert [row["outcome"] for row in extracted] == [outcomes[1] for outcomes in texts.values()]
    assert [row["read"] for row in extracted[:3]] == ["as given", "as given", "extracted"]
    responses = [{"task_id": 0, "response": text} for text in texts]
    searched = judged(tmp_path, responses, "--problems", problems)
    assert [row["outcome"] for row in searched] == [outcomes[1] for outcomes in texts.values()]


def test_a_completion_of_mbpp_is_a_program_and_ends_where_the_prompt_s_marks_do(tmp_path: Path) -> None:
    (tmp_path / "mbpp.json").write_text(json.dumps(MBPP))
    code = MBPP[0]["code"]
    texts = {
        code: "pass",
        f"{code}[DONE]\n\nYou are an expert": "pass",
        f"[BEGIN]\n{code}[DONE]\n": "pass",
        f"Here:\n```python\n{code}```\n": "pass",
        f"{code}\nprint(undefined)\n": "invalid",
        "def inc(x):\n    return x\n[DONE]": "fail",
    }
    found = judged(tmp_path, [{"task_id": 2, "completion": text} for text in texts], "--problems", "mbpp.json")
    assert [row["outcome"] for row in found] == list(texts.values())


@pytest.mark.parametrize("key", ["finish", "finish_reason", "stop_reason"])
def test_a_text_that_a_token_limit_ended_is_truncated(tmp_path: Path, problems: str, key: str) -> None:
    half = {"task_id": 0, "completion": "    return 3"}
    samples = [half, {**half, key: "length"}, {**half, key: "stop"}, {**half, "completion": BODY, key: "length"}]
    found = judged(tmp_path, samples, "--problems", problems)
    assert [row["outcome"] for row in found] == ["fail", "truncated", "fail", "pass"]


def test_logs_of_other_tools_are_read_where_they_hold_the_text(tmp_path: Path, problems: str) -> None:
    harness = {"doc_id": 0, "doc": {"task_id": "HumanEval/1"}, "target": "", "resps": [[BODY, "    return 3\n"]],
               "filtered_resps": [[BODY]]}  # fmt: skip
    found = judged(tmp_path, [harness], "--problems", problems)
    assert [(row["task_id"], row["outcome"]) for row in found] == [("HumanEval/1", "pass"), ("HumanEval/1", "fail")]
    message = {"role": "assistant", "content": [{"type": "text", "text": f"Sure:\n```python\n{STUB}{BODY}```"}]}
    sample = {"id": "HumanEval/2", "epoch": 1, "input": "Complete.", "target": "",
              "output": {"model": "m", "choices": [{"message": message, "stop_reason": "stop"}]}}  # fmt: skip
    cut = {**sample, "output": {"completion": "    return (3 *", "choices": [{"stop_reason": "max_tokens"}]}}
    (tmp_path / "log.json").write_text(json.dumps({"status": "success", "samples": [sample, cut]}))
    with zipfile.ZipFile(tmp_path / "log.eval", "w") as archive:
        archive.writestr("header.json", "{}")
        archive.writestr("samples/HumanEval/2_epoch_1.json", json.dumps(sample))
        archive.writestr("samples/HumanEval/2_epoch_2.json", json.dumps(cut))
    for name in ("log.json", "log.eval"):
        done = judge(name, "--problems", problems, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert [row["outcome"] for row in rows(done.stdout)] == ["pass", "truncated"]
    (tmp_path / "torn.eval").write_bytes((tmp_path / "log.eval").read_bytes()[:-40])
    assert "error: cannot read torn.eval" in judge("torn.eval", "--problems", problems, cwd=tmp_path).stderr


def test_results_of_evalplus_are_judged_again(tmp_path: Path, problems: str) -> None:
    whole = STUB + BODY
    results = {"date": "", "eval": {"HumanEval/0": [{"solution": whole, "base_status": "pass"}],
                                    "HumanEval/1": [{"solution": STUB, "base_status": "fail"}]}}  # fmt: skip
    (tmp_path / "results.json").write_text(json.dumps(results))
    found = rows(judge("results.json", "--problems", problems, cwd=tmp_path).stdout)
    assert [(row["task_id"], row["passed"]) for row in found] == [("HumanEval/0", True), ("HumanEval/1", False)]


def test_samples_add_up_to_rates_over_problems(tmp_path: Path, problems: str) -> None:
    wrong = "    return 0\n"
    written(tmp_path / "in.jsonl", [{"task_id": i, "completion": BODY if i else wrong} for i in range(2)])
    done = judge("in.jsonl", "--problems", problems, cwd=tmp_path)
    said = done.stderr
    assert re.search(r"pass@1: 50\.0 % \(9\.5 to 90\.5\) over 2 problems, 1 sample each; 1 of the benchmark's 3", said)
    texts = [[BODY, wrong, wrong, wrong], [BODY] * 4, [wrong] * 4]
    samples = [{"task_id": i, "completion": text} for i, four in enumerate(texts) for text in four]
    written(tmp_path / "in.jsonl", samples)
    done = judge("in.jsonl", "--problems", problems, "--out", "out.jsonl", cwd=tmp_path)
    assert re.search(r"pass@1: 41\.7 % \(.* over 3 problems, 4 samples each\n", done.stderr)
    # Rows on one problem are not independent: no interval over rows.
    assert "passed: 41.7 % of rows\n" in done.stderr
    assert re.search(r"pass@2: 50\.0 % \(.*\npass@4: 66\.7 % \(", done.stderr)
    lines = (tmp_path / "out.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "out.jsonl").write_text("".join(lines[:5]))
    again = judge("in.jsonl", "--problems", problems, "--out", "out.jsonl", "--resume", cwd=tmp_path)
    assert re.search(r"pass@1: 41\.7 % \(.* over 3 problems, 4 samples each\n", again.stderr)


def test_tests_of_a_row_s_own_are_no_way_into_a_benchmark_s_rates(tmp_path: Path, problems: str) -> None:
    own = {"solution": "x = 1", "tests": ["assert True"]}
    written(tmp_path / "in.jsonl", [{"task_id": name, **own} for name in ("HumanEval/0", "own/0", None)])
    done = judge("in.jsonl", "--problems", problems, cwd=tmp_path)
    assert [row["outcome"] for row in rows(done.stdout)] == ["invalid", "pass", "pass"]
    assert re.search(r"pass@1: 0\.0 % \(.* over 1 problem, 1 sample each; 2 of the benchmark's 3", done.stderr)
    written(tmp_path / "in.jsonl", [{"task_id": None, "completion": BODY}])
    assert "line 1: has neither tests nor a task_id" in judge("in.jsonl", "--problems", problems, cwd=tmp_path).stderr


def test_a_fence_in_the_way_is_pointed_out(tmp_path: Path, problems: str) -> None:
    written(tmp_path / "in.jsonl", [{"task_id": 0, "completion": f"```python\n{STUB}{BODY}```"}])
    done = judge("in.jsonl", "--problems", problems, cwd=tmp_path)
    assert "1 completion that does not pass as official graders read it: a fence is in the way" in done.stderr
    assert "--extract" not in judge("in.jsonl", "--problems", problems, "--extract", cwd=tmp_path).stderr
