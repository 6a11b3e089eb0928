"""The far side of a contestant that is no bare zygote: a process of its own that judges programs in its own way.

Reads its programs as one line of JSON, then an order for each turn, and answers each with a line. Holds nothing but
what its own way of judging needs, since some of them copy this very process for each program.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

WORKERS = 2

Judge = Callable[[list[dict[str, Any]]], tuple[int, list[float]]]
"""Judges programs and says how many passed, and how long each took."""

_SUBREAPER = 36


def threads(one: Callable[[int, dict[str, Any]], bool]) -> Judge:
    """Judges with one thread for each worker; `one` gets a slot that no other thread has, and a program."""
    slots: queue.SimpleQueue[int] = queue.SimpleQueue()
    for slot in range(WORKERS):
        slots.put(slot)

    def timed(program: dict[str, Any]) -> tuple[bool, float]:
        slot = slots.get()
        began = time.perf_counter()
        try:
            return one(slot, program), time.perf_counter() - began
        finally:
            slots.put(slot)

    def judge(programs: list[dict[str, Any]]) -> tuple[int, list[float]]:
        with ThreadPoolExecutor(WORKERS) as pool:
            found = list(pool.map(timed, programs))
        return sum(passed for passed, _ in found), [seconds for _, seconds in found]

    return judge


@contextmanager
def forge(level: str, alone: bool = False) -> Iterator[Judge]:
    """Through `Sandbox.run`, with the tests apart from the program; `alone` hands in one job at a time."""
    from forge import Job, Outcome, Sandbox

    with Sandbox(workers=WORKERS, require=level, level=level, allow_shared=False) as box:

        def judge(programs: list[dict[str, Any]]) -> tuple[int, list[float]]:
            jobs = [Job(p["source"], p["tests"], p["entry_point"], p["setup"]) for p in programs]
            executions, each = [], []
            for batch in [[job] for job in jobs] if alone else [jobs]:
                began = time.perf_counter()
                executions += list(box.run(batch))
                each.append(time.perf_counter() - began)
            assert all(execution.isolation == level for execution in executions)
            return sum(execution.outcome is Outcome.PASS for execution in executions), each

        yield judge


@contextmanager
def interpreter() -> Iterator[Judge]:
    """A fresh interpreter for each program."""
    from isolators import PYTHON

    def one(_: int, program: dict[str, Any]) -> bool:
        command = [PYTHON, "-I", "-c", program["text"]]
        return subprocess.run(command, capture_output=True, timeout=20).returncode == 0

    yield threads(one)


@contextmanager
def usual() -> Iterator[Judge]:
    """A manager and a process for each program, copied from a process that has numpy, as that harness does."""
    import numpy  # noqa: F401
    from usual import judge

    yield threads(lambda _, program: judge(program["text"]))


@contextmanager
def evalplus() -> Iterator[Judge]:
    """evalplus' own check, given one empty input to a function that runs the program's own tests."""
    import multiprocessing

    from evalplus.eval import PASS, untrusted_check  # type: ignore[import-not-found]

    multiprocessing.set_start_method("fork")

    def one(_: int, program: dict[str, Any]) -> bool:
        before, _, after = program["text"].rpartition("\n".join(program["tests"]))
        body = "".join(f"    {test}\n" for test in program["tests"])
        code = f"{before}def own_tests():\n{body}{after}"
        verdict, _ = untrusted_check("humaneval", code, [[]], "own_tests", [None], 0, [1.0])
        return bool(verdict == PASS)

    yield threads(one)


@contextmanager
def isolator(name: str) -> Iterator[Judge]:
    """A tool that isolates, started for each program."""
    import isolators

    # What a tool leaves behind comes to this process, which counts its CPU time.
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    with ExitStack() as boxes:
        for slot in range(WORKERS):
            isolators.box(name, slot, "--init")
            boxes.callback(isolators.box, name, slot, "--cleanup")
        yield threads(lambda slot, program: isolators.judge(name, slot, program["text"]))


def reap() -> None:
    """Waits a moment for processes that were left behind to this one."""
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.001)
        except ChildProcessError:
            return


def own_cpu() -> float:
    """CPU seconds of this process and of those it has waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def living() -> dict[int, float]:
    """CPU seconds of each living process below this one and of those it has waited for, in the kernel's ticks."""
    found: dict[int, tuple[int, float]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[int(path.parent.name)] = (int(fields[1]), sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK"))

    def below(process: int) -> bool:
        while process in found and process != os.getpid():
            process = found[process][0]
        return process == os.getpid()

    return {process: seconds for process, (_, seconds) in found.items() if process != os.getpid() and below(process)}


def main() -> None:
    """Obeys until its input ends."""
    start = json.loads(sys.stdin.readline())
    ways: dict[str, Callable[..., AbstractContextManager[Judge]]] = {
        "forge": forge,
        "interpreter": interpreter,
        "usual": usual,
        "evalplus": evalplus,
        "isolator": isolator,
    }
    with ways[start["way"]](**start["how"]) as judge:
        print(json.dumps({"ready": True}), flush=True)
        for line in sys.stdin:
            order = json.loads(line)
            programs = []
            for number, place in enumerate(order["programs"]):
                program = start["programs"][place]
                mark = f"\n# {order['mark']} {number}\n"
                programs.append({**program, "text": program["text"] + mark, "source": program["source"] + mark})
            before, workers = own_cpu(), living()
            passed, each = judge(programs)
            if start["way"] == "isolator":
                reap()
            after = living()
            below = sum(after.values()) - sum(workers.values())
            # A worker that was replaced took its account with it, which is far more than one turn.
            cpu = own_cpu() - before + below if below >= 0 else None
            print(json.dumps({"passed": passed, "each": each, "cpu": cpu}), flush=True)


if __name__ == "__main__":
    main()
