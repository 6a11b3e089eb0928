"""Nothing that a program leaves, changes or claims reaches the next one, or the caller."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator

import pytest
from kit import SPEAK

from forge.sandbox import Job, Limits, Sandbox
from forge.types import Outcome

LIMITS = Limits(wall=3.0, cpu=1.0, memory=256 << 20, output=16 << 10, files=4 << 20)

MARKS = {
    "file": "open('mark', 'w').write('x')",
    "directory": "os.makedirs('a/b/c'); os.chmod('a', 0)",
    "hidden file": "open('.mark', 'w').write('x'); os.chmod('.mark', 0)",
    "queue": "os.mkfifo('queue')",
    "mode": "os.chmod('/tmp', 0o777)",
    "time": "os.utime('/tmp', (77, 77))",
    "link": "os.symlink('/etc', 'link')",
    "deep": "[(os.mkdir('d'), os.chdir('d')) for _ in range(900)]; os.chdir('/tmp')",
    "working directory": "os.mkdir('w'); os.chdir('w')",
    "permissions": "os.umask(0)",
    "priority": "os.nice(5)",
    "processor": "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})",
    "limit": "resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))",
    "signal": "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "blocked signal": "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])",
    "environment": "os.environ['MARK'] = 'x'",
    "module": "math.pi = 3",
    "path": "sys.path.insert(0, '/tmp')",
    "built-in": "builtins.mark = 1",
    "recursion": "sys.setrecursionlimit(77)",
    "random": "random.seed(5)",
    "collector": "gc.disable()",
    "descriptor": "os.dup2(1, 40)",
    "module table": "sys.modules['mark'] = sys",
    "random numbers": "random.random()",
}
LOOK = """
import builtins, gc, math, os, random, resource, signal, sys
def look():
    about = os.stat('/tmp')
    handlers = [str(signal.getsignal(n)) for n in (signal.SIGTERM, signal.SIGALRM)]
    blocked = len(signal.pthread_sigmask(signal.SIG_BLOCK, []))
    mask = os.umask(0o22)
    os.umask(mask)
    def is_open(fd):
        try: return bool(os.fstat(fd))
        except OSError: return False
    return [
        os.listdir('/tmp'), about.st_mode, about.st_mtime, about.st_atime == 77, os.getcwd(), mask, os.nice(0),
        sorted(os.sched_getaffinity(0)), list(resource.getrlimit(resource.RLIMIT_NOFILE)), handlers, blocked,
        dict(os.environ), math.pi, list(sys.path), hasattr(builtins, 'mark'), sys.getrecursionlimit(),
        random.random(), gc.isenabled(), [is_open(fd) for fd in range(64)], 'mark' in sys.modules, len(gc.garbage),
    ]
"""


@pytest.fixture(scope="module")
def alone() -> Iterator[Sandbox]:
    """One worker, so that every program is the neighbour of the one before."""
    with Sandbox(1, limits=LIMITS) as sandbox:
        yield sandbox


@pytest.mark.parametrize("judged", [False, True], ids=["table", "judge"])
@pytest.mark.parametrize("name", MARKS)
def test_no_mark_reaches_the_next_program(alone, name, judged):
    looks = f"{LOOK}def add(a, b): return look()\n"
    marks = f"{LOOK}def add(a, b):\n    {MARKS[name]}\n    return look()\n"
    probe = ("add(1, 2) or 0",) if judged else ("add(1, 2)",)
    jobs = [Job(source, (), "add", "", probe) for source in (looks, marks, f"{looks}# again {name} {judged}")]
    found = sorted(alone.run(jobs), key=lambda execution: execution.index)
    before, marked, after = (execution.values[0].value for execution in found)
    assert before == after
    assert marked != before, "the mark was not set, so the test shows nothing"


@pytest.mark.parametrize("count", [1, 3])
def test_what_the_tests_pass_on_is_whole_again_for_the_next_program(alone, count):
    """The library's own lists, given to a program that empties them."""
    test = "import keyword\nassert add(keyword.kwlist) > 30"
    honest = "def add(words): return len(words)\n"
    robber = "def add(words):\n    count = len(words)\n    words.clear()\n    return count\n"
    jobs = [Job(f"{robber}# {n}", [test], "add") for n in range(count)] + [Job(honest, [test], "add")]
    assert {execution.outcome for execution in alone.run(jobs)} == {Outcome.PASS}


