"""The usual harness, as the one published with HumanEval is built: for each program a manager, a process, a guard.

Nothing here isolates. The guard takes away functions that a program might call by mistake.
"""

from __future__ import annotations

import builtins
import contextlib
import faulthandler
import io
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from types import FrameType
from typing import Any

_LIMIT = 10.0
_TAKEN = {
    builtins: "exit quit",
    os: "kill system putenv remove removedirs rmdir fchdir setuid fork forkpty killpg rename renames truncate "
    "replace unlink fchmod fchown chmod chown chroot lchown getcwd chdir",
    shutil: "rmtree move chown",
    subprocess: "Popen",
}
_UNLOADABLE = ("ipdb", "joblib", "resource", "psutil", "tkinter")


class _Mute(io.StringIO):
    """Takes what is written and gives nothing to read."""

    def read(self, *arguments: Any) -> str:
        raise OSError("there is no input")

    readline = readlines = read  # type: ignore[assignment]

    def readable(self) -> bool:
        return False


def judge(text: str) -> bool:
    """Whether the text ran to its end, in a process of its own, in time."""
    context = multiprocessing.get_context("fork")
    with context.Manager() as manager:
        result = manager.list()
        process = context.Process(target=_execute, args=(text, result))
        process.start()
        process.join(_LIMIT + 1)
        if process.is_alive():
            process.kill()
        process.join()
        return list(result) == ["passed"]


def _execute(text: str, result: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = os.getcwd()
        # Kept, since the guard takes them away and the folder has to be removed in the end.
        kept = [(module, name, getattr(module, name)) for module, names in _TAKEN.items() for name in names.split()]
        os.chdir(folder)
        _guard()
        try:
            with _muted(), _time_limit(_LIMIT):
                exec(text, {})
            result.append("passed")
        except TimeoutError:
            result.append("timed out")
        except BaseException as error:
            result.append(f"failed: {error}")
        for module, name, function in kept:
            setattr(module, name, function)
        os.chdir(home)


def _guard() -> None:
    faulthandler.disable()
    os.environ["OMP_NUM_THREADS"] = "1"
    for module, names in _TAKEN.items():
        for name in names.split():
            setattr(module, name, None)
    for name in _UNLOADABLE:
        sys.modules[name] = None  # type: ignore[assignment]


@contextlib.contextmanager
def _muted() -> Iterator[None]:
    mute, stdin = _Mute(), sys.stdin
    with contextlib.redirect_stdout(mute), contextlib.redirect_stderr(mute):
        sys.stdin = mute
        try:
            yield
        finally:
            sys.stdin = stdin


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.signal(signal.SIGALRM, late)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
