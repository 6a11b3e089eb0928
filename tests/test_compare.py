"""`forge compare`: two files of judged rows, and what can be said of their difference."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from scipy import stats as scipy_stats


def written(path: Path, rows: Iterable[Mapping[str, Any] | str]) -> str:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path.name


def judged(passes: Iterable[bool], first: int = 0) -> list[dict[str, Any]]:
    return [{"task_id": f"t/{i}", "passed": p, "outcome": "pass" if p else "fail"} for i, p in enumerate(passes, first)]


def compare(*names: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "forge", "compare", *names]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60)


def test_one_sample_each_is_compared_by_mcnemar_s_exact_test(tmp_path: Path) -> None:
    old = [True] * 20 + [False] * 20
    new = [True] * 18 + [False] * 2 + [True] * 12 + [False] * 8
    written(tmp_path / "a", judged(old))
    written(tmp_path / "b", judged(new))
    done = compare("a", "b", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "A: 50.0 % of 40 problems, a" in done.stdout
    assert "B: 75.0 % of 40 problems, b" in done.stdout
    p = scipy_stats.binomtest(2, 14).pvalue
    assert "B - A: +25.0 points (" in done.stdout
    assert f"exact McNemar p = {p:.3g}: distinguishable" in done.stdout
    assert "the smallest gain this could have shown: " in done.stdout
    assert "gained: 12 (t/20, t/21" in done.stdout
    assert "lost: 2 (t/18, t/19)" in done.stdout
    same = compare("a", "a", cwd=tmp_path)
    assert "exact McNemar p = 1: not distinguishable" in same.stdout
    assert "gained: 0\nlost: 0\n" in same.stdout


def test_several_samples_are_compared_by_problem(tmp_path: Path) -> None:
    def four(passes: list[int]) -> list[dict[str, Any]]:
        return [row for i, n in enumerate(passes) for row in judged([j < n for j in range(4)], 0)
                for row in [{**row, "task_id": i}]]  # fmt: skip

    written(tmp_path / "a", four([0, 1, 2, 3] * 5))
    written(tmp_path / "b", four([1, 2, 3, 4] * 5))
    done = compare("a", "b", cwd=tmp_path)
    assert "A: 37.5 % of 20 problems" in done.stdout
    assert "B - A: +25.0 points" in done.stdout
    assert "paired sign flip p = " in done.stdout
    assert ": distinguishable" in done.stdout


def test_what_only_one_file_has_is_said_and_left_out(tmp_path: Path) -> None:
    error = {"task_id": "t/1", "outcome": "error", "passed": False}
    written(tmp_path / "a", [*judged([True, True, False]), error])
    written(tmp_path / "b", judged([True, False, True], first=1))
    done = compare("a", "b", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "of 2 problems, a" in done.stdout
    assert "only in a: 1 (t/0)" in done.stdout
    assert "only in b: 1 (t/3)" in done.stdout
    assert "1 rows of a were not judged" in done.stdout


def test_results_of_the_official_graders_can_be_compared_too(tmp_path: Path) -> None:
    written(tmp_path / "a", [{"task_id": "t/0", "completion": "x", "result": "passed", "passed": True}])
    (tmp_path / "b.json").write_text(json.dumps(
        {"eval": {"t/0": [{"solution": "x", "base_status": "pass", "plus_status": "fail"}]}}
    ))  # fmt: skip
    assert "lost: 1 (t/0)" in compare("a", "b.json", cwd=tmp_path).stdout


def test_a_line_that_is_no_row_is_told_and_the_rest_is_compared(tmp_path: Path) -> None:
    written(tmp_path / "a", [*judged([True, False]), "{broken", '{"task_id": "t/9"}'])
    written(tmp_path / "b", judged([True, True]))
    done = compare("a", "b", cwd=tmp_path)
    assert done.returncode == 1
    assert "a, line 3: not JSON" in done.stderr
    assert "a, line 4: does not say whether it passed" in done.stderr
    assert "gained: 1 (t/1)" in done.stdout


@pytest.mark.parametrize(("name", "told"), [
    ("none", "no file at none"), ("empty", "empty holds no judged row"), ("other", "no task_id in common"),
])  # fmt: skip
def test_files_that_cannot_be_compared_are_a_wrong_use(tmp_path: Path, name: str, told: str) -> None:
    written(tmp_path / "a", judged([True]))
    written(tmp_path / "empty", [])
    written(tmp_path / "other", judged([True], first=5))
    done = compare("a", name, cwd=tmp_path)
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
