"""The judge of answers on real benchmarks: every reference passes, a neighbour's answer does not."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from forge import benchmarks, selftest
from forge.domains import normal
from forge.domains.math import MathDomain
from forge.errors import DataError
from forge.types import Attempt, Outcome, Problem, to_row

COUNTS = {"gsm8k": 1319, "math500": 500}
ALL = os.environ.get("FORGE_GRADER") == "all"
"""Whether the self-test takes every problem and not some."""


@pytest.fixture(scope="module")
def domain(mathematics: MathDomain) -> MathDomain:
    return mathematics


def judged(domain: MathDomain, items: list[tuple[Problem, str]]) -> list[Outcome]:
    tried = [(problem, Attempt(str(i), problem.id, 0, text, "stop", "test")) for i, (problem, text) in enumerate(items)]
    return [verdict.outcome for verdict in domain.judge(tried)]


@pytest.mark.parametrize("name", COUNTS)
def test_every_reference_passes(domain: MathDomain, benchmark_data: Path, name: str) -> None:
    problems = benchmarks.load(name)
    outcomes = judged(domain, [(problem, problem.reference) for problem in problems])
    failed = [problem.id for problem, outcome in zip(problems, outcomes, strict=True) if outcome is not Outcome.PASS]
    assert (failed, len(outcomes)) == ([], COUNTS[name])


@pytest.mark.parametrize("name", COUNTS)
def test_the_answer_of_another_problem_does_not_pass(domain: MathDomain, benchmark_data: Path, name: str) -> None:
    problems = benchmarks.load(name)
    others = [problem.tests["answer"] for problem in (*problems[1:], problems[0])]
    outcomes = judged(domain, [(p, f"\\boxed{{{other}}}") for p, other in zip(problems, others, strict=True)])
    passed = [
        (other, problem.tests["answer"])
        for problem, other, outcome in zip(problems, others, outcomes, strict=True)
        if outcome is Outcome.PASS
    ]
    differently = [pair for pair in passed if normal.behaviour(pair[0]) != normal.behaviour(pair[1])]
    assert differently == ([("x=5", "5")] if name == "math500" else [])
    assert len(passed) < len(problems) / 20
    assert Outcome.ERROR not in outcomes


@pytest.mark.parametrize("name", COUNTS)
def test_the_self_test_holds(domain: MathDomain, benchmark_data: Path, name: str) -> None:
    problems = benchmarks.load(name)
    result = selftest.run(domain, problems if ALL else problems[:: len(problems) // 60], seed=0)
    assert result.misses == []
    assert min(result.kinds[kind] for kind in ("reference", "run-on", "never stated", "off by one", "mutant")) > 30


PLANTED = {
    "last number": "never stated",
    "thousands read as decimals": "with thousands separators",
    "first box": "corrected",
    "passes what is cut": "cut within the answer",
    "sign dropped": "negative",
    "everything passes": "empty",
}


@pytest.mark.parametrize("bug", PLANTED)
def test_the_self_test_catches_a_planted_bug(domain: MathDomain, benchmark_data: Path, bug: str) -> None:
    """A judge with a well-known fault, made by changing what the real one gets or gives."""

    class Faulty:
        version = bug
        known = domain.known
        mutants = domain.mutants

        def judge(self, items):  # type: ignore[no-untyped-def]
            for problem, attempt in items:
                [verdict] = domain.judge([(problem, replace(attempt, completion=changed(attempt.completion)))])
                fooled = bug == "everything passes" and verdict.outcome is not Outcome.ERROR
                yield replace(verdict, outcome=Outcome.PASS) if fooled else verdict

    def changed(text: str) -> str:
        if bug == "last number" and "here." in text:
            return f"\\boxed{{{text.split()[-2]}}}"
        if bug == "thousands read as decimals":
            return text.replace(",", ".")
        if bug == "first box":
            return text[: text.find("?") + 1] if "? No" in text else text
        if bug == "passes what is cut" and text.count("{") > text.count("}"):
            return text + "}"
        return text.replace("#### -", "#### ") if bug == "sign dropped" else text

    problems = [problem for problem in benchmarks.load("gsm8k") if len(problem.tests["answer"]) > 3][:3]
    misses = selftest.run(Faulty(), problems, seed=0).misses
    assert any(PLANTED[bug] in miss for miss in misses), misses


def test_a_benchmark_that_is_nowhere_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGE_DATA", str(tmp_path))
    for name in ("gsm8k", "math500", "aime", "aime24", "aime25"):
        with pytest.raises(DataError) as caught:
            benchmarks.load(name)
        assert "FORGE_DATA" in caught.value.hint


def test_an_examination_is_read_from_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, domain: MathDomain
) -> None:
    rows = [{"problem": "Find it.", "answer": "025", "solution": "It is 25."}, {"problem": "And now?", "answer": 7}]
    (tmp_path / "aime").mkdir()
    (tmp_path / "aime" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setenv("FORGE_DATA", str(tmp_path))
    problems = benchmarks.load("aime")
    assert [problem.tests["answer"] for problem in problems] == ["25", "7"]
    assert judged(domain, [(problem, problem.reference) for problem in problems]) == [Outcome.PASS] * 2


def test_a_problem_without_an_answer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    for tests, fault in (
        ({}, "has no answer"),
        ({"answer": 5}, "has no answer"),
        ({"answer": "5"}, "has no reference"),
    ):
        path.write_text(json.dumps(to_row(Problem("p", "math", "heldout", "What?", tests, ""))) + "\n")
        with pytest.raises(DataError, match=fault):
            benchmarks.load(str(path))
