"""Whole runs through the command line: real model, real sandbox, real training; interrupted and resumed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from forge import benchmarks
from forge.prompts import COMPLETION
from forge.types import Problem, to_row

ROOT = Path(__file__).parent.parent
SMOKE = str(ROOT / "configs" / "smoke.toml")
pytestmark = pytest.mark.timeout(900)


def start(out: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "forge", "run", SMOKE, "--out", str(out), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out


def rows(folder: Path) -> dict[str, list[str]]:
    """Every row of a run, wall times aside; order within a file is not part of what a run promises."""
    found = {}
    for path in sorted(folder.rglob("*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            line.pop("seconds", None)
        found[str(path.relative_to(folder))] = sorted(json.dumps(line, sort_keys=True) for line in lines)
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, float]:
    """One uninterrupted run: its folder, what it printed and how long it took."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    began = time.monotonic()
    return folder, finish(start(folder)), time.monotonic() - began


def test_a_run_goes_through_every_stage_and_says_what_it_found(whole: tuple[Path, str, float]) -> None:
    folder, printed, _ = whole
    for arm in ("base", "adapter", "control: corrupted", "control: format-only", "teacher"):
        assert arm in printed
    assert "model organism" in " ".join(printed.split())
    scores = json.loads((folder / "scores.json").read_text())
    for found in scores["scores"].values():
        for score in found:
            assert 0 <= score["low"] <= score["value"] <= score["high"] <= 1
    assert {(d["arm"], d["against"]) for d in scores["deltas"]} >= {
        ("adapter", "base"),
        ("adapter", "control: corrupted"),
    }
    header = tomllib.loads((folder / "run.toml").read_text())
    assert header["run"]["seed"] == 0
    assert header["versions"]["torch"]
    assert "://" not in (folder / "report.html").read_text().replace("http://www.w3.org/2000/svg", "")


def test_every_score_names_its_format_and_the_base_is_measured_in_each(whole: tuple[Path, str, float]) -> None:
    folder, printed, _ = whole
    scores = json.loads((folder / "scores.json").read_text())
    assert {score["format"] for found in scores["scores"].values() for score in found} == {"nano"}
    assert {(d["format"], d["against_format"]) for d in scores["deltas"]} == {("nano", "nano")}
    assert [score["format"] for score in scores["panel"]["scores"]] == ["nano", "completion", "few-shot"]
    assert {score["n"] for score in scores["panel"]["scores"]} == {24}
    assert scores["panel"]["scores"][0] == scores["scores"]["base"][0]
    said = " ".join(printed.split())
    assert "by the prompt format in which it is asked: nano" in said
    assert "elicitation" in said
    assert "What the prompt format gives" in (folder / "report.html").read_text()


