"""Prompt formats: what each says of every kind of problem, worked examples that are right, stops that cut nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge import benchmarks
from forge.decontaminate import Heldout
from forge.domains.math import MathDomain
from forge.domains.python import PythonDomain
from forge.prompts import CHAT, COMPLETION, FEW_SHOT, FORMATS, NANO, Format, Kind, kind
from forge.shots import SHOTS
from forge.types import Attempt, Outcome, Problem, Prompt

STUB = 'def twice(n):\n    """Return twice n."""\n'
CALLS = {"entry_point": "twice", "asserts": ["assert twice(2) == 4"]}
CASES = [{"stdin": "2\n", "stdout": "4\n"}]
PROBLEMS = {
    Kind.STUB: Problem("s", "python", "heldout", STUB, CALLS, f"{STUB}    return 2 * n\n"),
    Kind.WORDS: Problem("w", "python", "heldout", '"""\nDouble n.\nassert twice(2) == 4\n"""\n', CALLS,
                        "def twice(n):\n    return 2 * n\n"),
    Kind.PROGRAM: Problem("p", "python", "heldout", "Print the double of the number.\n", {"cases": CASES},
                          "print(2 * int(input()))\n"),
    Kind.QUESTION: Problem("q", "math", "heldout", "What is twice 2?", {"answer": "4"}, "It is 2 + 2.\n#### 4"),
}  # fmt: skip
ASKED = {Kind.STUB: STUB, Kind.WORDS: "Double n.", Kind.PROGRAM: "Print the double", Kind.QUESTION: "What is twice 2?"}


def text(prompt: Prompt) -> str:
    return prompt if isinstance(prompt, str) else "\n".join(turn["content"] for turn in prompt)


@pytest.mark.parametrize("found", PROBLEMS)
@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
def test_every_format_asks_every_kind_of_problem(format: Format, found: Kind) -> None:
    problem = PROBLEMS[found]
    assert kind(problem) is found
    assert ASKED[found].strip() in text(format.solve(problem))
    failed = f"{STUB if found is Kind.STUB else ''}    a failed answer"
    shown = text(format.repair(problem, failed, "what went wrong"))
    assert "a failed answer" in shown
    assert "what went wrong" in shown
    if format is not NANO:
        assert ASKED[found].strip() in shown


def test_what_the_embedded_model_was_trained_on_stays_as_it_was() -> None:
    problem = PROBLEMS[Kind.STUB]
    assert NANO.solve(problem) == f"# solve\n{STUB}"
    assert NANO.repair(problem, "A", "F") == "# repair\nA\n# error: F\n# fixed\n"
    assert NANO.propose() == "# invent\n"
    assert NANO.target(problem, problem.reference) == "    return 2 * n\n"
    assert COMPLETION.solve(problem) == STUB


def test_mathematics_is_asked_for_in_a_form_that_the_judge_reads(mathematics: MathDomain) -> None:
    problem = PROBLEMS[Kind.QUESTION]
    assert "\\boxed{}" in text(CHAT.solve(problem))
    assert "####" in text(COMPLETION.solve(problem))
    for format, form in ((CHAT, "\\boxed{4}"), (COMPLETION, "#### 4"), (FEW_SHOT, "#### 4")):
        attempt = Attempt("a", "q", 0, f"2 + 2 = 4, so\n{form}", "stop", "test")
        assert next(mathematics.judge([(problem, attempt)])).outcome is Outcome.PASS, format.name


def test_a_stub_that_a_model_should_go_on_with_ends_the_raw_prompts() -> None:
    for format in (COMPLETION, FEW_SHOT):
        assert text(format.solve(PROBLEMS[Kind.STUB])).endswith(STUB)
        assert text(format.solve(PROBLEMS[Kind.PROGRAM])).endswith('Print the double of the number.\n"""\n')
        assert text(format.solve(PROBLEMS[Kind.QUESTION])).endswith(":")


@pytest.fixture(scope="module")
def python() -> Iterator[PythonDomain]:
    with PythonDomain(workers=1) as opened:
        yield opened


SHOT_TESTS: dict[str, list[dict[str, object]]] = {
    "stub": [
        {"entry_point": "minutes_between", "asserts": ["assert minutes_between('09:45', '11:00') == 75"]},
        {"entry_point": "frame", "asserts": ["assert frame(3, 3) == ['###', '# #', '###']", "assert frame(2, 1)"]},
    ],
    "program": [
        {"cases": [{"stdin": "3\n1\n6\n13\n", "stdout": "1\n1\n3\n"}]},
        {"cases": [{"stdin": "ada bob cem\n", "stdout": "ada cem\n"}, {"stdin": "eve\n", "stdout": "eve eve\n"}]},
    ],
}


