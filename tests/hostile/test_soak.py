"""Many programs in a row, a third of them hostile: nothing is left of any, and every honest one passes.

`FORGE_SOAK` sets how many; the figures are printed at the end (`pytest -s`).
"""

from __future__ import annotations

import ctypes
import gc
import os
import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import families
import pytest
from kit import COMPANY, Program

from forge.sandbox import Job, Limits, Sandbox
from forge.types import Outcome
from processes import gone, settled

COUNT = int(os.environ.get("FORGE_SOAK", "600"))
SEED = int(os.environ.get("FORGE_SOAK_SEED", "1"))
WORKERS = 2
LIMITS = Limits(wall=1.0, cpu=0.2, memory=96 << 20, output=8 << 10, files=1 << 20)
"""Short, for the hostile."""
ROOMY = Limits(wall=20.0, cpu=10.0, memory=256 << 20, output=8 << 10, files=1 << 20)
"""For the honest, which must pass on a busy machine too."""
SLOW = 0.01
"""How many of the hostile take their whole time limit."""
GROWTH = 2.0
"""How many MB the caller may grow after it has warmed up."""
KEPT = 64.0
"""How many MB the C library may keep for each thread that has seen a flood."""


def memory() -> float:
    """Resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


class _Info(ctypes.Structure):
    """What `mallinfo2` tells."""

    _fields_ = [
        (name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks used free top".split()
    ]


def allocated() -> float:
    """What the native side of this process holds in MB, without what its allocator keeps for later."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        return 0.0
    library.mallinfo2.restype = _Info
    info = library.mallinfo2()
    return float(info.used + info.hblkhd) / (1 << 20)


def world() -> dict[str, object]:
    """What of the host must be the same before and after."""
    return {
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "files": sorted(os.listdir(tempfile.gettempdir())),
        "shared memory": sorted(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else [],
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
    }


def honest(place: int) -> Job:
    """A program that is right, of one of several kinds, each with a text of its own."""
    kinds = [
        ("def add(a, b): return a + b", ("assert add(2, 3) == 5", "assert add([1], [2]) == [1, 2]")),
        ("def add(a, b): return a + b", ("found = add(2, 3)\nassert found == 5",)),
        ("def add(a, b): return dict(zip(a, b))", ("assert add('ab', [1, 2]) == {'a': 1, 'b': 2}",)),
        (
            "def add(a, b):\n    a.extend(b)\n    print(len(a))",
            ("items = [1]\nadd(items, [2])\nassert items == [1, 2]",),
        ),
        ("def add(a, b): yield from (a, b)", ("assert list(add(1, 2)) == [1, 2]",)),
    ]
    source, tests = kinds[place % len(kinds)]
    return Job(f"{source}\n# {place}\n", tests, "add", limits=ROOMY)


def soak(count: int, drawn: random.Random, hostile: dict[int, Program]) -> Iterator[Job]:
    """Jobs, a third of them hostile, which are taken down by position."""
    cheap = [program for program in families.PROGRAMS if not program.slow]
    slow = [program for program in families.PROGRAMS if program.slow]
    for place in range(count):
        if drawn.random() * 3 > 1:
            yield honest(place)
            continue
        program = drawn.choice(slow if drawn.random() < SLOW else cheap)
        hostile[place] = program
        tests = program.code if drawn.random() < 0.5 else program.tests
        # A text of its own, so that it is run and not remembered.
        source = program.source + ("" if program.source.endswith("\f") else f"\n# {place}\n")
        yield Job(source, tests, program.entry_point, limits=LIMITS)


@pytest.mark.timeout(max(300, COUNT // 40))
def test_many_programs_in_a_row_leave_nothing(capsys: pytest.CaptureFixture[str]):
    outside, before = settled(), world()
    drawn = random.Random(SEED)
    ends: Counter[str] = Counter()
    wrong: list[tuple[int, str, str, str]] = []
    most, begun = 0.0, time.monotonic()
    with Sandbox(WORKERS, limits=LIMITS) as sandbox:

        def run(count: int) -> tuple[float, float]:
            nonlocal most
            hostile: dict[int, Program] = {}
            for execution in sandbox.run(soak(count, drawn, hostile)):
                place, outcome = execution.index, execution.outcome
                program = hostile.pop(place, None)
                ends[f"{'hostile' if program else 'honest'} {outcome}"] += 1
                bad = outcome in (Outcome.PASS, Outcome.ERROR) if program else outcome != Outcome.PASS
                if bad and len(wrong) < 20:
                    wrong.append((place, program.name if program else "honest", str(outcome), execution.detail))
                done = sum(ends.values())
                if done % 500 == 0:
                    most = max(most, memory())
                if count > 10_000 and done % 5000 == 0:
                    with capsys.disabled():
                        took = time.monotonic() - begun
                        print(f"{done} done, {wrong} wrong, {memory():.1f} MB, {took:.0f} s", flush=True)
            idle.append(len(settled() - outside))
            gc.collect()
            return memory(), allocated()

        idle: list[int] = []
        warm = run(max(300, min(COUNT // 10, 5000)))
        end = run(COUNT)
    took = time.monotonic() - begun
    assert gone(outside), "processes are left"
    after = world()
    with capsys.disabled():
        print(
            f"\nsoak: {sum(ends.values())} programs in {took:.0f} s, seed {SEED}; MB resident {warm[0]:.1f} when warm, "
            f"{end[0]:.1f} at the end, {most:.1f} at most; MB allocated {warm[1]:.2f} when warm, {end[1]:.2f} at the "
            f"end; processes while idle {idle}; {dict(sorted(ends.items()))}"
        )
    assert not wrong
    assert max(idle) <= WORKERS * COMPANY
    assert {name: after[name] for name in after if after[name] != before[name]} == {}
    assert end[1] - warm[1] < GROWTH
    assert end[0] - warm[0] < GROWTH + WORKERS * KEPT
