"""Calls as tests without code: plain values in, plain values out, compared outside the program."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge.sandbox import Call, Case, Execution, Job, Limits, Sandbox
from forge.types import Outcome

LEVELS = ["full", "no-namespaces", "rlimits-only"]
SHORT = Limits(wall=4.0, cpu=1.0, memory=128 << 20, output=8 << 10)
ADD = "def add(a, b=1):\n    return a + b\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(1, limits=SHORT) as made:
        yield made


@pytest.fixture(scope="module", params=LEVELS)
def leveled(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(1, limits=SHORT, require=request.param, level=request.param) as made:
        yield made


def only(sandbox: Sandbox, source: str, *calls: Call, entry_point: str = "") -> Execution:
    [execution] = sandbox.run([Job(source, calls=calls, entry_point=entry_point)])
    return execution


def same(sandbox: Sandbox, got: str, expected: object, tolerance: float = 0.0) -> bool:
    """Whether an answer, given as source text, counts as what is expected."""
    source = f"nan, inf = float('nan'), float('inf')\ndef f():\n    return {got}\n"
    execution = only(sandbox, source, Call("f", expected=expected, tolerance=tolerance))
    assert execution.outcome in (Outcome.PASS, Outcome.FAIL), execution
    return execution.outcome == Outcome.PASS


def test_calls_hold_or_do_not(leveled):
    calls = Call("add", (1, 2), 3), Call("add", ([1], [2]), [1]), Call("add", ("a",), "ab", {"b": "b"})
    execution = only(leveled, ADD, *calls)
    assert (execution.outcome, execution.tests_passed, execution.tests_total) == (Outcome.FAIL, 2, 3)
    [failure] = execution.failures
    assert (failure.test, failure.kind, failure.call) == (1, "value", "add([1], [2])")
    assert (failure.got, failure.expected, failure.exception) == ("[1, 2]", "[1]", "AssertionError")
    assert not execution.shared_process


def test_exceptions_of_a_call_are_its_failure(sandbox):
    [first, second] = only(sandbox, ADD, Call("add", (1,), 0, {"b": "x"}), Call("sub", (1,))).failures
    assert (first.kind, first.call, first.exception) == ("raise", "add(1, b='x')", "TypeError")
    assert (second.exception, second.message) == ("NameError", "name 'sub' is not defined")


@pytest.mark.parametrize(
    ("source", "outcome", "detail"),
    [
        ("def f(:", "invalid", "SyntaxError"),
        ("1 / 0", "invalid", "ZeroDivisionError"),
        ("import os\ndef f(): os._exit(0)", "crash", "status 0"),
        ("def f(): raise SystemExit", "crash", "sys.exit"),
        ("def f():\n while True: pass", "timeout", "CPU"),
        ("def f(): raise MemoryError", "memory", "MemoryError"),
        ("def f():\n while True: print('x' * 999)", "output", "output"),
    ],
)
def test_every_end_has_its_outcome(leveled, source, outcome, detail):
    execution = only(leveled, source, Call("f", expected=1))
    assert (execution.outcome, execution.tests_total) == (outcome, 1)
    assert detail in execution.detail


def test_an_entry_point_is_needed_only_if_it_is_named(sandbox):
    call = Call("add", (1, 2), 3)
    assert only(sandbox, ADD, call).outcome == Outcome.PASS
    assert only(sandbox, ADD, call, entry_point="add").outcome == Outcome.PASS
    missing = only(sandbox, ADD, call, entry_point="sub")
    assert (missing.outcome, missing.detail) == (Outcome.INVALID, "sub is not defined")


def test_what_is_not_plain_is_not_equal_and_subclasses_count_as_their_base(sandbox):
    assert same(sandbox, "__import__('collections').Counter('aab')", {"a": 2, "b": 1})
    assert same(sandbox, "[__import__('collections').namedtuple('P', 'x y')(1, 2)]", [(1, 2)])
    assert same(sandbox, "type('L', (list,), {'__eq__': lambda a, b: True})([1])", [1])
    assert not same(sandbox, "type('L', (list,), {'__eq__': lambda a, b: True})([2])", [1])
    execution = only(sandbox, "def f(): yield 1", Call("f", expected=[1]))
    assert execution.failures[0].got == "<generator>"
    assert not execution.shared_process


def test_nothing_can_claim_to_be_equal(sandbox):
    source = "class Same:\n def __eq__(self, other): return True\ndef f(): return Same()\n"
    assert only(sandbox, source, Call("f", expected=1)).outcome == Outcome.FAIL


@pytest.mark.parametrize(
    ("got", "expected", "tolerance", "held"),
    [
        ("0.1 + 0.2", 0.3, 0.0, False),
        ("0.1 + 0.2", 0.3, 1e-9, True),
        ("[1, (2.0000001, {'x': 3})]", [1.0, (2, {"x": 2.9999999})], 1e-6, True),
        ("[1, 2]", (1, 2), 1e-6, False),
        ("[1, 2]", [1, 2, 3], 1e-6, False),
        ("{1.0000001}", {1.0}, 1e-3, False),
        ("{1.0}", {1}, 1e-3, True),
        ("{1.0000001: 1}", {1.0: 1}, 1e-3, False),
        ("{2: 1.0000001, 1: 0}", {1: 0, 2: 1.0}, 1e-3, True),
        ("True", 1, 1e-3, True),
        ("True", 1.0000001, 1e-3, False),
        ("1 + 0j", 1.0000001, 1e-3, False),
        ("nan", math.nan, 1e-3, False),
        ("nan", math.nan, 0.0, False),
        ("inf", math.inf, 1e-3, True),
        ("inf", 1e308, 0.5, False),
        ("10 ** 400", 10**400 + 1, 1e-9, False),
        ("10 ** 400", 10**400, 1e-9, True),
        ("10 ** 30", 1e30, 1e-9, True),
        ("'1.0'", 1.0, 0.5, False),
        ("None", 0, 0.5, False),
        ("1e6", 1e6 + 1, 1e-6, True),
        ("1e6", 1e6 + 2, 1e-6, False),
    ],
)
def test_tolerance(sandbox, got, expected, tolerance, held):
    assert same(sandbox, got, expected, tolerance) == held


@given(st.floats(allow_nan=False), st.floats(allow_nan=False), st.sampled_from([1e-12, 1e-6, 0.5]))
def test_tolerance_is_what_it_is_said_to_be(sandbox, got, expected, tolerance):
    finite = math.isfinite(got) and math.isfinite(expected)
    far = abs(got - expected) if finite else math.inf
    near = finite and far <= max(tolerance, tolerance * max(abs(got), abs(expected)))
    execution = only(sandbox, "def f(x): return x", Call("f", (got,), expected, tolerance=tolerance))
    assert (execution.outcome == Outcome.PASS) == (got == expected or near)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (("f", (Decimal(1),)), "call of f: argument 1 cannot be carried: a Decimal"),
        (("f", (1,), object()), "call of f: the expected value cannot be carried: a object"),
        (("f", (), 1, {"key": [lambda: 1]}), "call of f: argument 'key' cannot be carried: a function"),
        (("f", (), 1, {1: 2}), "not text"),
        (("f(", ()), "not the name of a function"),
        (("f", (), 1, {}, -1.0), "tolerance"),
        (("f", (), 1, {}, math.nan), "tolerance"),
    ],
)
def test_what_cannot_be_a_call_is_refused_when_it_is_made(parts, words):
    with pytest.raises(ValueError, match=words.replace("(", "\\(")):
        Call(*parts)


def test_a_job_has_one_form():
    call, case = Call("f"), Case()
    for mixed in (
        {"tests": ["assert 1"], "calls": [call]},
        {"calls": [call], "cases": [case]},
        {"cases": [case], "tests": ["assert 1"]},
        {"calls": [call], "setup": "x = 1"},
        {"calls": [call], "probes": ["f()"]},
        {"cases": [case], "entry_point": "f"},
    ):
        with pytest.raises(ValueError, match=r"a job has|entry point"):
            Job("def f(): pass", **mixed)


def test_values_are_taken_when_the_call_is_made(sandbox):
    values = [3, 1, 2]
    call = Call("f", (values,), [1, 2, 3])
    values.clear()
    assert only(sandbox, "def f(x): x.sort(); return x", call, call).tests_passed == 2


def test_too_many_values_are_invalid_and_harm_nobody(sandbox):
    big = Call("f", ([0] * 600_000,), 0)
    execution = only(sandbox, "def f(x): return 0", big, big)
    assert (execution.outcome, execution.detail, execution.tests_total) == (Outcome.INVALID, "too large", 2)
    assert only(sandbox, "def f(x): return 0", big).outcome == Outcome.PASS


def test_calls_that_differ_in_type_alone_are_different_jobs(sandbox):
    source = "def f(x): return type(x).__name__"
    jobs = [Job(source, calls=[Call("f", (value,), "int")]) for value in (1, True, 1.0, 1, 0.0, -0.0)]
    found = {execution.index: execution.outcome.value for execution in sandbox.run(jobs)}
    assert [found[index] for index in range(6)] == ["pass", "fail", "fail", "pass", "fail", "fail"]


def test_equal_programs_have_equal_behaviour(sandbox):
    calls = [Call("add", (1, 2), 3)]
    one, two, three = (
        only(sandbox, source, *calls).behaviour for source in (ADD, ADD + "# same", ADD.replace("+", "-"))
    )
    assert one == two != three
