"""Tests written for `unittest`, run by its own loader beside the program."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from forge.sandbox import Execution, Job, Limits, Sandbox
from forge.types import Outcome

LEVELS = ["full", "no-namespaces", "rlimits-only"]
SHORT = Limits(wall=4.0, cpu=2.0, memory=128 << 20, output=8 << 10)
ADD = "def add(a, b):\n    return a + b\n"
TESTS = """
import unittest

class TestAdd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.two = 2

    def setUp(self):
        self.one = 1

    def test_first(self):
        self.assertEqual(add(self.one, self.two), 3)

    def test_second(self):
        self.assertEqual(add([1], [2]), [1, 2], "lists")

    def test_third(self):
        with self.assertRaises(TypeError):
            add(1, "a")
        for number in range(3):
            with self.subTest(number=number):
                self.assertGreater(add(number, 1), 0)

if __name__ == "__main__":
    unittest.main()
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(1, limits=SHORT) as made:
        yield made


@pytest.fixture(scope="module", params=LEVELS)
def leveled(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(1, limits=SHORT, require=request.param, level=request.param) as made:
        yield made


def only(sandbox: Sandbox, source: str, *tests: str, **rest: object) -> Execution:
    [execution] = sandbox.run([Job(source, tests, "add", **rest)])  # type: ignore[arg-type]
    return execution


def case(*lines: str) -> str:
    """A test case of one method."""
    body = "".join(f"        {line}\n" for line in lines)
    return f"import unittest\nclass A(unittest.TestCase):\n    def test(self):\n{body}"


def test_all_methods_must_pass(leveled):
    execution = only(leveled, ADD, TESTS)
    assert (execution.outcome, execution.tests_passed, execution.shared_process) == (Outcome.PASS, 1, False)
    execution = only(leveled, ADD.replace("a + b", "a if a == [1] else a + b"), TESTS)
    assert execution.outcome == Outcome.FAIL
    [failure] = execution.failures
    assert (failure.kind, failure.call) == ("value", "TestAdd.test_second")
    assert (failure.got, failure.expected, failure.exception) == ("[1]", "[1, 2]", "AssertionError")
    assert failure.message.startswith("Lists differ: [1] != [1, 2]")


@pytest.mark.parametrize(
    ("source", "tests", "kind", "call", "exception"),
    [
        ("def add(a, b): return 1 / 0", TESTS, "raise", "TestAdd.test_first", "ZeroDivisionError"),
        (ADD, case("self.assertTrue(add(0, 0))"), "false", "A.test", "AssertionError"),
        (ADD, case("self.fail('no')"), "false", "A.test", "AssertionError"),
        (
            ADD,
            TESTS.replace("add(number, 1), 0", "1, add(number, 0)"),
            "false",
            "TestAdd.test_third (number=1)",
            "AssertionError",
        ),
        (ADD, TESTS.replace("cls.two = 2", "1 / 0"), "raise", "setUpClass (tests.TestAdd)", "ZeroDivisionError"),
        (ADD, case("raise SystemExit"), "raise", "A.test", "SystemExit"),
        (ADD, case("self.skipTest('later')"), "false", "A.test", "AssertionError"),
    ],
)
def test_the_first_failure_is_told(sandbox, source, tests, kind, call, exception):
    [failure] = only(sandbox, source, tests).failures
    assert (failure.kind, failure.call, failure.exception) == (kind, call, exception)


@pytest.mark.parametrize(
    "tests",
    [
        "from unittest import TestCase\nclass A(TestCase):\n    def test(self): self.assertEqual(add(1, 1), {})\n",
        "import unittest as u\nclass A(u.IsolatedAsyncioTestCase):\n"
        "    async def test(self): self.assertEqual(add(1, 1), {})\n",
        "import unittest\nclass Base(unittest.TestCase):\n    n = 0\nclass B(Base):\n"
        "    def test(self): self.assertEqual(add(1, 1), {})\nunittest.main()\n",
        "import unittest\nhave = 1\ndef setUpModule():\n    global have\n    have = 2\nclass A(unittest.TestCase):\n"
        "    def test(self): self.assertEqual(add(0, have), {})\n",
    ],
)
def test_every_way_to_write_them(sandbox, tests):
    assert only(sandbox, ADD, tests.format(2)).outcome == Outcome.PASS
    assert only(sandbox, ADD, tests.format(3)).outcome == Outcome.FAIL


def test_a_setup_may_hold_the_cases(sandbox):
    setup = TESTS.partition("if __name__")[0]
    assert only(sandbox, ADD, "unittest.main()", setup=setup).outcome == Outcome.PASS
    wrong = only(sandbox, "def add(a, b): return 3", "unittest.main()", "assert add(1, 2) == 3", setup=setup)
    assert (wrong.tests_passed, [failure.test for failure in wrong.failures]) == (1, [0])


def test_plain_asserts_in_methods_tell_as_much(sandbox):
    [failure] = only(sandbox, ADD, case("assert add(1, 2) == 4")).failures
    assert (failure.kind, failure.got, failure.expected) == ("value", "3", "4")


def test_cases_without_methods_hold_nothing_and_static_skips_count_as_nothing(sandbox):
    assert only(sandbox, ADD, "import unittest\nclass A(unittest.TestCase): pass").outcome == Outcome.FAIL
    skipped = "import unittest\nclass A(unittest.TestCase):\n    @unittest.skip('x')\n    def test_a(self): 1 / 0\n"
    assert only(sandbox, ADD, skipped).outcome == Outcome.FAIL
    assert only(sandbox, ADD, skipped + "    def test_b(self): pass\n").outcome == Outcome.PASS


def test_one_judge_serves_many_programs(sandbox):
    sources = [ADD + f"# {n}" if n % 3 else f"def add(a, b): return {n}" for n in range(12)]
    found = {e.index: e.outcome.value for e in sandbox.run([Job(source, [TESTS], "add") for source in sources])}
    assert [found[n] for n in range(12)] == ["pass" if n % 3 else "fail" for n in range(12)]


# Where the program shares the process

SHARED = TESTS.replace("self.one = 1", "self.one = ONE[0]")


@pytest.mark.parametrize(
    ("source", "outcome"),
    [
        (ADD, "pass"),
        ("def add(a, b): return 4", "fail"),
        ("class Same:\n def __eq__(s, o): return True\ndef add(a, b): return Same()", "fail"),
        ("import unittest\ndef add(a, b): raise unittest.SkipTest", "fail"),
        ("import unittest\nunittest.TestCase.run = lambda *a: None\ndef add(a, b): return 4", "fail"),
        ("import unittest\nunittest.TestCase.assertEqual = lambda *a: None\ndef add(a, b): return 4", "fail"),
        ("import unittest\nunittest.TestSuite.run = lambda s, r: r\ndef add(a, b): return 4", "fail"),
        ("import unittest\nunittest.TestLoader.getTestCaseNames = lambda *a: []\ndef add(a, b): return 4", "fail"),
        ("import unittest\ndef no(*a): pass\nunittest.TestCase.fail.__code__ = no.__code__\n" + ADD, "fail"),
        ("import unittest\ndef add(a, b):\n unittest.TestCase.assertEqual = lambda *a: None\n return 4", "fail"),
        ("def add(a, b): raise SystemExit", "crash"),
    ],
)
def test_a_shared_process_gives_no_pass_away(sandbox, source, outcome):
    execution = only(sandbox, "ONE = [1]\n" + source, SHARED)
    assert (execution.outcome, execution.shared_process) == (outcome, True), execution


def test_sharing_can_be_refused():
    with Sandbox(1, limits=SHORT, allow_shared=False) as strict:
        assert only(strict, "ONE = [1]\n" + ADD, SHARED).outcome == Outcome.REFUSED
        assert only(strict, ADD, TESTS).outcome == Outcome.PASS
