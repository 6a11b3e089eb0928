"""The Python grader on real benchmarks: right answers pass however they are wrapped, wrong ones never."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from forge import benchmarks, selftest
from forge.domains.python import PythonDomain
from forge.sandbox import Limits
from forge.types import Attempt, Outcome, Problem


@pytest.fixture(scope="module")
def domain() -> Iterator[PythonDomain]:
    with PythonDomain() as opened:
        yield opened


def judged(domain: PythonDomain, items: list[tuple[Problem, str]], finish: str = "stop") -> list[Outcome]:
    tried = [(problem, Attempt(str(i), problem.id, 0, text, finish, "test")) for i, (problem, text) in enumerate(items)]
    return [verdict.outcome for verdict in domain.judge(tried)]


@pytest.fixture(scope="module")
def humaneval(benchmark_data: Path) -> list[Problem]:
    return benchmarks.load("humaneval")


def test_every_humaneval_reference_passes(domain: PythonDomain, humaneval: list[Problem]) -> None:
    assert judged(domain, [(problem, problem.reference) for problem in humaneval]) == [Outcome.PASS] * 164


def test_the_self_test_holds_on_humaneval(domain: PythonDomain, humaneval: list[Problem]) -> None:
    result = selftest.run(domain, humaneval[::8], seed=0)
    assert result.misses == []
    assert result.kinds["reference"] == result.kinds["run-on that is cut"] == 21
    assert result.kinds["mutant"] > 21


def test_the_self_test_catches_a_grader_that_can_be_fooled(domain: PythonDomain) -> None:
    """A judge that believes what it is told must not get through."""

    class Gullible:
        version = "gullible"
        known = domain.known
        mutants = domain.mutants

        def judge(self, items):  # type: ignore[no-untyped-def]
            for verdict in domain.judge(items):
                fooled = "os._exit" in verdict.answer or "passed" in verdict.answer
                yield replace(verdict, outcome=Outcome.PASS) if fooled else verdict

    misses = selftest.run(Gullible(), list(benchmarks.load("nano/dev"))[:3], seed=0).misses
    assert len(misses) == 6
    assert any("early exit" in miss for miss in misses)


def test_a_humaneval_mutant_that_behaves_otherwise_does_not_pass(
    domain: PythonDomain, humaneval: list[Problem]
) -> None:
    """One-token mutants of each reference, of which at least one does something else and is caught."""
    references = domain._executions([(problem, problem.reference) for problem in humaneval])
    behaviours = {p.id: reference.behaviour for p, reference in zip(humaneval, references, strict=True)}
    mutants = zip(humaneval, domain.mutants(humaneval, 1), strict=True)
    items = [(problem, text) for problem, texts in mutants for text in texts]
    with PythonDomain(limits=Limits(wall=4.0, cpu=1.0)) as impatient:
        executions = impatient._executions(items)
    found = set()
    for (problem, text), execution in zip(items, executions, strict=True):
        if execution.behaviour == behaviours[problem.id]:
            continue
        if execution.outcome is Outcome.PASS:
            # `return None` for a false value is a change that `assert not f(x)` was written to accept.
            assert "return None" in text or _tolerant(problem), (problem.id, text)
        else:
            found.add(problem.id)
    assert len(found) == 164


def _tolerant(problem: Problem) -> bool:
    """Whether the benchmark's own tests accept answers that differ by a rounding."""
    return (
        "abs(" in problem.tests["setup"] or "round(" in problem.tests["setup"] or "math.fabs" in problem.tests["setup"]
    )


CHEATS = {
    "leaves early": "import os\nos._exit(0)\n",
    "leaves politely": "raise SystemExit(0)\n",
    "prints passed": "print('passed')\nprint('OK')\n",
    "patches equality": "import builtins\nbuiltins.AssertionError = BaseException\nint.__eq__ = None\n",
    "equals everything": "class E:\n    def __eq__(self, other):\n        return True\n",
}


