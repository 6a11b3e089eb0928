"""Limits of jobs, and levels of isolation."""

from __future__ import annotations

import math
import os
import subprocess
import time
from pathlib import Path

import pytest

from boxes import ADD, LEVELS, SHORT, only
from forge import _core
from forge.errors import SandboxError
from forge.sandbox import Limits, Sandbox, probe
from forge.types import Outcome

# Limits


def test_the_wall_limit_ends_a_sleeper_in_time(leveled):
    limits = Limits(wall=0.4, cpu=5.0)
    started = time.monotonic()
    execution = only(leveled, "import time\ndef f(): time.sleep(99)", "f()", limits=limits)
    assert (execution.outcome, execution.detail) == (Outcome.TIMEOUT, "wall limit")
    assert 0.4 <= time.monotonic() - started < 2.0


def test_the_cpu_limit_ends_a_loop_before_the_wall_does(leveled):
    execution = only(leveled, "def f():\n while True: pass", "f()", limits=Limits(wall=20.0, cpu=0.3))
    assert (execution.outcome, execution.detail) == (Outcome.TIMEOUT, "CPU limit")
    assert 0.25 < execution.cpu < 1.5


def test_tests_done_before_a_timeout_still_count(sandbox):
    source = "def f(n):\n while n > 1: pass\n return n"
    execution = only(sandbox, source, *[f"assert f({n}) == {n}" for n in range(4)], limits=Limits(cpu=0.3))
    assert (execution.outcome, execution.tests_passed, execution.tests_total) == (Outcome.TIMEOUT, 2, 4)


def test_the_memory_limit_leaves_what_is_below_it_alone(leveled):
    source = "def f(n): return len(bytearray(n << 20))"
    limits = Limits(memory=64 << 20)
    assert only(leveled, source, f"assert f(48) == {48 << 20}", limits=limits).outcome == Outcome.PASS
    assert only(leveled, source, "f(80)", limits=limits).outcome == Outcome.MEMORY


def test_the_process_limit_leaves_what_is_below_it_alone(sandbox):
    source = (
        "import os\ndef f(n):\n made = []\n for _ in range(n):\n  pid = os.fork()\n"
        "  if not pid:\n   import time; time.sleep(60)\n  made.append(pid)\n return len(made)"
    )
    limits = Limits(processes=8)
    assert only(sandbox, source, "assert f(6) == 6", limits=limits).outcome == Outcome.PASS
    [failure] = only(sandbox, source, "f(9)", limits=limits).failures
    assert failure.exception == "BlockingIOError"


def test_the_tests_process_is_limited_too(sandbox):
    execution = only(sandbox, "def f(): return 1", "while True: f", limits=Limits(cpu=0.3))
    assert execution.outcome == Outcome.TIMEOUT


@pytest.mark.parametrize("bad", [{"wall": 0}, {"cpu": -1.0}, {"memory": 0}, {"wall": math.inf}, {"wall": math.nan}])
def test_limits_that_are_none_are_refused(bad):
    with pytest.raises(ValueError, match="limit"):
        Limits(**bad)


# Levels


def test_the_level_is_carried_and_never_less_than_required():
    for level in LEVELS:
        with Sandbox(1, limits=SHORT, require=level, level=level) as sandbox:
            assert sandbox.isolation == level
            assert only(sandbox, ADD, "assert add(1, 1) == 2", entry_point="add").isolation == level


def test_less_than_required_is_an_error_with_a_hint():
    with pytest.raises(SandboxError, match="full") as caught:
        Sandbox(1, level="no-namespaces", require="full")
    assert caught.value.hint
    with pytest.raises(SandboxError, match="no isolation level"):
        Sandbox(1, require="total")


def test_every_wall_holds_in_full_isolation():
    walls = {wall.name: wall for wall in probe()}
    assert len(walls) >= 15
    assert not [wall for wall in walls.values() if not wall.enforced]


def test_the_probe_sees_what_is_missing_without_walls():
    walls = {wall.name: wall.enforced for wall in probe("rlimits-only")}
    assert not walls["files"]
    assert not walls["sockets"]
    assert walls["memory"]
    assert walls["CPU time"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_an_ordinary_user_gets_full_isolation(tmp_path):
    python = Path("/usr/bin/python3")
    new_enough = [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    if not python.exists() or subprocess.run(new_enough, check=False).returncode:
        pytest.skip("no interpreter that an ordinary user can reach")
    package = tmp_path / "forge"
    package.mkdir()
    home = Path(_core.__file__).parent
    for name in (
        "__init__.py",
        "errors.py",
        "forms.py",
        "installed.py",
        "types.py",
        "sandbox.py",
        Path(_core.__file__).name,
    ):
        (package / name).write_bytes((home / name).read_bytes())
    for folder in (tmp_path, package, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    program = (
        "import os\nfrom forge.sandbox import Job, Sandbox\nwith Sandbox(1) as sandbox:\n"
        "    [e] = sandbox.run([Job('def f(): return 1', ['assert f() == 1'], 'f')])\n"
        "    print(os.getuid(), e.outcome, e.isolation)\n"
    )
    ended = subprocess.run(
        [python, "-B", "-c", program],
        env={"PYTHONPATH": str(tmp_path)},
        user=1000,
        group=1000,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stdout.split() == ["1000", "pass", "full"], ended.stderr