def test_chance_is_the_same_for_every_program_of_a_judge(alone):
    test = "import random\nfound = add(random.random())\nassert found > 0"
    jobs = [Job(f"def add(x): return x\n# {n}", [test], "add") for n in range(6)]
    assert len({execution.behaviour for execution in alone.run(jobs)}) == 1


def test_a_source_that_breaks_the_compiler_changes_no_verdict_after_it(alone):
    breaker = "x = " + "-" * 90_000 + "1\n"
    deep = "f = " + "lambda: " * 1050 + "1\n"
    jobs = []
    for n in range(8):
        jobs += [Job(f"{breaker}# {n}", ["assert add(2) == 4"], "add")]
        jobs += [Job(f"{deep}def add(a): return a * 2  # {n}\n", ["assert add(2) == 4"], "add")]
        jobs += [Job(f"def add(a): return a * 2  # {n}\n", ["assert add(2) == 4"], "add")]
        jobs += [Job(f"def add(a) return a  # {n}\n", ["assert add(2) == 4"], "add")]
    found = {execution.index: execution.outcome for execution in alone.run(jobs)}
    assert {found[n] for n in range(2, 32, 4)} == {Outcome.PASS}
    assert {found[n] for n in range(3, 32, 4)} == {Outcome.INVALID}
    assert len({found[n] for n in range(0, 32, 4)}) == 1
    # Whether Python itself can run it or not, a clerk that cannot write it down decides nothing.
    assert {found[n] for n in range(1, 32, 4)} == {runs(deep)}


def runs(source: str) -> Outcome:
    """What loading a source alone would come to."""
    try:
        exec(source, {})
    except (RecursionError, MemoryError, SyntaxError):
        return Outcome.INVALID
    return Outcome.PASS


def test_a_slow_source_holds_up_no_answer_of_another(alone):
    slow = "x = [" + "2 ** 100 + 3 ** 70, " * 11_000 + "]\n"
    jobs = [
        Job(f"{slow if n % 2 else ''}def add(a): return {n}\n", [f"assert add(0) == {n}"], "add") for n in range(12)
    ]
    assert {execution.outcome for execution in alone.run(jobs)} == {Outcome.PASS}


COLLIDING = (
    SPEAK
    + """
body = []
for k in range(8, 200000):
    number = k * ((1 << 61) - 1)
    digits = number.to_bytes(number.bit_length() // 8 + 1, 'little')
    if number.bit_length() >= 64: body.append(b'I' + struct.pack('<I', len(digits)) + digits)
body = b'S' + struct.pack('<I', len(body)) + b''.join(body)
head = b't' + struct.pack('<I', 2)
def add(a, b):
    message = head + head + enc('value') + body + enc([])
    os.write(3, struct.pack('<I', len(message)) + message)
    os._exit(0)
"""
)


def test_a_value_made_to_be_put_together_slowly_holds_the_caller_up_for_a_moment_only(alone):
    begun = time.monotonic()
    [execution] = alone.run([Job(COLLIDING, (), "add", "", ("add(1, 2)",))])
    assert time.monotonic() - begun < 8
    assert execution.outcome == Outcome.FAIL
    assert execution.values[0].exception == "OverflowError"


def test_wrong_answers_of_any_size_are_not_kept(alone):
    """A thousand executions are remembered, for programs that come again: what they answered is not."""

    def jobs(first: int) -> Iterator[Job]:
        for n in range(first, first + 24):
            yield Job(f"def add(a): return [{n}] * 400_000\n", ["assert add(0) == 1"], "add")

    def memory() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize() >> 20

    assert {execution.outcome for execution in alone.run(jobs(0))} == {Outcome.FAIL}
    before = memory()
    kept = list(alone.run(jobs(100)))
    assert memory() - before < 100
    assert all(len(execution.failures[0].got) <= 200 for execution in kept)


def test_a_source_too_large_for_the_clerk_is_not_given_the_code_of_another():
    """Long jobs give the next one back, whose code is then on its way to a worker that takes another job."""
    slow = "import time\ndef add(a, b):\n    time.sleep(0.004)\n    return a + b\n"
    honest, large = "def add(a, b): return a + b\n", "x = 1\n" * 60_000 + "def add(a, b): return None\n"
    tests = ["assert add(2, 3) == 5"]
    jobs = [Job(f"{source}# {n}\n", tests, "add") for n in range(25) for source in (slow, honest, large)]
    with Sandbox(2, limits=LIMITS) as sandbox:
        found = {execution.index: execution.outcome for execution in sandbox.run(jobs)}
    assert [found[n] for n in range(len(jobs))] == [Outcome.PASS, Outcome.PASS, Outcome.FAIL] * 25