@pytest.mark.parametrize("name", CHEATS)
def test_no_cheat_passes_one_humaneval_problem(domain: PythonDomain, humaneval: list[Problem], name: str) -> None:
    items = []
    for problem in humaneval:
        value = "E()" if name == "equals everything" else "None"
        inside = "".join(f"    {line}\n" for line in CHEATS[name].splitlines()) + f"    return {value}\n"
        items.append((problem, inside))
    assert Outcome.PASS not in judged(domain, items)


def test_hostile_text_ends_in_a_verdict(domain: PythonDomain) -> None:
    problem = next(iter(benchmarks.load("nano/dev")))
    texts = ["\x00", "    return '\x00'", "\udcff", "(" * 100_000, "    return " + "[" * 500, "\n" * 10_000, "\u202e"]
    outcomes = judged(domain, [(problem, text) for text in texts])
    assert not {Outcome.PASS, Outcome.ERROR} & set(outcomes)


def test_invented_problems_are_vetted_for_what_they_are(domain: PythonDomain) -> None:
    def stated(name: str, body: str, tests: list[str]) -> Problem:
        asserts = "\n".join(f"assert {test}" for test in tests)
        found = domain.parse(f'def {name}(x):\n    """Return something about {name}."""\n{body}\n{asserts}\n')
        assert isinstance(found, Problem)
        return found

    right = stated("twice", "    return 2 * x", ["twice(1) == 2", "twice(0) == 0", "twice(-4) == -8"])
    wrong = stated("wrong", "    return 2 * x", ["wrong(1) == 2", "wrong(0) == 1", "wrong(-4) == -8"])
    vacuous = stated("empty", "    return None", ["empty(1) is None", "empty(2) is None", "empty(3) is None"])
    echo = stated("echo", "    return x", ["echo(1) == 1", "echo(2) == 2", "echo(3) == 3"])
    random = stated("chance", "    import os\n    return os.urandom(8) * 0 + bytes([os.urandom(1)[0]])",
                    ["len(chance(1)) == 1", "len(chance(2)) == 1", "len(chance(3)) == 1"])  # fmt: skip
    endless = stated("endless", "    while True:\n        pass", ["endless(1)", "endless(2)", "endless(3)"])
    found = list(domain.vet([right, wrong, vacuous, echo, random, endless], seed=0))
    assert isinstance(found[0], Problem)
    assert len(found[0].tests["asserts"]) > 10
    assert found[1:] == ["reference: fail", "vacuous tests", "vacuous tests", "nondeterministic", "reference: timeout"]
    assert judged(domain, [(found[0], right.reference)]) == [Outcome.PASS]
    assert judged(domain, [(found[0], "    return 2 * x if x in (1, 0, -4) else 0")]) == [Outcome.FAIL]


def test_an_answer_is_executed_once_however_often_it_is_given(domain: PythonDomain) -> None:
    problem = next(iter(benchmarks.load("nano/dev")))
    outcomes = judged(domain, [(problem, problem.reference)] * 300)
    assert outcomes == [Outcome.PASS] * 300


def test_feedback_is_the_same_on_every_run_and_names_what_went_wrong(domain: PythonDomain) -> None:
    plain, called = "assert f(1) == 2", "assert f(1)(2) == 2"
    told = {
        (plain, "    return 3"): "f(1) returned 3, expected 2",
        (plain, "    return 1 / 0"): "f(1) raised ZeroDivisionError: division by zero",
        (plain, "    return ("): "SyntaxError: '(' was never closed",
        (plain, "    return object()"): "f(1) returned <object>, expected 2",
        (called, "    return lambda y: y"): "the answer gives or takes a value that is not plain data",
        (plain, ""): "there is no code in the answer",
    }
    for (test, body), feedback in told.items():
        tests = {"entry_point": "f", "asserts": [test]}
        problem = Problem("p", "python", "train", 'def f(x):\n    """F."""\n', tests, "")
        tried = Attempt("a", "p", 0, body, "stop", "test")
        assert next(domain.judge([(problem, tried)])).feedback == feedback
