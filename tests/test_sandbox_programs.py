"""Whole programs: run once for each case, judged by what they print."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from forge.sandbox import Case, Execution, Job, Limits, Sandbox
from forge.types import Outcome
from processes import settled

LEVELS = ["full", "no-namespaces", "rlimits-only"]
SHORT = Limits(wall=4.0, cpu=1.0, memory=128 << 20, output=8 << 10)
SUM = "print(sum(map(int, input().split())))\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(1, limits=SHORT) as made:
        yield made


@pytest.fixture(scope="module", params=LEVELS)
def leveled(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(1, limits=SHORT, require=request.param, level=request.param) as made:
        yield made


def only(sandbox: Sandbox, source: str, *cases: Case, limits: Limits | None = None) -> Execution:
    [execution] = sandbox.run([Job(source, cases=cases, limits=limits)])
    return execution


def test_cases_hold_or_do_not(leveled):
    cases = Case("1 2\n", "3\n"), Case("4 5\n", "8\n"), Case("7 8", "15"), Case("x", "")
    execution = only(leveled, SUM, *cases)
    assert (execution.outcome, execution.tests_passed, execution.tests_total) == (Outcome.FAIL, 2, 4)
    wrong, raised = execution.failures
    assert (wrong.test, wrong.kind, wrong.call) == (1, "value", "'4 5\\n'")
    assert (wrong.got, wrong.expected, wrong.message) == ("'9'", "'8'", "line 1 of the output differs")
    assert (raised.test, raised.kind, raised.exception) == (3, "raise", "ValueError")
    assert "invalid literal" in raised.message
    assert execution.stdout == "9\n"
    assert execution.detail == "2 of 4 tests held"
    assert only(leveled, SUM, *cases[:1]).outcome == Outcome.PASS


@pytest.mark.parametrize(
    "source",
    [
        "print(input())\nprint(input())",
        "import sys\nsys.stdout.write(sys.stdin.read())",
        "import sys\nsys.stdout.buffer.write(sys.stdin.buffer.read())",
        "print(open(0).read())",
        "import sys\nfor line in sys.stdin: print(line.rstrip())",
        "import os\nos.write(1, os.read(0, 100))",
        "import sys\nsys.exit(print(*sys.stdin.readlines(), sep=''))",
        "print(input() + '\\n' + input())\nexit()",
        "import sys\nprint(sys.stdin.read())\nraise SystemExit(0)",
        "import os, sys\nprint(sys.stdin.read(), flush=True)\nos._exit(0)",
        "import atexit\natexit.register(lambda: print(input()))\nprint(input())",
        "import threading\nthreading.Thread(target=lambda: print(open(0).read())).start()",
        "def main():\n    print(open(0).read())\nif __name__ == '__main__':\n    main()",
        "import sys\nassert sys.modules['__main__'].__dict__ is globals()\nprint(open(0).read())",
    ],
)
def test_every_way_to_read_and_to_end(leveled, source):
    execution = only(leveled, source, Case("one\nzwei ü\n", "one\nzwei ü\n"))
    assert execution.outcome == Outcome.PASS, execution


def test_modules_that_are_not_loaded_yet_read_as_well(sandbox):
    source = "import fileinput\nfor line in fileinput.input(): print(line, end='')"
    assert only(sandbox, source, Case("one\ntwo\n", "one\ntwo")).outcome == Outcome.PASS


@pytest.mark.parametrize(
    ("source", "exception", "message"),
    [
        ("print(1)\nimport sys\nsys.exit(3)", "SystemExit", "3"),
        ("print(1)\nimport sys\nsys.exit('no')", "SystemExit", "no"),
        ("print(1)\nimport os\nos._exit(3)", "", "the program left with status 3"),
        ("print(1)\n1 / 0", "ZeroDivisionError", "division by zero"),
        ("print(1)\ninput()", "EOFError", "EOF when reading a line"),
        ("print(1, flush=True)\nimport ctypes\nctypes.string_at(0)", "", "the program died by signal 11"),
    ],
)
def test_every_other_end_fails_its_case(leveled, source, exception, message):
    execution = only(leveled, source, Case("", "1"), Case("", "1"))
    assert (execution.outcome, execution.tests_passed) == (Outcome.FAIL, 0)
    assert {(f.kind, f.exception, f.message) for f in execution.failures} == {("raise", exception, message)}


def test_a_traceback_is_the_programs_own(sandbox):
    lines = only(sandbox, "def f(): 1 / 0\nf()", Case()).stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert [line for line in lines if "File" in line] == [
        '  File "<candidate>", line 2, in <module>',
        '  File "<candidate>", line 1, in f',
    ]
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_limits_are_per_case_and_a_timeout_is_the_last(sandbox):
    burn = "import time\nend = time.process_time() + float(input())\nwhile time.process_time() < end: pass\nprint(1)"
    assert only(sandbox, burn, *[Case("0.6", "1")] * 3).outcome == Outcome.PASS
    execution = only(sandbox, burn, Case("0", "1"), Case("9", "1"), Case("0", "1"))
    assert (execution.outcome, execution.detail) == (Outcome.TIMEOUT, "CPU limit")
    assert (execution.tests_passed, execution.tests_total) == (1, 3)
    assert [failure.test for failure in execution.failures] == [1]
    execution = only(sandbox, "import time\ntime.sleep(9)", Case(), limits=Limits(wall=0.3))
    assert (execution.outcome, execution.detail) == (Outcome.TIMEOUT, "wall limit")


def test_memory_and_output_have_their_outcomes_and_the_rest_is_run(leveled):
    source = "n = int(input())\nprint('x' * n)"
    execution = only(leveled, source, Case("40000"), Case("2", "xx"), Case("1", "y"))
    assert (execution.outcome, execution.tests_passed) == (Outcome.OUTPUT, 1)
    assert len(execution.stdout) <= 8 << 10
    execution = only(leveled, "bytearray(1 << int(input()))", Case("40"), Case("2"))
    assert (execution.outcome, execution.tests_passed) == (Outcome.MEMORY, 1)


def test_a_source_that_is_no_program_is_invalid(leveled):
    execution = only(leveled, "def f(:", Case())
    assert (execution.outcome, execution.tests_total) == (Outcome.INVALID, 1)
    assert only(leveled, SUM).outcome == Outcome.INVALID


def test_large_inputs_and_unread_inputs_harm_nobody(leveled):
    text = "0123456789\n" * 500_000
    assert only(leveled, "import sys\nprint(len(sys.stdin.read()))", Case(text, str(len(text)))).outcome == "pass"
    assert only(leveled, "print(1)", Case(text, "1")).outcome == Outcome.PASS
    assert only(leveled, "n = 0\nwhile n < 9: n += len(input())\nprint(n)", Case(text, "10")).outcome == "pass"


def test_inputs_need_not_be_text(sandbox):
    source = "import sys\nsys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])"
    assert only(sandbox, source, Case(b"\xff\x00\x01", b"\x01\x00\xff")).outcome == Outcome.PASS
    assert only(sandbox, "print(ascii(input()))", Case(b"\xff", "'\\udcff'")).outcome == Outcome.PASS


@pytest.mark.parametrize(
    ("printed", "expected", "tolerance", "held"),
    [
        ("1 \n2\n\n\n", "1\n2", 0, True),
        ("1\r\n2\r\n", "1\n2\n", 0, True),
        ("", "\n\n", 0, True),
        ("1\n\n2", "1\n2", 0, False),
        (" 1", "1", 0, False),
        ("1.0", "1", 0, False),
        ("1.0", "1", 1e-9, True),
        ("ok  0.333333", "ok 0.3333334", 1e-5, True),
        ("ok 0.333333", "no 0.333333", 1e-5, False),
        ("1 2", "1\n2", 0.1, False),
        ("1e3", "1000", 1e-9, True),
        ("nan", "1", 0.5, False),
        ("inf", "1", 0.5, False),
    ],
)
def test_how_outputs_are_compared(sandbox, printed, expected, tolerance, held):
    execution = only(sandbox, f"print({printed!r}, end='')", Case("", expected, tolerance))
    assert (execution.outcome == Outcome.PASS) == held


def test_a_failure_begins_at_the_line_that_differs(sandbox):
    [failure] = only(sandbox, "print(1, 2, 3, sep='\\n')", Case("", "1\nx\n3\n4")).failures
    assert (failure.got, failure.expected, failure.message) == (
        "'2\\n3'",
        "'x\\n3\\n4'",
        "line 2 of the output differs",
    )


def test_behaviour_is_what_was_printed(sandbox):
    cases = [Case("1 2", "3"), Case("3 4", "7")]
    sources = [SUM, SUM + "# same", "print(sum(map(int, input().split())) + 1)"]
    one, two, three = (only(sandbox, source, *cases).behaviour for source in sources)
    assert one == two != three


def test_jobs_with_other_cases_are_other_jobs(sandbox):
    cases = [Case("1 2", "3"), Case("1 2", "4"), Case("1 2", "3", 0.5), Case("1 3", "3"), Case("1 2", "3")]
    found = {e.index: e.outcome.value for e in sandbox.run([Job(SUM, cases=[case]) for case in cases])}
    assert [found[index] for index in range(5)] == ["pass", "fail", "pass", "fail", "pass"]


@pytest.mark.parametrize("case", [{"stdin": "\udc80"}, {"stdout": "\udc80"}, {"tolerance": -1}, {"tolerance": 1e999}])
def test_what_cannot_be_a_case_is_refused(case):
    with pytest.raises(ValueError, match=r"surrogate|tolerance"):
        Case(**case)


# Hostile programs


def test_what_another_case_expects_is_nowhere_to_be_found(leveled):
    secret = "sesame-" + "open" * 3
    source = (
        "import gc, os, sys\n"
        "word = 'sesame-' + 'open' * 3\n"
        "seen = [o for o in gc.get_objects() if type(o) is str and o == word and o is not word]\n"
        "data = sys.stdin.buffer.read()\n"
        "for fd in range(64):\n"
        "    try: data += os.read(fd, 1 << 16) if fd != 3 else b''\n"
        "    except OSError: pass\n"
        "print(seen or word.encode() in data)\n"
    )
    execution = only(leveled, source, Case("a", "False"), Case(secret, "True"), Case("b", secret), Case("c", "False"))
    assert [failure.test for failure in execution.failures] == [2]


def test_a_program_that_prints_what_another_case_expects_fails(sandbox):
    execution = only(sandbox, "print(3)", Case("1 2", "3"), Case("4 5", "9"))
    assert (execution.outcome, execution.tests_passed) == (Outcome.FAIL, 1)


def test_reading_beyond_the_input_finds_its_end_and_it_cannot_be_changed(leveled):
    source = (
        "import os\n"
        "print(len(os.read(0, 1 << 20)), len(os.read(0, 1 << 20)))\n"
        "for change in (lambda: os.write(0, b'x'), lambda: os.ftruncate(0, 0), lambda: os.pwrite(0, b'x', 0)):\n"
        "    try: print(change())\n"
        "    except OSError as error: print('refused')\n"
    )
    expected = "10 0\nrefused\nrefused\nrefused"
    assert only(leveled, source, Case("0123456789", expected), Case("0123456789", expected)).outcome == "pass"


def test_files_do_not_reach_the_next_case(sandbox):
    source = "import os\nprint(os.listdir('.'))\nopen('left', 'w').write('x')\nos.makedirs('a/b/c')\nos.chmod('a', 0)"
    execution = only(sandbox, source, *[Case("", "[]")] * 3)
    assert execution.outcome == Outcome.PASS, execution


def test_children_do_not_print_later(sandbox):
    source = (
        "import os, time\n"
        "print(1, flush=True)\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    time.sleep(0.2)\n"
        "    while True:\n"
        "        print('late', flush=True)\n"
    )
    execution = only(sandbox, source, Case("", "1"), Case("", "1"))
    assert execution.outcome == Outcome.PASS, execution
    time.sleep(0.3)
    before = settled()
    assert only(sandbox, source + "#", Case("", "1")).outcome == Outcome.PASS
    assert len(settled()) == len(before)


def test_a_child_that_prints_for_its_parent_is_the_program(sandbox):
    source = "import os\npid = os.fork()\nif pid == 0:\n    print(1)\nelse:\n    os.waitpid(pid, 0)\n"
    assert only(sandbox, source, Case("", "1")).outcome == Outcome.PASS


def test_talking_on_the_channel_helps_nobody(leveled):
    source = "import os\nprint(1, flush=True)\n{}\nos._exit({})"
    speech = "os.write(3, b'\\xff' * 99)", "os.write(3, bytes(1 << 22))", "os.close(3)"
    for words in speech:
        execution = only(leveled, source.format(words, 1), Case("", "1"))
        assert execution.outcome in (Outcome.FAIL, Outcome.CRASH), execution
    honest = "import os\nprint(1, flush=True)\nos.close(3)"
    assert only(leveled, honest, Case("", "1")).outcome == Outcome.PASS


def test_changing_the_machinery_wins_nothing(leveled):
    source = "import sys, builtins\nsys.excepthook = lambda *e: None\nbuiltins.print = lambda *a: None\n1 / 0"
    assert only(leveled, source, Case("", "")).outcome == Outcome.FAIL
    source = "import atexit, os\natexit.register(os._exit, 0)\n1 / 0"
    assert only(leveled, source, Case("", "1")).outcome == Outcome.FAIL


def test_a_program_cannot_pass_without_leaving(sandbox):
    execution = only(sandbox, "print(1, flush=True)\nwhile True: pass", Case("", "1"))
    assert execution.outcome == Outcome.TIMEOUT


def test_an_early_timeout_leaves_the_worker_sound(sandbox):
    before = len(settled())
    for number in range(5):
        source = f"while True: pass  # {number}"
        assert only(sandbox, source, *[Case()] * 5, limits=Limits(wall=0.2)).outcome == Outcome.TIMEOUT
        assert only(sandbox, SUM, Case("1 2", "3")).outcome == Outcome.PASS
    assert len(settled()) <= before + 2
