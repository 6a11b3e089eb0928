"""Hostile programs against the sandbox: none passes, none gets out, none leaves anything behind.

Every attack has a positive control (it works where nothing stands against it), and the whole suite has
sentinels: an honest program before, between and after that must pass with the same behaviour, a file of
the host that must stay as it is, and the count of our processes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import programs
import pytest

from forge.sandbox import Execution, Job, Limits, Sandbox
from forge.types import Outcome
from processes import settled

LIMITS = Limits(wall=3.0, cpu=0.6, memory=128 << 20, output=16 << 10, files=4 << 20)
HONEST = Job("def add(a, b):\n    return a + b\n", programs.ADD, "add")


@pytest.fixture(scope="module")
def before() -> int:
    return len(settled())


@pytest.fixture(scope="module")
def sandbox(before: int) -> Iterator[Sandbox]:
    with Sandbox(2, limits=LIMITS, allow_shared=True) as made:
        yield made


@pytest.fixture(scope="module")
def executions(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Execution]:
    """All programs in one run, an honest one after each, on workers that are never changed in between."""
    sentinel = tmp_path_factory.mktemp("host") / "sentinel"
    sentinel.write_text("untouched")
    os.environ["SENTINEL"] = str(sentinel)
    jobs = []
    for program in programs.PROGRAMS:
        jobs += [Job(program.source, program.tests, program.entry_point), HONEST]
    found: dict[str, Execution] = {}
    try:
        for execution in sandbox.run(jobs):
            place, honest = divmod(execution.index, 2)
            found[("after " if honest else "") + programs.PROGRAMS[place].name] = execution
    finally:
        del os.environ["SENTINEL"]
    assert sentinel.read_text() == "untouched"
    return found


def test_the_names_are_distinct_and_the_families_are_large():
    names = [program.name for program in programs.PROGRAMS]
    assert len(set(names)) == len(names)
    assert len(programs.CHEATS) >= 30
    assert len(programs.PROGRAMS) >= 90


@pytest.mark.parametrize("program", programs.PROGRAMS, ids=lambda program: program.name)
def test_a_hostile_program_ends_as_it_should(executions, program):
    execution = executions[program.name]
    assert execution.outcome != Outcome.PASS
    assert execution.outcome in program.ends.split(), execution
    assert execution.isolation == "full"


@pytest.mark.parametrize("program", programs.PROGRAMS, ids=lambda program: program.name)
def test_an_honest_program_after_it_passes_unchanged(executions, sandbox, program):
    [alone] = sandbox.run([HONEST])
    execution = executions["after " + program.name]
    assert (execution.outcome, execution.behaviour) == (Outcome.PASS, alone.behaviour)
    assert not execution.shared_process


IDLE = 2 * (2 + 2 + 1) + 4 + 1
"""The most processes of an idle worker: two launchers and zygotes, their clerks, a judge each, candidates ahead."""


def test_no_process_is_left_behind(before, executions):
    assert executions
    assert len(settled()) <= before + 2 * IDLE


def test_the_workers_survived_everything(sandbox, executions):
    assert executions
    assert not [execution for execution in executions.values() if execution.outcome == Outcome.ERROR]


def run_alone(program: programs.Program, tmp_path: Path, tail: str) -> subprocess.CompletedProcess[str]:
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


def controlled(kind: str) -> list[programs.Program]:
    return [program for program in programs.PROGRAMS if program.control == kind]


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


@pytest.mark.parametrize("name", ["file", "directory", "mode", "time", "link"])
def test_nothing_reaches_the_next_program_through_the_writable_directory(name):
    marks = {
        "file": "open('mark', 'w').write('x')",
        "directory": "os.makedirs('a/b/c'); os.chmod('a', 0)",
        "mode": "os.chmod('/tmp', 0o777)",
        "time": "os.utime('/tmp', (77, 77))",
        "link": "os.symlink('/etc', 'link')",
    }
    look = (
        "import os\ndef add(a, b):\n    about = os.stat('/tmp')\n"
        "    return [os.listdir('/tmp'), about.st_mode & 0o7777, about.st_mtime, about.st_atime == 77]\n"
    )
    writer = f"import os\ndef add(a, b):\n    {marks[name]}\n    return add_looks()\n"
    writer += look.replace("def add(a, b)", "def add_looks()")
    probe = ("add(1, 2)",)
    jobs = [Job(source, (), "add", "", probe) for source in (look, writer, f"{look}# again")]
    with Sandbox(1, limits=LIMITS) as sandbox:
        before, marked, after = (execution.values[0].value for execution in sandbox.run(jobs))
    assert before == after
    assert marked != before, "the mark was not set, so the test shows nothing"


def test_a_test_that_kills_its_process_never_passes():
    source = "def add(a, b):\n    return a + b\n"
    tests = ["assert add(2, 3) == 5", "import os; os._exit(0)"]
    with Sandbox(1, limits=LIMITS) as sandbox:
        [execution] = sandbox.run([Job(source, tests, "add")])
    assert execution.outcome == Outcome.CRASH
    assert execution.tests_passed == 1


@pytest.mark.parametrize("level", ["no-namespaces"])
def test_without_namespaces_no_cheat_passes_either(level):
    jobs = [Job(program.source, program.tests, program.entry_point) for program in programs.CHEATS]
    with Sandbox(2, limits=LIMITS, require=level, level=level) as sandbox:
        outcomes = {e.index: e.outcome for e in sandbox.run(jobs)}
        [honest] = sandbox.run([HONEST])
    passed = [programs.CHEATS[place].name for place, outcome in outcomes.items() if outcome == Outcome.PASS]
    assert not passed
    assert honest.outcome == Outcome.PASS


def test_all_of_this_is_quick(sandbox, executions):
    assert sum(execution.seconds for execution in executions.values()) < 60