def test_every_worked_example_is_right(python: PythonDomain, mathematics: MathDomain) -> None:
    items = []
    for name, shots in SHOTS.items():
        for place, (prompt, answer) in enumerate(shots):
            lines = [line for line in prompt.split("\n") if line.startswith("assert ")]
            called = {"entry_point": lines[0][7:].split("(")[0], "asserts": lines} if lines else None
            tests = SHOT_TESTS[name][place] if name in SHOT_TESTS else called or {"answer": ""}
            domain = "math" if name == "question" else "python"
            items.append((Problem(f"{name}/{place}", domain, "train", prompt, tests), answer))
    code = [(p, Attempt(p.id, p.id, 0, answer, "stop", "t")) for p, answer in items if p.domain == "python"]
    assert [v.outcome for v in python.judge(code)] == [Outcome.PASS] * 6
    stated = [mathematics.answer(p, Attempt("", "", 0, answer, "stop", "t")) for p, answer in items[-3:]]
    assert stated == ["13", "\\frac{9}{10}", "\\frac{y - 7}{2}"]


def test_no_worked_example_repeats_a_held_out_problem(benchmark_data: Path) -> None:
    for names, kinds, domain in (
        (("nano/dev", "nano/final", "humaneval", "mbpp"), ("stub", "words", "program"), PythonDomain),
        (("gsm8k", "math500"), ("question",), MathDomain),
    ):
        keys = domain.overlap_keys.__get__(object())  # needs no sandbox
        held = Heldout([problem for name in names for problem in benchmarks.load(name)], keys)
        twin = benchmarks.load(names[-1])[3]
        assert held.find(twin.prompt, twin.reference) is not None
        found = [held.find(prompt, answer) for each in kinds for prompt, answer in SHOTS[each]]
        assert found == [None] * len(found)


@pytest.mark.parametrize("found", [Kind.STUB, Kind.WORDS, Kind.QUESTION])
def test_an_answer_survives_the_next_example_that_a_model_makes_up(
    found: Kind, python: PythonDomain, mathematics: MathDomain
) -> None:
    """Stops save tokens only: a backend that ignores them gets the same verdict."""
    problem = PROBLEMS[found]
    [stop] = FEW_SHOT.stops[found]
    after = " What is 1 + 1?\nSolution 5: 2\n#### 2" if found is Kind.QUESTION else "\ndef other(a):\n    return (a"
    written = FEW_SHOT.target(problem, problem.reference).rstrip() + "\n" + stop + after
    domain = mathematics if found is Kind.QUESTION else python
    for completion in (written, written[: written.index(stop)]):
        verdict = next(domain.judge([(problem, Attempt("a", problem.id, 0, completion, "length", "t"))]))
        assert verdict.outcome is Outcome.PASS


def test_stops_of_several_kinds_are_those_that_suit_them_all() -> None:
    stub, words = PROBLEMS[Kind.STUB], PROBLEMS[Kind.WORDS]
    assert "\nassert " in COMPLETION.stops_for([stub])
    assert COMPLETION.stops_for([stub, words]) == ("\nif __name__",)
    assert COMPLETION.stops_for([stub, PROBLEMS[Kind.PROGRAM]]) == ()
    assert COMPLETION.stops_for([]) == CHAT.stops_for([stub]) == ()


OBEDIENT = '''
from forge.types import Completion


class Obedient:
    """Invents one problem, again and again, and ends where a stop string says so."""

    def __init__(self, model, adapter="", device="auto", rows=1, engine=None):
        self.name = "obedient"

    def use(self, adapter):
        pass

    def close(self):
        pass

    def generate(self, prompts, sampling):
        text = """def third(xs):
    \\'\\'\\'Return the third of xs.\\'\\'\\'
    return xs[2]

assert third([1, 2, 3]) == 3
assert third("abc") == "c"
assert third([0, 0, 5, 1]) == 5

# Another short Python problem: a function
"""
        for index, prompt in enumerate(prompts):
            cuts = [text.find(stop) for stop in sampling.stops if stop in text]
            yield Completion(index, text[: min(cuts, default=len(text))], "stop", 9)
'''


def test_the_asserts_of_an_invented_problem_are_not_cut_off(tmp_path: Path) -> None:
    (tmp_path / "obedient.py").write_text(OBEDIENT)
    settings = ("model.generator=obedient:Obedient", "model.format=completion", "propose.tries=2", "eval.limit=2")
    command = [sys.executable, "-m", "forge", "propose", str(Path(__file__).parent.parent / "configs" / "smoke.toml")]
    command += ["--out", "run", *(part for setting in settings for part in ("--set", setting))]
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    kept = [json.loads(line) for line in (tmp_path / "run" / "problems.jsonl").read_text().splitlines()]
    assert [row["tests"]["entry_point"] for row in kept] == ["third"]
