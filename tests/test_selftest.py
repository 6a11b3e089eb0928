"""The grader's self-test finds each of the bugs that are known to have spoiled published scores."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from forge import benchmarks, extract, selftest
from forge.cli import commands
from forge.domains.python import PythonDomain
from forge.errors import CheckFailed
from forge.prompts import COMPLETION, FORMATS, Kind
from forge.types import Outcome, Problem, Verdict

program = extract.program
verdict = PythonDomain._verdict


def cut_at_a_comment(prompt: str, name: str, completion: str, **rest: Any) -> str:
    return program(prompt, name, completion.split("\n#")[0], **rest)


def cut_after_64_words(prompt: str, name: str, completion: str, **rest: Any) -> str:
    found = re.match(r"\s*(?:\S+\s*){0,64}", completion)
    return program(prompt, name, found.group() if found else "", **rest)


def without_the_prompt(prompt: str, name: str, completion: str, **rest: Any) -> str:
    """What throws a prompt away, with its imports and helpers, as soon as a completion defines anything."""
    return completion if "def " in completion else program(prompt, name, completion, **rest)


def as_it_stands(prompt: str, name: str, completion: str, **rest: Any) -> str:
    return prompt + completion


def raising_passes(self: PythonDomain, item: Any) -> Verdict:
    found = verdict(self, item)
    return replace(found, outcome=Outcome.PASS) if " raised " in found.feedback else found


def everything_passes(self: PythonDomain, item: Any) -> Verdict:
    return replace(verdict(self, item), outcome=Outcome.PASS)


def errors_are_failures(self: PythonDomain, item: Any) -> Verdict:
    found = verdict(self, item)
    return replace(found, outcome=Outcome.FAIL) if found.outcome is Outcome.PASS else found


PLANTS: dict[str, tuple[Any, str, Callable[..., Any], str]] = {
    "a stop at a new line with a comment": (extract, "program", cut_at_a_comment, "remarks before is"),
    "a token limit of 64": (extract, "program", cut_after_64_words, "long remarks before is"),
    "helpers dropped": (extract, "program", without_the_prompt, "function without the prompt's helper is"),
    "no extraction": (extract, "program", as_it_stands, "fenced reference is"),
    "exceptions that pass": (PythonDomain, "_verdict", raising_passes, "exception is pass"),
    "everything passes": (PythonDomain, "_verdict", everything_passes, "empty is pass"),
    "nothing passes": (PythonDomain, "_verdict", errors_are_failures, "reference is fail"),
}


@pytest.fixture(scope="module")
def domain() -> Iterator[PythonDomain]:
    with PythonDomain() as opened:
        yield opened


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    return benchmarks.load("nano/dev")[:2]


def test_an_honest_grader_gets_through(domain: PythonDomain, problems: list[Problem]) -> None:
    result = selftest.run(domain, problems, seed=0, formats=FORMATS.values())
    assert result.misses == []
    cut = r"cut at '\nprint(' of completion"
    assert result.kinds["target of few-shot"] == result.kinds[cut] == len(problems)


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_is_found(
    domain: PythonDomain, problems: list[Problem], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, attribute, bug, told = PLANTS[name]
    monkeypatch.setattr(where, attribute, bug)
    misses = selftest.run(domain, problems, seed=0).misses
    assert any(told in miss for miss in misses), misses


@pytest.mark.parametrize("stop", ["\n#", "\ndef ", "\nclass ", "    return"])
def test_a_stop_string_that_cuts_right_answers_is_found(
    domain: PythonDomain, problems: list[Problem], stop: str
) -> None:
    cutting = replace(COMPLETION, name="cutting", stops={Kind.STUB: ("\nassert ", stop)})
    misses = selftest.run(domain, problems[:1], seed=0, formats=[COMPLETION, cutting]).misses
    assert misses
    assert all(f"cut at {stop!r} of cutting is" in miss for miss in misses)


def test_a_program_that_talks_can_be_tested_too(domain: PythonDomain) -> None:
    cases = [{"stdin": "1 2\n", "stdout": "3\n"}, {"stdin": "5 7\n", "stdout": "12\n"}]
    reference = "a, b = map(int, input().split())\nprint(a + b)\n"
    problem = Problem("p", "python", "heldout", "Print the sum of two numbers.\n", {"cases": cases}, reference)
    result = selftest.run(domain, [problem], seed=0, formats=FORMATS.values())
    assert result.misses == []
    assert result.kinds["mutant"]


def test_a_grader_with_a_bug_is_not_said_to_be_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PythonDomain, "_verdict", raising_passes)
    result = CliRunner().invoke(commands, ["check", "--problems", "1"])
    assert isinstance(result.exception, CheckFailed)
    assert "exception is pass" in str(result.exception)
    assert "all judged right" not in result.output
