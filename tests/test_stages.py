"""The stages over rows: what is owed, what is kept, what becomes a pair, and what a control is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from forge import attempt, controls, propose, stream
from forge.decontaminate import Heldout
from forge.errors import GeneratorError
from forge.prompts import CHAT, COMPLETION, FORMATS, NANO, render
from forge.store import Rows
from forge.types import Attempt, Completion, Outcome, Pair, Problem, Prompt, Sampling, Verdict


def problem(name: str = "p") -> Problem:
    stub = f'def {name}(x):\n    """Do {name}."""\n'
    tests = {"entry_point": name, "asserts": [f"assert {name}(1) == 1"]}
    return Problem(name, "python", "train", stub, tests, stub + "    return x")


def verdict(name: str, outcome: Outcome, answer: str = "", judge: str = "j-1") -> Verdict:
    return Verdict(name, outcome, answer or f"answer {name}", 0, 1, "", "wrong", 0.0, judge)


class Counting:
    """A generator that answers with its prompt and the seed, and counts the batches it was asked for."""

    name = "counting"

    def __init__(self, fail_at: int = -1) -> None:
        self.batches: list[tuple[int, tuple[Prompt, ...]]] = []
        self.fail_at = fail_at

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[Completion]:
        self.batches.append((sampling.seed, tuple(prompts)))
        for index, prompt in reversed(list(enumerate(prompts))):
            if len(self.batches) == self.fail_at:
                raise GeneratorError("broken")
            yield Completion(index, f"{prompt} {sampling.seed} {index}", "stop", 1)


def ask(generator: Counting, done: Iterable[attempt.Key] = (), seed: int = 5) -> list[Attempt]:
    problems = [problem(f"p{number}") for number in range(5)]
    sampling = Sampling(seed=seed)
    return list(attempt.attempts(problems, NANO.solve, generator, sampling, 3, 4, set(done)))


def test_every_problem_gets_its_samples() -> None:
    found = ask(Counting())
    assert sorted((a.problem_id, a.index) for a in found) == [(f"p{i}", j) for i in range(5) for j in range(3)]
    assert len({a.id for a in found}) == 15


def test_a_resumed_run_asks_again_only_for_batches_that_are_owed_and_gets_the_same() -> None:
    whole = {(a.problem_id, a.index): a for a in ask(Counting())}
    done = [key for key in whole if key not in {("p1", 1), ("p4", 2)}]
    generator = Counting()
    rest = ask(generator, done)
    assert len(generator.batches) == 2
    assert rest == [whole["p1", 1], whole["p4", 2]]


def test_another_seed_asks_differently() -> None:
    assert {a.completion for a in ask(Counting())} != {a.completion for a in ask(Counting(), seed=6)}


class Judging:
    """A judge by the first letter of the completion's last character; slow enough to lag behind."""

    version = "j-1"

    def judge(self, items: Iterable[tuple[Problem, Attempt]]) -> Iterator[Verdict]:
        for _, tried in items:
            if tried.completion.endswith("BREAK"):
                raise RuntimeError("the judge broke")
            yield verdict(tried.id, Outcome.PASS)


def rows(folder: Path) -> tuple[Rows[Attempt], Rows[Verdict]]:
    return Rows(folder / "attempts.jsonl", Attempt), Rows(folder / "verdicts.jsonl", Verdict)


def test_what_was_generated_before_a_failure_is_stored_and_judged(tmp_path: Path) -> None:
    attempts, verdicts = rows(tmp_path)
    problems = [problem(f"p{number}") for number in range(5)]
    made = attempt.attempts(problems, NANO.solve, Counting(fail_at=3), Sampling(), 3, 4)
    by_id = {p.id: p for p in problems}
    with pytest.raises(GeneratorError):
        stream.attempt_and_judge(made, Judging(), by_id, attempts, verdicts, lambda done: None)
    assert len(attempts.read()) == 8
    assert {v.attempt_id for v in verdicts.read()} == {a.id for a in attempts.read()}


def test_what_a_slow_model_gave_is_stored_before_it_gives_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_AGE", 0.0)
    attempts, verdicts = rows(tmp_path)

    def made() -> Iterator[Attempt]:
        for number in range(3):
            assert len(attempts.read()) == number
            yield Attempt(str(number), "p", number, "x", "stop", "g")

    stream.attempt_and_judge(made(), Judging(), {"p": problem()}, attempts, verdicts, lambda done: None)
    assert len(verdicts.read()) == 3


def test_a_judge_that_breaks_stops_the_run_and_keeps_the_attempts(tmp_path: Path) -> None:
    attempts, verdicts = rows(tmp_path)
    made = [Attempt(str(i), "p", i, "BREAK" if i == 200 else "x", "stop", "g") for i in range(1000)]
    with pytest.raises(RuntimeError, match="the judge broke"):
        stream.attempt_and_judge(iter(made), Judging(), {"p": problem()}, attempts, verdicts, lambda done: None)
    assert len(attempts.read()) >= 200


