"""Hostile programs against the sandbox: none passes, none gets out, none leaves anything behind.

Every attack has a positive control (it works where nothing stands against it), and the whole suite has
sentinels: an honest program after each that must pass with the same behaviour, a file of the host that must
stay as it is, and the count of our processes. Every program goes both roads: its tests as a table of calls, and
run by a judge; with and without a shared process. `FORGE_HOSTILE=all` runs all of them everywhere; without it,
those that take their whole time limit are run on one road at one level.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import families
import pytest
from kit import ADD, COMPANY, Program

from forge.sandbox import Execution, Job, Limits, Sandbox
from forge.types import Outcome
from processes import gone, settled

LIMITS = Limits(wall=4.0, cpu=1.5, memory=128 << 20, output=16 << 10, files=4 << 20)
# Far above any machine's pace, below what a worker that waits for ever is noticed by.
HELD = 60.0
HONEST = "def add(a, b):\n    return a + b\n"
WORKERS = 2
EVERYTHING = os.environ.get("FORGE_HOSTILE") == "all"


@dataclass(frozen=True, slots=True)
class Setting:
    """How programs are judged."""

    level: str
    judged: bool
    shared: bool

    def __str__(self) -> str:
        road = "judge" if self.judged else "table"
        return f"{self.level}, {road}, {'may share' if self.shared else 'alone'}"

    @property
    def main(self) -> bool:
        """Whether every program is run in this setting, and has to end exactly as it says."""
        return self == SETTINGS[0]

    def tests(self, program: Program) -> tuple[str, ...]:
        """The program's tests in the form that leads to this road."""
        return program.code if self.judged else program.tests

    def programs(self) -> list[Program]:
        """What is run in this setting."""
        return [program for program in families.PROGRAMS if self.promises(program)]

    def promises(self, program: Program) -> bool:
        """Whether this setting promises anything about a program."""
        if self.level == "rlimits-only" and (program.least != self.level or "fork" in program.source):
            return False
        if self.level == "no-namespaces" and program.least == "full":
            return False
        return self.main or EVERYTHING or not program.slow


SETTINGS = [
    Setting("full", False, True),
    Setting("full", True, True),
    Setting("full", False, False),
    Setting("full", True, False),
    Setting("no-namespaces", False, True),
    Setting("no-namespaces", True, False),
    Setting("rlimits-only", False, True),
    Setting("rlimits-only", True, False),
]


@dataclass(slots=True)
class Seen:
    """What was seen of all programs in one setting."""

    setting: Setting
    executions: dict[str, Execution]
    honest: dict[str, Execution]
    sentinel: str
    processes: int


@pytest.fixture(scope="module", params=SETTINGS, ids=str)
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """All programs in one run, an honest one after each, on workers that are never changed in between."""
    setting: Setting = request.param
    sentinel = tmp_path_factory.mktemp("host") / "sentinel"
    sentinel.write_text("untouched")
    os.environ["SENTINEL"] = str(sentinel)
    chosen = setting.programs()
    jobs = []
    for place, program in enumerate(chosen):
        honest = Job(f"{HONEST}# {place}\n", setting.tests(Program("", "", "", "", ADD)), "add")
        jobs += [Job(program.source, setting.tests(program), program.entry_point), honest]
    outside = settled()
    with Sandbox(
        WORKERS, limits=LIMITS, allow_shared=setting.shared, require=setting.level, level=setting.level
    ) as sandbox:
        try:
            found = {execution.index: execution for execution in sandbox.run(jobs)}
        finally:
            del os.environ["SENTINEL"]
        processes = len(settled() - outside)
    assert gone(outside)
    return Seen(
        setting,
        {program.name: found[2 * place] for place, program in enumerate(chosen)},
        {program.name: found[2 * place + 1] for place, program in enumerate(chosen)},
        sentinel.read_text(),
        processes,
    )


