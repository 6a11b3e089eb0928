"""The same programs where an ordinary user started the sandbox."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from forge import _core

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
USER = 1000
JUDGE = """
import json, sys
import test_hostile as suite
from forge.sandbox import Job, Sandbox
[level] = sys.argv[1:]
setting = suite.Setting(level, True, level == "full")
chosen = setting.programs()
jobs = []
for place, program in enumerate(chosen):
    jobs.append(Job(program.source, setting.tests(program), program.entry_point))
    jobs.append(Job(f"{suite.HONEST}# {place}", suite.ADD, "add"))
with Sandbox(2, limits=suite.LIMITS, require=level, level=level) as sandbox:
    found = {execution.index: str(execution.outcome) for execution in sandbox.run(jobs)}
print(json.dumps({
    "hostile": {program.name: found[2 * place] for place, program in enumerate(chosen)},
    "honest": [found[2 * place + 1] for place in range(len(chosen))],
}))
"""
STAND_IN = """
class Anything:
    def __getattr__(self, name): return Anything()
    def __call__(self, *a, **k): return a[0] if a and callable(a[0]) else Anything()
import sys
for name in ("pytest", "processes"):
    sys.modules[name] = Anything()
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An interpreter that an ordinary user can reach, and a folder with what it needs of forge."""
    python = Path("/usr/bin/python3")
    new_enough = [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    if not python.exists() or subprocess.run(new_enough, check=False).returncode:
        pytest.skip("no interpreter that an ordinary user can reach")
    folder = tmp_path_factory.mktemp("user")
    home = Path(_core.__file__).parent
    (folder / "forge").mkdir()
    for path in (*home.glob("*.py"), Path(_core.__file__)):
        shutil.copyfile(path, folder / "forge" / path.name)
    for source in Path(__file__).parent.glob("*.py"):
        shutil.copyfile(source, folder / source.name)
    (folder / "judge.py").write_text(STAND_IN + JUDGE)
    for path in (folder, folder / "forge", *folder.parents[:3]):
        path.chmod(0o755)
    return python, folder


def as_user(python, *arguments: str, timeout: int) -> subprocess.CompletedProcess[str]:
    """The interpreter run by the ordinary user, with the copy of the package."""
    interpreter, folder = python
    return subprocess.run(
        [interpreter, "-B", *arguments],
        env={"PYTHONPATH": str(folder)},
        user=USER,
        group=USER,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.mark.parametrize("level", ["full", "no-namespaces", "rlimits-only"])
def test_an_ordinary_user_is_as_safe(python, level):
    ended = as_user(python, str(python[1] / "judge.py"), level, timeout=120)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert set(found["honest"]) == {"pass"}
    assert {name: end for name, end in found["hostile"].items() if end in ("pass", "error")} == {}
    assert len(found["hostile"]) > 100


@pytest.mark.parametrize("act", ["os.chmod(path, 0o777)", "os.utime(path, (5, 5))", "os.chown(path, -1, os.getgid())"])
def test_a_program_changes_nothing_about_the_files_of_its_user(python, act):
    mine = python[1].parent / "mine"
    mine.write_text("mine")
    mine.chmod(0o640)
    os.chown(mine, USER, USER)
    source = f"import os\ndef attempt():\n    path = {str(mine)!r}\n    {act}\n    return 'escaped'\n"
    program = (
        "from forge.sandbox import Job, Sandbox\n"
        "with Sandbox(1, require='no-namespaces', level='no-namespaces') as sandbox:\n"
        f"    [e] = sandbox.run([Job({source!r}, ['assert attempt() == 1'], 'attempt')])\n"
        "    print(e.outcome, e.failures[0].exception)\n"
    )
    before = mine.stat()
    ended = as_user(python, "-c", program, timeout=60)
    assert ended.stdout.split() == ["fail", "PermissionError"], ended.stderr
    after = mine.stat()
    assert (after.st_mode, after.st_mtime) == (before.st_mode, before.st_mtime)
