"""How fast `forge judge` works through a sample file, beside the sandbox alone on the same jobs."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
from contest import Contest, Turn, Turns, rate, spread
from contestants import WORKERS

from forge import benchmarks
from forge.sandbox import Job, Sandbox
from forge.types import Outcome

SAMPLES = 64
LEAST = 0.70
"""Of the sandbox's rate; reading, naming, writing and starting the command may take the rest."""


def _share(mine: Turns, first: Turns) -> str:
    return spread([b.wall_each / a.wall_each for a, b in zip(mine, first, strict=True)])


@pytest.mark.timeout(1800)
def test_a_sample_file_beside_the_sandbox_alone(contest: Contest, tmp_path: Path) -> None:
    if not os.environ.get("FORGE_DATA"):
        pytest.skip("FORGE_DATA is not set; set it to a folder that holds humaneval/HumanEval.jsonl.gz")
    problems = benchmarks.load("humaneval") if contest.measure else benchmarks.load("humaneval")[::40]
    samples = SAMPLES if contest.measure else 1
    turns = count()

    def attempts() -> list[tuple[str, str, int]]:
        """Name, completion and place of each attempt; no text that was judged before."""
        turn = next(turns)
        return [
            (problem.id, f"{problem.reference.removeprefix(problem.prompt)}\n# {turn} {number}\n", place)
            for place, problem in enumerate(problems)
            for number in range(samples)
        ]

    def alone() -> Turn:
        jobs = []
        for _, completion, place in attempts():
            tests = problems[place].tests
            source = problems[place].prompt + completion
            jobs.append(Job(source, tests["asserts"], tests["entry_point"], tests["setup"]))
        with Sandbox(workers=WORKERS) as box:
            assert all(execution.outcome is Outcome.PASS for execution in box.run(jobs))
        return Turn(len(jobs))

    def command() -> Turn:
        rows = [json.dumps({"task_id": name, "completion": completion}) for name, completion, _ in attempts()]
        source, out = tmp_path / "samples.jsonl", tmp_path / "out.jsonl"
        source.write_text("\n".join(rows) + "\n")
        out.unlink(missing_ok=True)
        arguments = ["judge", str(source), "--benchmark", "humaneval", "--out", str(out), "--workers", str(WORKERS)]
        done = subprocess.run([sys.executable, "-m", "forge", *arguments], capture_output=True, text=True, check=False)
        assert f"pass {len(rows)}\n" in done.stderr, done.stderr
        return Turn(len(rows))

    found = contest.run({"the sandbox alone": alone, "`forge judge`": command})
    contest.compare(
        "judge",
        f"HumanEval, {samples} samples of each problem, {WORKERS} workers, with starting and reading",
        found,
        [("programs/s", rate), ("share of the sandbox's rate", _share)],
    )
    if contest.measure:
        sandbox, judge = found.values()
        shares = [a.wall_each / b.wall_each for a, b in zip(sandbox, judge, strict=True)]
        assert statistics.median(shares) >= LEAST
