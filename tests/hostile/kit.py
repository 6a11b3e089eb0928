"""What hostile programs are made of. Plain data: nothing here is executed on import.

Each program is judged by tests it cannot satisfy honestly. `control` says how the attack is shown to be real
when nothing stands against it: `exit` (a grader that trusts the exit status is fooled), `print` (one that trusts
the output is fooled), `answer` (run unprotected, the program gives the answer it wants), or none where running
it unprotected would harm the host or needs a peer that speaks our protocol.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ADD = ("assert add(2, 3) == 5", "assert add([1], [2]) == [1, 2]")
"""Tests for the programs that would cheat a grader; none of them adds."""

SECRET = ("assert add(40, 2) == 918273645",)
"""A test whose expected value can only be had by finding the test."""

ESCAPED = ("assert attempt() == 'escaped'",)
"""A test that holds only if the program reached what it should not."""


COMPANY = 2 * (2 + 2 + 1) + 4 + 1
"""The most processes of an idle worker: two launchers and zygotes, their clerks, a judge each, candidates ahead."""


@dataclass(frozen=True, slots=True)
class Program:
    """One hostile program.

    `ends` are the outcomes it may have, `least` the lowest level that promises anything about it, `slow` tells
    that it takes its time limit to end.
    """

    name: str
    family: str
    ends: str
    source: str
    tests: tuple[str, ...] = ADD
    control: str = ""
    least: str = "rlimits-only"
    slow: bool = False

    @property
    def entry_point(self) -> str:
        """The function that the tests call."""
        return "attempt" if self.tests == ESCAPED else "add"

    @property
    def code(self) -> tuple[str, ...]:
        """The same tests, written so that they are no table of calls: a judge has to run them."""
        return tuple(re.sub(r"\Aassert (.*) == (.*)\Z", r"found = \1\nassert found == \2", test) for test in self.tests)


def cheat(
    name: str,
    ends: str,
    source: str,
    control: str = "exit",
    tests: tuple[str, ...] = ADD,
    family: str = "forging",
    least: str = "rlimits-only",
) -> Program:
    """A program that wants a pass."""
    return Program(name, family, ends, source, tests, control, least)


def escape(name: str, body: str, control: str = "answer", ends: str = "fail", least: str = "no-namespaces") -> Program:
    """A program that answers `escaped` once it has reached what it should not."""
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    source = f"{TOOLS}def attempt():\n{lines}    return 'escaped'\n"
    return Program(name, "escape", ends, source, ESCAPED, control, least)


def bomb(name: str, ends: str, source: str, family: str = "exhaustion", least: str = "rlimits-only") -> Program:
    """A program that wants more than it may have."""
    slow = bool({"timeout", "memory"} & set(ends.split()))
    return Program(name, family, ends, source, least=least, slow=slow)


TOOLS = """
import ctypes, os, signal, socket, sys, time
def need(truth):
    if not truth: raise OSError('nothing there')
def call(name, *arguments):
    answer = getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments)
    if answer < 0: raise OSError(ctypes.get_errno(), name)
    return answer
def exists(pid):
    try: os.kill(pid, 0)
    except PermissionError: pass
    except ProcessLookupError: return False
    return True
def is_open(fd):
    try: return bool(os.fstat(fd))
    except OSError: return False
"""
"""What escapes are made of."""

SPEAK = """
import os, struct
def enc(v):
    if v is None: return b'N'
    if v is True: return b'T'
    if v is False: return b'F'
    if type(v) is int: return b'i' + struct.pack('<q', v)
    if type(v) is str: return b's' + struct.pack('<I', len(v)) + v.encode()
    if type(v) is bytes: return b'b' + struct.pack('<I', len(v)) + v
    tag = {tuple: b't', list: b'l'}[type(v)]
    return tag + struct.pack('<I', len(v)) + b''.join(map(enc, v))
def frame(v):
    b = enc(v)
    return struct.pack('<I', len(b)) + b
def take():
    head = b''
    while len(head) < 4: head += os.read(3, 4 - len(head))
    left, body = struct.unpack('<I', head)[0], b''
    while left > len(body): body += os.read(3, left - len(body))
    return body
"""
"""The encoding of our own channel, as an attacker who has read the code would write it."""