def test_a_run_that_began_before_there_was_a_panel_goes_on(whole: tuple[Path, str, float], tmp_path: Path) -> None:
    folder, printed, _ = whole
    out = tmp_path / "old"
    shutil.copytree(folder, out)
    shutil.rmtree(out / "eval" / "base" / "asked")
    header = (out / "run.toml").read_text()
    kept = [line for line in header.splitlines() if not line.startswith(("panel =", "fallback ="))]
    assert len(kept) == len(header.splitlines()) - 2
    (out / "run.toml").write_text("\n".join(kept) + "\n")
    report = [sys.executable, "-m", "forge", "report", SMOKE, "--out", str(out)]
    done = subprocess.run(report, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    scores = json.loads((out / "scores.json").read_text())
    assert scores["panel"] == {}
    assert any("in one prompt format only, nano" in sentence for sentence in scores["conclusion"])
    assert finish(start(out)) == printed
    assert rows(out) == rows(folder)


def test_every_pair_comes_from_a_failed_and_a_passing_attempt_at_its_problem(whole: tuple[Path, str, float]) -> None:
    folder = whole[0]
    read = lambda name: [json.loads(line) for line in (folder / name).read_text().splitlines()]  # noqa: E731
    outcomes = {row["attempt_id"]: row["outcome"] for row in read("verdicts.jsonl")}
    problem_of = {row["id"]: row["problem_id"] for row in read("attempts.jsonl")}
    pairs = read("pairs.jsonl")
    assert pairs
    for pair in pairs:
        assert outcomes[pair["chosen_id"]] == "pass"
        assert outcomes[pair["rejected_id"]] not in ("pass", "error", "truncated")
        assert problem_of[pair["chosen_id"]] == problem_of[pair["rejected_id"]] == pair["problem_id"]


def test_a_run_that_differs_in_later_stages_takes_over_the_attempts_of_another(
    whole: tuple[Path, str, float], tmp_path: Path
) -> None:
    folder, out = whole[0], tmp_path / "other"
    arms = ("--set", "controls.names=[]", "--set", "controls.teacher=false")
    finish(start(out, "--reuse", str(folder), *arms, "--set", "mine.merge=none", "--set", "mine.limit=4"))
    ours, theirs = rows(out), rows(folder)
    for name in ("attempts.jsonl", "problems.jsonl", "proposals/attempts.jsonl", "eval/base/sampled/verdicts.jsonl"):
        assert ours[name] == theirs[name]
    assert len(ours["pairs.jsonl"]) == 8
    assert {json.loads(row)["flaw"] for row in ours["pairs.jsonl"]} <= {"logic", "format", "other"}
    refused = start(tmp_path / "third", "--reuse", str(folder), "--set", "attempt.samples=9")
    said = refused.communicate(timeout=60)[1]
    assert refused.returncode == 2
    assert "attempt.samples = 4, not 9" in " ".join(said.split())
    assert not (tmp_path / "third" / "attempts.jsonl").exists()


def test_a_run_started_again_does_nothing_and_says_the_same(whole: tuple[Path, str, float]) -> None:
    folder, printed, _ = whole
    before = {path: path.read_bytes() for path in folder.rglob("*.jsonl")}
    assert finish(start(folder)) == printed
    assert {path: path.read_bytes() for path in folder.rglob("*.jsonl")} == before


def test_a_run_killed_again_and_again_ends_with_the_same_rows_and_scores(
    whole: tuple[Path, str, float], tmp_path: Path
) -> None:
    folder, printed, took = whole
    source = random.Random(int(os.environ.get("FORGE_KILL_SEED", "3")))
    wanted, kills, runs = int(os.environ.get("FORGE_KILLS", "2")), 0, 0
    while kills < wanted:
        out = tmp_path / str(runs)
        runs += 1
        while kills < wanted:
            process = start(out)
            try:
                process.communicate(timeout=source.uniform(0.02, 0.5) * took)
                break
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                kills += 1
                process.communicate()
        assert finish(start(out)) == printed
        assert rows(out) == rows(folder)
        for name in ("scores.json", "adapter/adapter_model.safetensors"):
            assert (out / name).read_bytes() == (folder / name).read_bytes()
    print(f"{kills} kills in {runs} runs")


def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path) -> None:
    process = start(tmp_path / "run")
    while not (tmp_path / "run" / "eval").exists() and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command resumes" in " ".join(err.split())
    assert "Traceback" not in err


def test_a_model_that_knows_nothing_is_told_the_truth(tiny_qwen: Path, tmp_path: Path) -> None:
    settings = (
        "model.generator=auto",
        "propose.tries=8",
        "propose.max_tokens=24",
        "eval.samples=2",
        "eval.limit=4",
        "eval.max_tokens=24",
    )
    changes = [part for setting in (f"model.name={tiny_qwen}", *settings) for part in ("--set", setting)]
    printed = finish(start(tmp_path / "run", *changes))
    assert "No pair was mined" in " ".join(printed.split())
    assert not (tmp_path / "run" / "adapter").exists()
    assert (tmp_path / "run" / "report.html").is_file()
    header = tomllib.loads((tmp_path / "run" / "run.toml").read_text())
    assert header["model"]["generator"] in ("transformers", "llamacpp")


def test_recorded_completions_are_measured_without_a_model(tmp_path: Path) -> None:
    problems = benchmarks.load("nano/dev")[:4]
    recorded = [{"prompt": p.prompt, "completion": p.reference[len(p.prompt) :]} for p in problems[:3]]
    recorded += [{"prompt": problems[3].prompt, "completion": "    return None"}]
    recorded += [{"prompt": COMPLETION.propose(), "completion": "nothing that could be a problem"}]
    path = tmp_path / "recorded.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in recorded))
    settings = ("model.generator=replay", f"model.name={path}", "propose.tries=4", "eval.limit=4", "eval.samples=2")
    finish(start(tmp_path / "run", *(part for setting in settings for part in ("--set", setting))))
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())["scores"]
    assert list(scores) == ["base"]
    assert {score["metric"]: score["value"] for score in scores["base"]} == {
        "greedy pass@1": 0.75, "pass@1": 0.75, "pass@2": 0.75,
    }  # fmt: skip


