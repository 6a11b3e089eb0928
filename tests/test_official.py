"""forge's verdicts beside those of the official graders in their plainest form, on thousands of completions.

None of the programs here wants to fool anyone, so that the verdicts must be the same; what differs is listed.
"""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

import official
from forge import benchmarks, payload
from forge.domains.python import PythonDomain
from forge.sandbox import Limits
from forge.types import Attempt, Outcome, Problem

STEP = int(os.environ.get("FORGE_OFFICIAL_STEP", "32"))
"""Every how manieth problem is taken; 1 takes a few minutes."""

SUFFIXES = (
    "\n\nprint(undefined)\n", "\n\nassert False\n", "\n\nif __name__ == '__main__':\n    print(undefined)\n",
    "\n\ndef other(x):\n    return (x +", "\nThe function works.\n", "\n```\n\nIt's fine.", "<|im_end|>\nuser", "</s>",
    "\n\n# done", "\n\nprint('ok')\n", "\n\nexit()\n", "\n\nimport sys\nsys.exit(0)\n", "\n\nx = input()\n",
    "\n\nclass A:\n    pass\n", '\n\n"""\nNotes\n"""\n', "\n\ndef check(candidate):\n    pass\n", "\n    ", "\r\n",
    "\n\nraise ValueError\n", "\n\n[DONE]", "\n\nimport os\n", "\n\nfrom typing import *\n", "\n\nmath = None\n",
)  # fmt: skip
KINDS = ("tuple", "list", "iter", "str", "float", "int", "set", "sorted", "map(str,", "type", "bool", "repr")


@pytest.fixture(scope="module")
def domain() -> Iterator[PythonDomain]:
    with PythonDomain(limits=Limits(wall=8.0, cpu=1.0, output=4 << 20)) as opened:
        yield opened


def completions(body: str, whole: str, name: str, mutants: list[str], source: random.Random) -> Iterator[str]:
    """What models write for a problem, right and wrong, finished and not, with and without chatter."""
    yield body
    yield f"    pass\n\n{whole}"
    yield f"```python\n{whole}```\n"
    yield f"Here it is:\n```python\n{whole}```\nDone."
    yield body.replace("\n    ", "\n").lstrip(" ")
    yield body.replace("    ", "\t")
    yield body.replace("\n", "\r\n")
    yield body.replace("return ", "yield ")
    yield body.replace("return ", "return str(")
    for suffix in source.sample(SUFFIXES, 7):
        yield body + suffix
    for kind in source.sample(KINDS, 4):
        call = kind if "(" in kind else f"{kind}("
        yield f"{body}\n\n_given = {name}\ndef {name}(*given, **named):\n    return {call}_given(*given, **named))\n"
    for _ in range(3):
        yield body[: source.randrange(len(body) + 1)]
    for mutant in mutants[:4]:
        yield f"    pass\n\n{mutant}"
        yield f"    pass\n\n{mutant[: source.randrange(len(mutant))]}"


def judged(domain: PythonDomain, items: list[tuple[Problem, str]], extract: bool = False) -> list[Outcome]:
    """The outcomes of completions, read as official graders do and, with `extract`, searched where that fails."""

    def tried() -> Iterator[tuple[Problem, Attempt, list[str]]]:
        for problem, completion in items:
            attempt = Attempt("", problem.id, 0, completion, "stop", "")
            found = [domain.answer(problem, attempt)] if extract else []
            yield problem, attempt, [*payload.official(problem, completion)[0], *found]

    return [verdict.outcome for verdict in domain.judge_answers(tried())]


def test_verdicts_on_humaneval_are_those_of_its_own_check(domain: PythonDomain, benchmark_data: Path) -> None:
    with gzip.open(benchmark_data / "humaneval" / "HumanEval.jsonl.gz", "rt") as file:
        rows = {row["task_id"]: row for row in map(json.loads, file)}
    problems = benchmarks.load("humaneval")[::STEP]
    source = random.Random(0)
    items = []
    for problem, mutants in zip(problems, domain.mutants(problems, 0), strict=True):
        row = rows[problem.id]
        body, name = row["canonical_solution"], row["entry_point"]
        items += [(problem, text) for text in completions(body, problem.reference, name, mutants, source)]
    wanted = official.passes([official.humaneval(rows[problem.id], text) for problem, text in items])
    assert sum(wanted) > len(items) / 5
    assert sum(wanted) < len(items) / 2
    outcomes = judged(domain, items)
    differ = [(*item, outcome) for item, right, outcome in zip(items, wanted, outcomes, strict=True)
              if right is not (outcome is Outcome.PASS)]  # fmt: skip
    assert differ == []
    extracted = judged(domain, items, extract=True)
    lost = [item for item, right, outcome in zip(items, wanted, extracted, strict=True)
            if right and outcome is not Outcome.PASS]  # fmt: skip
    assert lost == []
    assert extracted.count(Outcome.PASS) > sum(wanted) + 2 * len(problems), "fences and chatter are seen through"


def test_verdicts_on_mbpp_are_those_of_its_asserts(domain: PythonDomain, benchmark_data: Path) -> None:
    problems = benchmarks.load("mbpp/sanitized")[:: 2 * STEP]
    source = random.Random(0)
    items = []
    for problem, mutants in zip(problems, domain.mutants(problems, 0), strict=True):
        whole, name = problem.reference, problem.tests["entry_point"]
        plain = [text for text in completions(whole, whole, name, mutants, source) if "```" not in text]
        items += [(problem, text) for text in plain if "[DONE]" not in text]
    wanted = official.passes([official.mbpp(problem, text) for problem, text in items])
    assert len(items) / 5 < sum(wanted) < len(items) * 0.6
    differ = [(*item, outcome) for item, right, outcome in zip(items, wanted, judged(domain, items), strict=True)
              if right is not (outcome is Outcome.PASS)]  # fmt: skip
    assert differ == []


def test_verdicts_on_recorded_completions_of_a_real_model(domain: PythonDomain, benchmark_data: Path) -> None:
    path = benchmark_data / "dedup" / "natural.jsonl"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    problems = benchmarks.named(benchmarks.load("humaneval"))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    outcomes = judged(domain, [(problems[row["problem"]], row["code"]) for row in rows])
    differ = [(row["id"], row["status"], outcome) for row, outcome in zip(rows, outcomes, strict=True)
              if (row["status"] == "pass") is not (outcome is Outcome.PASS)]  # fmt: skip
    assert len(rows) > 600
    assert differ == []