def test_the_names_are_distinct_and_the_families_are_large():
    names = [program.name for program in families.PROGRAMS]
    assert len(set(names)) == len(names)
    assert len(names) >= 200
    assert all(len(family) >= 10 for family in families.FAMILIES.values())
    for setting in SETTINGS:
        there = {program.family for program in setting.programs()}
        assert there >= set(families.FAMILIES) - ({"escape"} if setting.level == "rlimits-only" else set())


def test_no_hostile_program_passes_and_each_ends_as_it_should(seen):
    wrong = {}
    for program in seen.setting.programs():
        execution = seen.executions[program.name]
        assert execution.isolation == seen.setting.level
        if execution.outcome in (Outcome.PASS, Outcome.ERROR) or (
            seen.setting.main and execution.outcome not in program.ends.split()
        ):
            wrong[program.name] = (str(execution.outcome), execution.detail, program.ends)
    assert not wrong


def test_an_honest_program_after_each_passes_unchanged(seen):
    changed = {
        name: (str(execution.outcome), execution.detail)
        for name, execution in seen.honest.items()
        if execution.outcome != Outcome.PASS or execution.shared_process
    }
    assert not changed
    assert len({execution.behaviour for execution in seen.honest.values()}) == 1


def test_a_shared_process_is_had_only_where_it_is_allowed(seen):
    shared = [name for name, execution in seen.executions.items() if execution.shared_process]
    assert bool(shared) <= seen.setting.shared


def test_nothing_is_left_of_any(seen):
    assert seen.sentinel == "untouched"
    assert seen.processes <= WORKERS * COMPANY


def test_none_holds_a_worker_long_after_its_limit(seen):
    held = {name: execution.seconds for name, execution in seen.executions.items() if execution.seconds > HELD}
    assert not held


def run_alone(program: Program, tmp_path: Path, tail: str) -> subprocess.CompletedProcess[str]:
    """The program with its tests below it, run by nothing but an interpreter."""
    path = tmp_path / "program.py"
    path.write_text(program.source + "\n" + tail)
    sentinel = tmp_path / "sentinel"
    sentinel.write_text("untouched")
    packages = str(Path(pytest.__file__).parent.parent)
    environment = {**os.environ, "SENTINEL": str(sentinel), "PACKAGES": packages}
    return subprocess.run(
        [sys.executable, "-I", "-B", str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=tmp_path,
        env=environment,
        check=False,
    )


def controlled(kind: str) -> list[Program]:
    return [program for program in families.PROGRAMS if program.control == kind]


@pytest.mark.parametrize("program", controlled("exit"), ids=lambda program: program.name)
def test_the_cheat_fools_a_grader_that_trusts_the_exit_status(tmp_path, program):
    ended = run_alone(program, tmp_path, "\n".join(program.tests))
    if program.name.startswith("searches"):
        # These look for the text of the tests: hand it to them as a grader in one process would.
        ended = run_alone(program, tmp_path, f"tests = {program.tests!r}\nfor test in tests: exec(test)")
        if "files" in program.name:
            (tmp_path / "cmdline").write_text(str(program.tests))
            ended = run_alone(program, tmp_path, program.tests[0])
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("program", controlled("print"), ids=lambda program: program.name)
def test_the_cheat_fools_a_grader_that_trusts_the_output(tmp_path, program):
    assert "passed" in run_alone(program, tmp_path, program.tests[0]).stdout


@pytest.mark.parametrize("program", controlled("answer"), ids=lambda program: program.name)
def test_the_escape_works_where_nothing_stands_against_it(tmp_path, program):
    ended = run_alone(program, tmp_path, "print(attempt())")
    assert ended.stdout.strip() == "escaped", ended.stderr


def test_a_test_that_kills_its_process_never_passes():
    source = "def add(a, b):\n    return a + b\n"
    tests = ["assert add(2, 3) == 5", "import os; os._exit(0)"]
    with Sandbox(1, limits=LIMITS) as sandbox:
        [execution] = sandbox.run([Job(source, tests, "add")])
    assert execution.outcome == Outcome.CRASH
    assert execution.tests_passed == 1
