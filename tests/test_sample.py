"""`forge sample` as a person meets it: a real model on held-out problems, killed and resumed; recorded answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from forge import benchmarks
from forge.prompts import COMPLETION

pytestmark = pytest.mark.timeout(600)


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "forge", "sample", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=cwd
    )


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == code, err
    assert "Traceback" not in err
    return out if code == 0 else " ".join(err.split())


def rows(path: Path) -> list[dict]:
    """The rows of a file in any order, wall times aside."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    for row in found:
        row.pop("seconds", None)
    return sorted(found, key=lambda row: json.dumps(row, sort_keys=True))


FILES = ("sampled/attempts.jsonl", "sampled/verdicts.jsonl", "choices.jsonl")
NANO = ("--limit", "4", "--best-of", "8", "--max-tokens", "96", "--set", "model.rows=8", "--set", "eval.self_test=2")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An uninterrupted round of the embedded model, and what it printed."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, finish(start(*NANO, "--out", "out", cwd=folder))


def test_each_problem_gets_a_choice_that_its_attempts_and_verdicts_bear_out(whole: tuple[Path, str]):
    folder = whole[0] / "out" / "eval" / "base"
    attempts, verdicts, choices = (rows(folder / name) for name in FILES)
    outcomes = {row["attempt_id"]: row for row in verdicts}
    assert len(attempts) == len(verdicts) == 32
    assert len({row["problem_id"] for row in choices}) == len(choices) == 4
    for choice in choices:
        by_index = {row["index"]: row["id"] for row in attempts if row["problem_id"] == choice["problem_id"]}
        winner = max(choice["classes"], key=lambda first: (len(choice["classes"][first]), -int(first)))
        assert by_index[int(winner)] == choice["attempt_id"]
        assert choice["outcome"] == outcomes[choice["attempt_id"]]["outcome"]
        assert choice["votes"] == len(choice["classes"][winner])
        assert choice["samples"] == 8 >= choice["decided"] >= 4
    scores = {row["metric"]: row for row in json.loads((folder / "scores.json").read_text())["scores"]}
    assert {f"{kind}@{k}" for kind in ("pass", "vote") for k in range(1, 9)} < set(scores)
    passed = sum(row["outcome"] == "pass" for row in verdicts) / 32
    assert scores["pass@1"]["value"] == scores["vote@1"]["value"] == pytest.approx(passed)
    chosen = sum(row["outcome"] == "pass" for row in choices) / 4
    assert scores["chosen of 8"]["value"] == pytest.approx(chosen)
    assert f"chosen of 8: {100 * chosen:.1f} %" in whole[1]
    assert all(row["low"] <= row["value"] <= row["high"] for row in scores.values())


def test_a_killed_round_ends_with_the_same_rows_and_words(whole: tuple[Path, str], tmp_path: Path):
    folder, printed = whole
    process = start(*NANO, "--out", "out", cwd=tmp_path)
    stored = tmp_path / "out" / "eval" / "base" / "sampled" / "attempts.jsonl"
    while process.poll() is None and not (stored.exists() and stored.stat().st_size):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert len(stored.read_text().splitlines()) < 32, "it was over before it was killed"
    assert finish(start(*NANO, "--out", "out", cwd=tmp_path)) == printed
    for name in FILES:
        assert rows(tmp_path / "out/eval/base" / name) == rows(folder / "out/eval/base" / name)


def recorded(path: Path, answers: dict[str, list[str]]) -> str:
    """A file of completions to replay."""
    path.write_text(
        "".join(
            json.dumps({"prompt": prompt, "completion": answer}) + "\n"
            for prompt, given in answers.items()
            for answer in given
        )
    )
    return str(path)


def test_answers_in_mathematics_are_counted_by_worth_and_only_until_the_vote_is_decided(tmp_path: Path):
    """Four ways to write a half beat three equal texts, and nobody is asked once nothing can change that."""
    asked, agreed = "How much is one divided by two?", "How much is one and one, if you ask me?"
    (tmp_path / "problems.jsonl").write_text(
        json.dumps({"id": "m/1", "question": asked, "answer": "#### 0.5"})
        + "\n"
        + json.dumps({"id": "m/2", "question": agreed, "answer": "#### 2"})
        + "\n"
    )
    halves = ["1/2", "0.5", "\\frac{1}{2}", "\\frac{2}{4}", "2", "2", "2"]
    prompts = [COMPLETION.solve(problem) for problem in benchmarks.read(str(tmp_path / "problems.jsonl"))]
    answers = dict(zip(prompts, ([f"The answer is ${half}$." for half in halves], ["\\boxed{2}"] * 7), strict=True))
    options = (
        "--problems", "problems.jsonl", "--best-of", "7", "--set", "eval.self_test=1",
        "--set", "model.generator=replay", "--model", recorded(tmp_path / "recorded.jsonl", answers),
    )  # fmt: skip
    printed = finish(start(*options, "--out", "whole", cwd=tmp_path))
    assert "chosen of 7: 100.0 %" in printed
    assert "7.0 answers drawn a problem" in printed
    choices = {row["problem_id"]: row for row in rows(tmp_path / "whole" / "eval" / "base" / "choices.jsonl")}
    assert (choices["m/1"]["outcome"], choices["m/1"]["votes"], choices["m/1"]["voters"]) == ("pass", 4, 7)
    assert choices["m/1"]["decided"] >= choices["m/2"]["decided"] == 4
    finish(start(*options, "--stop-early", "--out", "early", cwd=tmp_path))
    choices = {row["problem_id"]: row for row in rows(tmp_path / "early" / "eval" / "base" / "choices.jsonl")}
    assert choices["m/2"]["samples"] == choices["m/2"]["decided"] == 4
    attempts = rows(tmp_path / "early" / "eval" / "base" / "sampled" / "attempts.jsonl")
    assert sum(row["problem_id"] == "m/2" for row in attempts) == 4


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--benchmark", "nano/dev", "--problems", "x.jsonl"), 2, "give one"),
        (("--benchmark", "humanevil"), 2, "unknown benchmark 'humanevil'"),
        (("--adapter", "folder"), 2, "no finished adapter in folder"),
        (("--best-of", "0"), 2, "0 is not in the range"),
    ],
)
def test_wrong_use_is_told_before_any_work(tmp_path: Path, arguments: tuple[str, ...], code: int, told: str):
    (tmp_path / "folder").mkdir()
    assert told in finish(start(*arguments, cwd=tmp_path), code)
    assert not list(tmp_path.rglob("attempts.jsonl"))
