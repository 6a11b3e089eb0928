"""`forge sample` as a person meets it: a real model on held-out problems, cut short and resumed; recorded answers."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from forge import benchmarks
from forge.cli import commands
from forge.prompts import COMPLETION

pytestmark = pytest.mark.timeout(600)

FILES = ("sampled/attempts.jsonl", "sampled/verdicts.jsonl", "choices.jsonl")
NANO = ("--limit", "4", "--best-of", "8", "--max-tokens", "96", "--set", "model.rows=8", "--set", "eval.self_test=2")


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


def here(*arguments: str) -> str:
    """What the command prints, run in this process: libraries that take ten seconds to load are loaded once."""
    with redirect_stdout(io.StringIO()) as printed:
        commands.main(["sample", *arguments], standalone_mode=False)
    return printed.getvalue()


def rows(path: Path) -> list[dict]:
    """The rows of a file in any order, wall times aside."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    for row in found:
        row.pop("seconds", None)
    return sorted(found, key=lambda row: json.dumps(row, sort_keys=True))


def recorded(folder: Path, problems: Sequence[Mapping[str, object]], answers: Sequence[Sequence[str]]) -> list[str]:
    """Options for these problems, and for a model that gives these answers to each."""
    (folder / "problems.jsonl").write_text("".join(json.dumps(problem) + "\n" for problem in problems))
    prompts = [COMPLETION.solve(problem) for problem in benchmarks.read(str(folder / "problems.jsonl"))]
    given = [(prompt, text) for prompt, texts in zip(prompts, answers, strict=True) for text in texts]
    lines = [json.dumps({"prompt": prompt, "completion": text}) + "\n" for prompt, text in given]
    (folder / "recorded.jsonl").write_text("".join(lines))
    return ["--problems", str(folder / "problems.jsonl"), "--model", str(folder / "recorded.jsonl"),
            "--set", "model.generator=replay", "--set", "eval.self_test=1"]  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An uninterrupted round of the embedded model, and what it printed."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, here(*NANO, "--out", str(folder))


def test_each_problem_gets_a_choice_that_its_attempts_and_verdicts_bear_out(whole: tuple[Path, str]):
    folder = whole[0] / "eval" / "base"
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


def test_a_round_that_was_cut_short_ends_with_the_same_rows_and_words(whole: tuple[Path, str], tmp_path: Path):
    """The model writes again what it had written: here half of the attempts are gone, the last within its line."""
    folder, printed = whole
    shutil.copytree(folder, tmp_path / "cut")
    for name, left in zip(FILES, (16.5, 12.5, 1.5), strict=True):
        lines = (folder / "eval/base" / name).read_text().splitlines(keepends=True)
        torn = lines[int(left)][:40]
        (tmp_path / "cut/eval/base" / name).write_text("".join(lines[: int(left)]) + torn)
    assert here(*NANO, "--out", str(tmp_path / "cut")) == printed
    for name in FILES:
        assert rows(tmp_path / "cut/eval/base" / name) == rows(folder / "eval/base" / name)


DOUBLE = {"entry_point": "f", "prompt": 'def f(x):\n    """Double x.\n\n    >>> f(2)\n    4\n    """\n'}
DOUBLE |= {"tests": ["assert f(4) == 8"], "reference": DOUBLE["prompt"] + "    return 2 * x\n"}
RIGHT, WRONG, SLOW = "    return x + x\n", "    return x\n", "    import time\n    time.sleep(0.03)\n    return 2 * x\n"


def test_a_killed_round_goes_on_where_it_stopped(tmp_path: Path):
    problems = [{**DOUBLE, "task_id": f"t/{i}"} for i in range(3)]
    options = recorded(tmp_path, problems, [[RIGHT, WRONG, RIGHT, SLOW]] * 3)
    options += ["--best-of", "4", "--set", "model.rows=4"]
    printed = finish(start(*options, "--out", "whole", cwd=tmp_path))
    assert "4.0 answers drawn a problem" in printed
    process = start(*options, "--out", "killed", cwd=tmp_path)
    stored = tmp_path / "killed" / "eval" / "base" / "sampled" / "attempts.jsonl"
    while process.poll() is None and not (stored.exists() and stored.stat().st_size):
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "killed/eval/base/scores.json").exists(), "it was over before it was killed"
    assert finish(start(*options, "--out", "killed", cwd=tmp_path)) == printed
    for name in FILES:
        assert rows(tmp_path / "killed/eval/base" / name) == rows(tmp_path / "whole/eval/base" / name)


def test_a_round_that_stops_early_takes_up_one_that_would_not_have(tmp_path: Path):
    """Half of the problems have all of their attempts, the others none: as many as the first look asks for in all."""
    problems = [{**DOUBLE, "task_id": f"t/{i}", "prompt": DOUBLE["prompt"].replace("x.", f"x: {i}.")} for i in range(4)]
    options = [*recorded(tmp_path, problems, [[RIGHT] * 4] * 4), "--best-of", "4", "--out", str(tmp_path / "out")]
    here(*options)
    folder = tmp_path / "out" / "eval" / "base"
    lines = (folder / FILES[0]).read_text().splitlines(keepends=True)
    (folder / FILES[0]).write_text("".join(line for line in lines if json.loads(line)["problem_id"] in ("t/0", "t/1")))
    (folder / "choices.jsonl").unlink()
    assert "3.0 answers drawn a problem" in here(*options, "--stop-early")
    assert [row["samples"] for row in rows(folder / "choices.jsonl")] == [2, 2, 2, 2]


def test_answers_in_mathematics_are_counted_by_worth(tmp_path: Path):
    """Four ways to write a half beat three equal texts."""
    problem = {"id": "m/1", "question": "How much is one divided by two?", "answer": "#### 0.5"}
    halves = ["1/2", "0.5", "\\frac{1}{2}", "\\frac{2}{4}", "2", "2", "2"]
    options = recorded(tmp_path, [problem], [[f"The answer is ${half}$." for half in halves]])
    printed = here(*options, "--best-of", "7", "--set", "judge.workers=1", "--out", str(tmp_path / "out"))
    assert "chosen of 7: 100.0 %" in printed
    (choice,) = rows(tmp_path / "out" / "eval" / "base" / "choices.jsonl")
    assert (choice["outcome"], choice["votes"], choice["voters"], choice["samples"]) == ("pass", 4, 7, 7)


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
    assert not list(tmp_path.rglob("selftest.json"))
    assert not list(tmp_path.rglob("attempts.jsonl"))
