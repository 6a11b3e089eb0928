"""Programs that put walls around a command, each started anew for every candidate, as they are made to be used."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PYTHON: str = getattr(sys, "_base_executable", None) or sys.executable
"""The interpreter itself, not that of a virtual environment, which takes longer to start."""


def _readable() -> list[str]:
    """What an interpreter needs to see."""
    folders = ["/usr", "/lib", "/lib64"]
    if not sys.base_prefix.startswith("/usr"):
        folders.append(sys.base_prefix)
    return [folder for folder in folders if Path(folder).exists()]


def _bwrap(_: int) -> list[str]:
    binds = [word for folder in _readable() for word in ("--ro-bind", folder, folder)]
    walls = ["--unshare-all", "--die-with-parent", "--new-session", "--dev", "/dev", "--tmpfs", "/tmp"]
    return ["bwrap", *walls, *binds, "--chdir", "/tmp"]


def _firejail(_: int) -> list[str]:
    # A private home hides an interpreter that is installed there.
    private = "--private-tmp" if Path(sys.base_prefix).is_relative_to(Path.home()) else "--private"
    return ["firejail", "--quiet", "--noprofile", private, "--net=none", "--seccomp", "--"]


def _nsjail(_: int) -> list[str]:
    binds = [word for folder in _readable() for word in ("-R", folder)]
    return ["nsjail", "-Mo", "--really_quiet", *binds, "-T", "/tmp", "--cwd", "/tmp", "--"]


def _isolate(slot: int) -> list[str]:
    extra = [] if sys.base_prefix.startswith("/usr") else [f"--dir={sys.base_prefix}"]
    return ["isolate", f"--box-id={slot}", "--silent", "--processes=16", *extra, "--run", "--"]


def _unshare(_: int) -> list[str]:
    return ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount", "--net"]


@dataclass(frozen=True, slots=True)
class Isolator:
    """A tool: what it shuts, where it comes from, and what to put before a command for one of several slots."""

    walls: str
    origin: str
    prefix: Callable[[int], list[str]]
    stdin: bool = False
    """Whether the text goes in through standard input, because the tool limits the length of arguments."""
    boxes: bool = False
    """Whether there is a box to make before and to remove after; made once for all candidates of a slot."""


ISOLATORS = {
    "bwrap": Isolator("all namespaces, read-only binds", "Debian package bubblewrap", _bwrap),
    "firejail": Isolator("no profile, private, no network, seccomp", "Debian package firejail", _firejail, stdin=True),
    "nsjail": Isolator("its defaults, read-only binds", "https://github.com/google/nsjail", _nsjail),
    "isolate": Isolator("box reused, no control groups", "https://github.com/ioi/isolate", _isolate, boxes=True),
    "unshare": Isolator("user, PID, mount and network namespaces", "package util-linux", _unshare),
}


def judge(name: str, slot: int, text: str) -> bool:
    """Whether the text ran to its end behind the tool's walls; exit status 0 counts."""
    tool = ISOLATORS[name]
    command = [*tool.prefix(slot), PYTHON, "-I", *(["-"] if tool.stdin else ["-c", text])]
    given = text.encode() if tool.stdin else b""
    return subprocess.run(command, input=given, capture_output=True, timeout=20).returncode == 0


def box(name: str, slot: int, action: str) -> None:
    """Make a slot's box (`--init`) or remove it (`--cleanup`), where the tool has boxes."""
    if ISOLATORS[name].boxes:
        subprocess.run([name, f"--box-id={slot}", action], capture_output=True, check=True, timeout=20)


def missing(name: str) -> str:
    """Why the tool cannot be used here, or nothing."""
    tool = ISOLATORS[name]
    if shutil.which(name) is None:
        return f"{name} is not on the PATH; it comes from: {tool.origin}"
    try:
        box(name, 0, "--init")
        right = judge(name, 0, "print(1)")
        wrong = judge(name, 0, "assert False")
        box(name, 0, "--cleanup")
    except (OSError, subprocess.SubprocessError) as error:
        return f"{name} does not work here: {error}"
    return "" if right and not wrong else f"{name} cannot run {PYTHON} here"
