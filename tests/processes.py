"""The processes below this one, as tests of what is left behind see them."""

from __future__ import annotations

import os
import time
from pathlib import Path


def parents() -> dict[int, int]:
    """The parent of every living process, zombies left out."""
    found: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[0] != "Z":
                found[int(entry.name)] = int(fields[1])
    return found


def children(pid: int) -> set[int]:
    """Living processes below a process, at any depth."""
    known = parents()
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        above = waiting.pop()
        below = {child for child, parent in known.items() if parent == above}
        found |= below
        waiting += below
    return found


def gone(before: set[int], patience: float = 5.0) -> bool:
    """Whether, within the patience, no process of ours is left beyond those before."""
    until = time.monotonic() + patience
    while children(os.getpid()) - before:
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def settled(patience: float = 5.0) -> set[int]:
    """Our processes once they have stayed the same for a while: idle workers prepare for what may come."""
    until = time.monotonic() + patience
    found, since = children(os.getpid()), time.monotonic()
    while time.monotonic() < until and time.monotonic() - since < 0.15:
        time.sleep(0.02)
        now = children(os.getpid())
        if now != found:
            found, since = now, time.monotonic()
    return found