def test_errors_and_verdicts_of_an_older_judge_are_owed_again() -> None:
    tried = [Attempt(str(i), "p", i, "", "stop", "g") for i in range(4)]
    there = [verdict("0", Outcome.PASS), verdict("1", Outcome.ERROR), verdict("2", Outcome.PASS, judge="j-0")]
    assert [a.id for a in stream.owed(tried, there, "j-1")] == ["1", "2", "3"]


def test_format_only_pairs_teach_no_repair() -> None:
    problems = [problem("always"), problem("sometimes")]
    verdicts = {
        "always": [verdict("a1", Outcome.PASS, "right"), verdict("a2", Outcome.PASS, "also right")],
        "sometimes": [verdict("s1", Outcome.PASS), verdict("s2", Outcome.FAIL)],
    }
    found = controls.format_only(problems, verdicts, 10, 0)
    assert sorted(chosen for _, _, chosen in found) == ["also right", "right"]
    assert all(rejected.startswith(chosen) for _, rejected, chosen in found)
    assert {p.id for p, _, _ in found} == {"always"}


def test_a_control_takes_as_many_rows_of_each_kind_as_the_adapter() -> None:
    def some(kind: str, count: int) -> list[Pair]:
        return [Pair(f"{kind}{i}", "p", kind, "", "", "", "", "", "") for i in range(count)]

    pattern = some("repair", 5) + some("plain", 3)
    for rows in (some("repair", 2) + some("plain", 9), some("repair", 9) + some("plain", 1)):
        assert [row.kind for row in controls.matched(rows, pattern)] == ["repair"] * 5 + ["plain"] * 3
    assert [row.kind for row in controls.matched(some("plain", 2), pattern)] == ["plain"] * 8
    assert controls.matched(pattern, pattern) == pattern
    assert controls.matched([], pattern) == controls.matched(pattern, []) == []


class Vetting:
    """A domain that takes each completion as a stub, and rejects those that say so."""

    name, version = "d", "d-1"

    def parse(self, completion: str) -> Problem | str:
        return (
            "unreadable"
            if completion == "?"
            else Problem(completion, "d", "train", completion, {"asserts": ["x"]}, completion)
        )

    def vet(self, problems: Sequence[Problem], seed: int) -> Iterator[Problem | str]:
        for found in problems:
            yield "vacuous tests" if "vacuous" in found.prompt else found

    def overlap_keys(self, prompt: str, answer: str) -> frozenset[str]:
        return frozenset({prompt.lower()})


def test_every_proposal_is_kept_or_rejected_by_name() -> None:
    texts = ["a", "?", "a ", "vacuous", "HELD", "b"]
    tried = [Attempt(f"t{i}", "propose", i, text, "stop", "g") for i, text in enumerate(texts)]
    held = Heldout([Problem("held", "d", "heldout", "held", {})], Vetting().overlap_keys)
    vetted = list(propose.vetted(Vetting(), tried, [], held, 0))  # type: ignore[arg-type]
    assert [found.id if found else "" for found, _ in vetted] == ["a", "", "", "", "", "b"]
    assert [v.feedback for _, v in vetted] == ["", "unreadable", propose.DUPLICATE, "vacuous tests", propose.LEAK, ""]
    assert propose.reasons(v for _, v in vetted).total() == 4
    leaked = propose.leaks([v for _, v in vetted], held)
    assert [(v.answer, hit.problem.id) for v, hit in leaked] == [("HELD", "held")]


def test_what_was_kept_before_makes_later_ones_duplicates() -> None:
    tried = [Attempt("t", "propose", 0, "a", "stop", "g")]
    known = [Problem("a", "d", "train", "a", {}, "a")]
    assert (
        next(propose.vetted(Vetting(), tried, known, Heldout([], Vetting().overlap_keys), 0))[1].feedback
        == propose.DUPLICATE
    )  # type: ignore[arg-type]


@pytest.mark.parametrize("format", FORMATS.values(), ids=lambda format: format.name)
def test_no_format_shows_the_reference_or_the_tests(format) -> None:  # type: ignore[no-untyped-def]
    p = problem("secret")
    for prompt in (format.solve(p), format.repair(p, p.prompt + "    return 0", "secret(1) returned 0, expected 1")):
        text = prompt if isinstance(prompt, str) else "\n".join(turn["content"] for turn in prompt)
        assert "return x" not in text
        assert "assert" not in text
        assert 'def secret(x):\n    """Do secret."""' in text


def test_a_target_states_the_answer_in_the_way_that_was_asked() -> None:
    p = problem()
    assert NANO.target(p, p.reference) == COMPLETION.target(p, p.reference) == "    return x"
    assert COMPLETION.target(p, "def other(): pass") == "def other(): pass"
    assert CHAT.target(p, p.reference) == f"```python\n{p.reference}\n```"
    assert render(None, "raw") == "raw"
