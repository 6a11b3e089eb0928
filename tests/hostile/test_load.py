"""Verdicts on a busy machine: the same with any number of workers, beside processes that never rest.

`FORGE_LOAD` sets how often all of it is repeated; without it, a part is judged once.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge.sandbox import Job, Limits, Sandbox
from forge.types import Outcome

REPEATS = int(os.environ.get("FORGE_LOAD", "0"))
BUSY = 4
WORKERS = (1, 2, 8)
LIMITS = Limits(wall=10.0, cpu=5.0, memory=256 << 20)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    path = Path(os.environ.get("FORGE_DATA") or "/nowhere") / "humaneval" / "HumanEval.jsonl.gz"
    if not path.exists():
        pytest.skip("FORGE_DATA names no folder with humaneval/HumanEval.jsonl.gz: NOTHING is judged under load")
    with gzip.open(path, "rt") as lines:
        found = [json.loads(line) for line in lines]
    return found if REPEATS else found[::8]


@pytest.fixture
def busy() -> Iterator[None]:
    """Processes that take all the time they can get."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(BUSY)]
    yield
    for other in others:
        other.kill()
        other.wait()


def mutant(body: str) -> str:
    """A body that is not quite the same: one sign or number changed."""
    for pattern, replacement in (
        (r" < ", " >= "),
        (r" \+ ", " - "),
        (r" == ", " != "),
        (r"\b1\b", "2"),
        (r"\b0\b", "1"),
    ):
        changed = re.sub(pattern, replacement, body, count=1)
        if changed != body:
            return changed
    return "    return NotImplemented\n"


def jobs(rows: list[dict[str, str]]) -> list[Job]:
    """The references, then a mutant of each."""
    made = []
    for change in (str, mutant):
        for row in rows:
            setup = row["prompt"] + "\n" + row["test"]
            source = row["prompt"] + change(row["canonical_solution"])
            made.append(Job(source, [f"check({row['entry_point']})"], row["entry_point"], setup))
    return made


@pytest.mark.timeout(max(300, REPEATS * 120))
def test_verdicts_are_the_same_under_load(rows, busy, capsys):
    judged = jobs(rows)
    seen: dict[int, set[tuple[str, str, int]]] = {place: set() for place in range(len(judged))}
    for repeat in range(max(REPEATS, 1)):
        for workers in WORKERS:
            begun = time.monotonic()
            with Sandbox(workers, limits=LIMITS) as sandbox:
                for execution in sandbox.run(judged):
                    facts = (str(execution.outcome), execution.behaviour, execution.tests_passed)
                    seen[execution.index].add(facts)
            with capsys.disabled():
                took = time.monotonic() - begun
                print(f"\nload: round {repeat}, {workers} workers, {len(judged)} programs in {took:.1f} s", end="")
    unsteady = {place: facts for place, facts in seen.items() if len(facts) > 1}
    outcomes = {place: next(iter(facts))[0] for place, facts in seen.items()}
    passed = sum(outcome == Outcome.PASS for outcome in list(outcomes.values())[len(rows) :])
    with capsys.disabled():
        print(f"\nload: {len(unsteady)} of {len(judged)} unsteady; {passed} of {len(rows)} mutants pass")
    assert not unsteady
    assert {outcomes[place] for place in range(len(rows))} == {Outcome.PASS}
    assert passed < len(rows) / 2