def recorded(folder: Path, problems: list[Problem], completions: list[str]) -> list[str]:
    """The settings of a run that asks nothing but these problems, and gets these completions."""
    asked = [COMPLETION.solve(problem) for problem in problems]
    rows = [{"prompt": prompt, "completion": text} for prompt, text in zip(asked, completions, strict=True)]
    rows += [{"prompt": COMPLETION.propose(), "completion": "nothing that could be a problem"}]
    (folder / "held.jsonl").write_text("".join(json.dumps(to_row(problem)) + "\n" for problem in problems))
    (folder / "recorded.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = (f"model.name={folder / 'recorded.jsonl'}", f"eval.benchmark={folder / 'held.jsonl'}")
    settings = ("model.generator=replay", *files, "eval.samples=1", "propose.tries=2")
    return [part for setting in settings for part in ("--set", setting)]


def mathematics(folder: Path) -> list[str]:
    """Three questions: one answered right, one wrong, one whose answer is right and not stated."""
    problems = [Problem(f"q/{i}", "math", "heldout", f"What is {i} + 1?", {"answer": str(i + 1)}, f"#### {i + 1}")
                for i in range(101, 104)]  # fmt: skip
    return recorded(folder, problems, [" #### 102", " #### 99", " It comes to 104"])


def test_a_run_on_mathematics_measures_and_says_that_it_does_no_more(tmp_path: Path) -> None:
    settings = mathematics(tmp_path)
    printed = " ".join(finish(start(tmp_path / "run", *settings, "--set", "judge.domain=math")).split())
    assert "cannot be invented, so this run only measured the model" in printed
    found = json.loads((tmp_path / "run" / "scores.json").read_text())["scores"]["base"]
    assert {(score["metric"], round(score["value"], 2)) for score in found} == {
        ("greedy pass@1", 0.33),
        ("pass@1", 0.33),
    }
    guessing = ("--set", "judge.domain=math", "--set", "judge.fallback=last number")
    finish(start(tmp_path / "other", *settings, *guessing))
    found = json.loads((tmp_path / "other" / "scores.json").read_text())["scores"]["base"]
    assert round(found[0]["value"], 2) == 0.67
    verdicts = (tmp_path / "other" / "eval" / "base" / "greedy" / "verdicts.jsonl").read_text()
    assert all("+last-number+" in json.loads(row)["judge"] for row in verdicts.splitlines())


def test_a_benchmark_of_another_domain_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    refused = start(tmp_path / "run", *mathematics(tmp_path))
    said = " ".join(refused.communicate(timeout=60)[1].split())
    assert refused.returncode == 2
    assert "error: 'q/101' is a problem of the domain 'math', not 'python'" in said
    assert "hint: set judge.domain to 'math'" in said
    assert not (tmp_path / "run" / "run.toml").exists()


def test_a_run_has_the_libraries_that_its_benchmark_needs(tmp_path: Path) -> None:
    stub = 'def plain(text):\n    """Return text without style."""\n'
    right = f"{stub}    import click\n    return click.unstyle(text)\n"
    tests = {"entry_point": "plain", "asserts": ["import click\nassert plain(click.style('a', 'red')) == 'a'"]}
    problem = Problem("p", "python", "heldout", stub, {**tests, "modules": ["click"]}, right)
    finish(start(tmp_path / "run", *recorded(tmp_path, [problem], [right[len(stub) :]])))
    assert json.loads((tmp_path / "run" / "scores.json").read_text())["scores"]["base"][0]["value"] == 1
    missing = replace(problem, tests={**tests, "modules": ["click", "no_such_library"]})
    refused = start(tmp_path / "other", *recorded(tmp_path, [missing], [""]))
    said = " ".join(refused.communicate(timeout=60)[1].split())
    assert refused.returncode == 2
    assert "error: problems need no_such_library, not installed here" in said
