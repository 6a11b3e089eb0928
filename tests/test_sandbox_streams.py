"""Streams of jobs: their order, their end, and what they leave behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from boxes import ADD, SHORT, only
from forge.errors import SandboxError
from forge.sandbox import Job, Limits, Sandbox
from forge.types import Outcome
from processes import children, gone, parents, settled

# Streams


def test_executions_come_as_they_finish(sandbox):
    slow = Job("import time\ndef f(): time.sleep(0.6)", ["f()"], "f")
    quick = Job("def f(): return 1", ["assert f() == 1"], "f")
    order = [execution.index for execution in sandbox.run([slow, quick, quick, quick])]
    assert sorted(order) == [0, 1, 2, 3]
    assert order[-1] == 0


def test_jobs_are_pulled_lazily(sandbox):
    pulled = 0

    def jobs() -> Iterator[Job]:
        nonlocal pulled
        for _ in range(5000):
            pulled += 1
            yield Job("def f(): return 1", ["assert f() == 1"], "f")

    stream = sandbox.run(jobs())
    next(stream)
    assert pulled < 500
    stream.close()


def test_an_exception_in_the_jobs_reaches_the_caller(sandbox):
    def jobs() -> Iterator[Job]:
        yield Job("def f(): return 1", ["f()"], "f")
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        list(sandbox.run(jobs()))
    assert only(sandbox, "def f(): return 1", "assert f() == 1").outcome == Outcome.PASS


def test_a_stream_closed_early_leaves_nothing_running(sandbox):
    list(sandbox.run([Job(ADD, ["add"], "add")] * 4))
    before = len(settled())
    sleepers = [
        Job(f"import time\ndef f(): time.sleep({60 + n})", ["f()"], "f", limits=Limits(wall=60)) for n in range(3)
    ]
    stream = sandbox.run([Job(ADD, ["add"], "add"), *sleepers])
    assert next(stream).index == 0
    time.sleep(0.3)
    running = settled()
    stream.close()
    left = settled()
    assert running - left, "nothing was running, so the test shows nothing"
    assert len(left) <= before
    assert only(sandbox, "def f(): return 1", "assert f() == 1").outcome == Outcome.PASS


def test_streams_can_run_side_by_side(sandbox):
    results: dict[int, list[Outcome]] = {}

    def run(key: int) -> None:
        source = f"def f(): return {key}"
        jobs = [Job(source, [f"assert f() == {key}"], "f")] * 20
        results[key] = [execution.outcome for execution in sandbox.run(jobs)]

    threads = [threading.Thread(target=run, args=(key,)) for key in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {key: [Outcome.PASS] * 20 for key in range(4)}


def test_the_lock_is_released_while_waiting(sandbox):
    ticks = 0
    stop = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not stop.wait(0.005):
            ticks += 1

    thread = threading.Thread(target=tick)
    thread.start()
    only(sandbox, "import time\ndef f(): time.sleep(0.5)", "f()")
    stop.set()
    thread.join()
    assert ticks > 20


def test_many_jobs_leak_no_descriptors(sandbox):
    job = Job("def f(): return 1", ["assert f() == 1"], "f")
    list(sandbox.run([job] * 20))
    before = len(os.listdir("/proc/self/fd"))
    assert {execution.outcome for execution in sandbox.run([job] * 200)} == {Outcome.PASS}
    until = time.monotonic() + 5
    while len(os.listdir("/proc/self/fd")) > before + 2:
        assert time.monotonic() < until
        time.sleep(0.02)


# Order


def test_a_job_is_not_passed_by_for_long():
    pauses = [0.06 if number % 3 else 0.04 for number in range(48)]
    sources = [f"import time\ndef f(x):\n    time.sleep({p})\n    return x  # {i}" for i, p in enumerate(pauses)]
    with Sandbox(2, limits=SHORT) as box:
        done = [e.index for e in box.run(Job(source, ["assert f(1) == 1"], "f") for source in sources)]
    assert max(place - index for place, index in enumerate(done)) <= 4


def test_what_follows_leaves_the_files_of_a_longer_job_alone():
    written = (
        "import time\ndef f(text):\n    open('/tmp/kept', 'x').write(text)\n    time.sleep({})\n"
        "    return open('/tmp/kept').read()\n"
    )
    quick = "import os\ndef f(text):\n    return os.listdir('/tmp') + [{!r}]\n"
    jobs = []
    for number in range(60):
        if number % 4 == 3:
            jobs.append(Job(written.format(0.08 + number / 1e6), [f"assert f('{number}') == '{number}'"], "f"))
        else:
            jobs.append(Job(quick.format(number), [f"assert f('') == [{number}]"], "f"))
    with Sandbox(1, limits=SHORT) as box:
        for _ in range(2):
            assert {e.outcome for e in box.run(jobs)} == {Outcome.PASS}


def test_a_closed_stream_does_not_go_on_with_what_was_next():
    loop = "def f(x):\n    while x: x = {}"
    with Sandbox(1, limits=SHORT) as box:
        list(box.run(Job(f"def f(x): return x  # {i}", ["assert f(1) == 1"], "f") for i in range(40)))
        for turn in range(3):
            sources = [f"def f(x): return {turn}", *(loop.format(turn * 100 + i) for i in range(1, 40))]
            stream = box.run(Job(source, ["assert f(1) == 1"], "f") for source in sources)
            next(stream)
            stream.close()
            began = time.monotonic()
            assert only(box, ADD, "assert add(1, 2) == 3", entry_point="add").outcome == Outcome.PASS
            assert time.monotonic() - began < SHORT.cpu / 2


# Ends


def test_leaving_ends_every_process():
    before = settled()
    with Sandbox(2, limits=SHORT) as sandbox:
        list(sandbox.run([Job(ADD, ["add"], "add")] * 4))
        assert children(os.getpid()) - before
    assert gone(before)
    sandbox.close()
    with pytest.raises(SandboxError, match="closed"):
        list(sandbox.run([Job(ADD, ["add"], "add")]))


def test_a_worker_that_is_killed_is_replaced_and_its_job_is_an_error():
    before = settled()
    with Sandbox(1, limits=SHORT) as sandbox:
        stream = sandbox.run([Job("import time\ndef f(): time.sleep(2)", ["f()"], "f"), Job(ADD, ["add"], "add")])
        [launcher] = {pid for pid, parent in parents().items() if parent == os.getpid()} - before
        killer = threading.Timer(0.5, os.kill, (launcher, signal.SIGKILL))
        killer.start()
        outcomes = {execution.index: execution.outcome for execution in stream}
        killer.join()
    assert outcomes == {0: Outcome.ERROR, 1: Outcome.PASS}
    assert gone(before)


SLEEPER = """
import sys
from forge.sandbox import Job, Limits, Sandbox
job = Job("import os, time\\ndef f(): os.fork(); time.sleep(600)", ["f()"], "f", limits=Limits(wall=600))
with Sandbox(2, require=sys.argv[1], level=sys.argv[1]) as sandbox:
    stream = sandbox.run([job] * 3)
    print("running", flush=True)
    next(stream)
"""


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("level", ["full", "no-namespaces"])
def test_a_caller_that_dies_leaves_nothing_behind(level, kill):
    source = SLEEPER if level == "full" else SLEEPER.replace("os.fork()", "0")
    with subprocess.Popen(
        [sys.executable, "-c", source, level],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as caller:
        try:
            assert caller.stdout is not None
            assert caller.stdout.readline() == b"running\n"
            time.sleep(0.7)
            below = children(caller.pid)
            assert len(below) >= 4
        finally:
            caller.send_signal(kill)
            caller.wait(10)
    until = time.monotonic() + 5
    while alive := [pid for pid in below if running(pid)]:
        assert time.monotonic() < until, alive
        time.sleep(0.02)


def running(pid: int) -> bool:
    """Whether a process exists and is more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
