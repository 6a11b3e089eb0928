"""Zygotes that talk nonsense: an error for the job at hand, and the next ones go on with another."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge import sandbox
from forge.sandbox import Job, Sandbox
from forge.types import Outcome
from processes import gone, settled

FAKE = """
import os, socket, struct, sys
if os.path.exists({mark!r}):
    exec({boot!r})
control = socket.socket(fileno=os.dup(0))
control.recv(1 << 16)
def told(*words):
    parts = b''.join(b's' + struct.pack('<I', len(word)) + word for word in words)
    return b't' + struct.pack('<I', len(words)) + parts
control.send(told(b'ready'))
control.recv(1 << 16)
open({mark!r}, 'w').close()
{garbage}
import time
time.sleep(0.1)
"""

GARBAGE = {
    "nothing": "",
    "an early end": "os._exit(0)",
    "bytes": "control.send(os.urandom(512))",
    "many bytes": "control.send(b'\\xff' * 60000)",
    "an empty message": "control.send(b'')",
    "half a message": "control.send(told(b'started')[:-3])",
    "another word": "control.send(told(b'passed', b'all'))",
    "a start without a process": "control.send(b't\\2\\0\\0\\0s\\7\\0\\0\\0startedi' + bytes(8))",
    "an end of nothing": "control.send(b't\\5\\0\\0\\0s\\5\\0\\0\\0ended' + (b'i' + b'\\7' * 8) * 4)",
    "a start with a descriptor that is none of a process": (
        "import array\nmessage = b't\\2\\0\\0\\0s\\7\\0\\0\\0startedi' + bytes(8)\n"
        "control.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0]))])"
    ),
    "a refusal": "control.send(told(b'refused', b'no'))",
    "a flood": "for _ in range(2000): control.send(told(b'ready'))",
    "a message with many descriptors": (
        "import array\n"
        "control.sendmsg([told(b'ready')], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0] * 8))])"
    ),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_a_zygote_that_talks_nonsense_costs_one_job(name, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = settled()
    mark = str(tmp_path / "mark")
    fake = FAKE.format(mark=mark, boot=sandbox._BOOT, garbage=GARBAGE[name])
    monkeypatch.setattr(sandbox, "_BOOT", fake)
    jobs = [Job(f"def add(a, b): return a + b  # {n}\n", ["assert add(2, 3) == 5"], "add") for n in range(5)]
    with Sandbox(1) as made:
        outcomes = {execution.index: execution.outcome for execution in made.run(jobs)}
    assert outcomes == {0: Outcome.ERROR, **dict.fromkeys(range(1, 5), Outcome.PASS)}
    assert gone(before)
