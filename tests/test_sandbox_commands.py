"""Executables of any kind under the same walls: what they get, what they leave, and what they cannot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge.errors import SandboxError
from forge.sandbox import Command, Execution, Job, Limits, Sandbox
from forge.types import Outcome
from processes import settled

SHORT = Limits(wall=5.0, cpu=2.0, memory=256 << 20, output=8 << 10, files=1 << 20)
TOOLS = ["sh", "cat", "ls", "ln", "mkdir", "mkfifo", "mknod", "rm", "sleep", "seq", "head", "chmod", "truncate", "env"]
TOOLS = [path for path in (f"/usr/bin/{name}" for name in TOOLS) if os.path.exists(path)]
SH = "/usr/bin/sh"
pytestmark = pytest.mark.skipif(not os.path.exists(SH), reason="there is no /usr/bin/sh")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(1, limits=SHORT, readable=TOOLS) as made:
        yield made


def run(sandbox: Sandbox, *argv: str, **rest: object) -> Execution:
    [execution] = sandbox.run([Command(argv, **rest)])  # type: ignore[arg-type]
    return execution


def shell(sandbox: Sandbox, script: str, **rest: object) -> Execution:
    return run(sandbox, SH, "-c", script, environment={"PATH": "/usr/bin"}, **rest)


def test_a_command_reads_writes_and_leaves(sandbox):
    execution = shell(
        sandbox,
        "cat; cat in/a.txt > out; echo oops >&2; echo $0 $NAME",
        stdin="hello\n",
        files={"in/a.txt": "text\n", "b": b"\xff\x00"},
        outputs=["out", "b", "in/a.txt", "missing"],
    )
    assert (execution.outcome, execution.status) == (Outcome.PASS, 0)
    assert (execution.stdout, execution.stderr) == (f"hello\n{SH}\n", "oops\n")
    assert execution.files == {"out": b"text\n", "b": b"\xff\x00", "in/a.txt": b"text\n"}
    assert (execution.tests_total, execution.failures, execution.isolation) == (0, (), "full")
    assert execution.cpu > 0
    assert execution.memory > 1 << 19


@pytest.mark.parametrize(
    ("script", "outcome", "status", "detail"),
    [
        ("exit 0", "pass", 0, ""),
        ("exit 3", "fail", 3, "exit status 3"),
        ("nonsense", "fail", 127, "exit status 127"),
        ("kill -9 $$", "crash", -9, "died by signal 9"),
        ("kill -11 $$", "crash", -11, "died by signal 11"),
        ("sleep 60", "timeout", None, "wall limit"),
        ("while :; do :; done", "timeout", -9, "CPU limit"),
        ("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxx; done", "output", None, "output limit"),
        ("cat /dev/zero > big", "fail", 1, "exit status 1"),
    ],
)
def test_every_end_has_its_outcome(sandbox, script, outcome, status, detail):
    execution = shell(sandbox, script, limits=Limits(wall=2.0, cpu=0.5, output=4096, files=1 << 20))
    assert (execution.outcome, execution.detail) == (outcome, detail) or "big" in script, execution
    assert execution.status == status or script.startswith(("while", "cat"))


def test_the_memory_limit_is_the_executables_own_address_space(sandbox):
    script = "seq 4000000 | { read -r x; x=$(seq 9000000); echo ${#x}; }"
    execution = shell(sandbox, script, limits=Limits(memory=32 << 20))
    assert execution.outcome in (Outcome.FAIL, Outcome.CRASH)
    assert not execution.stdout
    assert shell(sandbox, script.replace("9000000", "1000"), limits=Limits(memory=32 << 20)).outcome == Outcome.PASS


def test_a_small_memory_limit_is_the_executables_alone(sandbox):
    data = os.urandom(900_000)
    execution = run(sandbox, "/usr/bin/cat", limits=Limits(memory=8 << 20), files={"x": data}, outputs=["x"])
    assert (execution.outcome, execution.files) == (Outcome.PASS, {"x": data})
    assert run(sandbox, "/usr/bin/cat", limits=Limits(memory=4096)).outcome in (Outcome.CRASH, Outcome.FAIL)


def test_the_environment_is_the_one_given(sandbox):
    execution = run(sandbox, "/usr/bin/env", environment={"A": "1", "B": "x=y z"})
    assert sorted(execution.stdout.splitlines()) == ["A=1", "B=x=y z"]
    assert run(sandbox, "/usr/bin/env").stdout == ""


def test_it_starts_in_an_empty_private_directory(sandbox):
    for _ in range(2):
        execution = shell(sandbox, "ls -A; ls -A ..; echo x > left; mkdir -p d/e; chmod 000 d")
        assert execution.stdout.split() == sorted(execution.stdout.split())
        assert "left" not in execution.stdout
        assert {"usr", "tmp", "dev"} >= set(execution.stdout.split()) - {"lib", "lib64", "lib32", "etc", "root", "opt"}


def test_a_script_among_the_files_can_be_executed(sandbox):
    execution = shell(sandbox, "./run.sh", files={"run.sh": f"#!{SH}\necho ran\n"})
    assert (execution.outcome, execution.stdout) == (Outcome.PASS, "ran\n")


def test_large_inputs_and_files_arrive_whole():
    data = os.urandom(3 << 20)
    with Sandbox(1, limits=Limits(files=16 << 20), readable=TOOLS) as roomy:
        execution = shell(
            roomy, "cat > copy; cat given > again", stdin=data, files={"given": data}, outputs=["copy", "again"]
        )
    assert execution.files == {"copy": data, "again": data}


def test_what_is_not_shown_is_refused_and_what_cannot_start_is_invalid(sandbox):
    execution = run(sandbox, "/usr/bin/id")
    assert (execution.outcome, execution.status) == (Outcome.REFUSED, None)
    assert "/usr/bin/id" in execution.detail
    assert run(sandbox, "/usr/bin/../bin/id").outcome == Outcome.REFUSED
    assert shell(sandbox, "/usr/bin/id").status == 127
    with Sandbox(1, limits=SHORT, readable=["/usr/share/zoneinfo"]) as other:
        execution = run(other, "/usr/share/zoneinfo/nothing")
        assert (execution.outcome, execution.status) == (Outcome.INVALID, None)
        assert "/usr/share/zoneinfo/nothing" in execution.detail
        assert run(other, "/usr/share/zoneinfo").outcome == Outcome.INVALID


def test_files_that_do_not_fit_are_invalid(sandbox):
    execution = shell(sandbox, "true", files={"big": bytes(2 << 20)})
    assert (execution.outcome, execution.status) == (Outcome.INVALID, None)
    assert "big" in execution.detail
    execution = shell(sandbox, "true", files={"a": "x", "a/b": "y"})
    assert execution.outcome == Outcome.INVALID
    assert shell(sandbox, "exit 0").outcome == Outcome.PASS


@pytest.mark.parametrize("path", ["/dev/fd", "relative", "/no/such/path", "/", "/tmp", "/proc/self", "/dev/null"])
def test_what_cannot_be_shown_is_refused_at_the_start(path):
    with pytest.raises(SandboxError, match="readable"):
        Sandbox(1, readable=[path])


@pytest.mark.parametrize(
    "parts",
    [
        {"argv": []},
        {"argv": "/bin/sh"},
        {"argv": ["sh"]},
        {"argv": ["/bin/sh", "a\0b"]},
        {"files": {"/etc/passwd": ""}},
        {"files": {"../x": ""}},
        {"files": {"": ""}},
        {"files": {"x": "\udc80"}},
        {"outputs": ["a/../../x"]},
        {"outputs": ["/".join("abcdefgh" * 5)]},
        {"environment": {"A=B": "1"}},
        {"environment": {"A": "\0"}},
    ],
)
def test_what_cannot_be_a_command_is_refused_when_it_is_made(parts):
    with pytest.raises(ValueError):  # noqa: PT011
        Command(**{"argv": [SH], **parts})


def test_commands_and_jobs_share_a_stream_and_equal_ones_run_once(sandbox):
    job = Job("def f(): return 1", ["assert f() == 1"], "f")
    one = Command((SH, "-c", "echo $$; cat x"), files={"x": "1"})
    other = Command((SH, "-c", "echo $$; cat x"), files={"x": "2"})
    found = {execution.index: execution for execution in sandbox.run([one, job, other, one, job])}
    assert [found[index].outcome for index in range(5)] == ["pass"] * 5
    assert found[0].stdout == found[3].stdout
    assert (found[0].stdout.split()[1:], found[2].stdout.split()[1:]) == (["1"], ["2"])
    assert found[0].behaviour == found[3].behaviour != found[2].behaviour
    assert found[1].tests_total == 1


def test_levels_that_lack_a_wall_refuse_what_needs_it():
    with Sandbox(1, limits=SHORT, readable=TOOLS, require="no-namespaces", level="no-namespaces") as weak:
        execution = run(weak, SH, "-c", "exit 0")
        assert (execution.outcome, execution.isolation) == (Outcome.REFUSED, "no-namespaces")
        assert "no-namespaces" in execution.detail
    with Sandbox(1, limits=SHORT, readable=TOOLS, require="rlimits-only", level="rlimits-only") as weak:
        assert run(weak, SH, "-c", "exit 4").status == 4
        assert shell(weak, "cat", stdin="x").stdout == "x"
        assert run(weak, SH, "-c", "kill -9 $$").status == -9
        for parts in ({"files": {"x": ""}}, {"outputs": ["x"]}):
            execution = run(weak, SH, "-c", "exit 0", **parts)
            assert execution.outcome == Outcome.REFUSED
            assert "directory" in execution.detail


def test_what_earlier_sandboxes_left_does_not_count_against_the_process_limit():
    for _ in range(12):
        with Sandbox(1, limits=SHORT, readable=TOOLS, require="rlimits-only", level="rlimits-only") as weak:
            assert run(weak, SH, "-c", "exit 4").status == 4


def test_programs_may_execute_what_is_shown(sandbox):
    source = "import subprocess\ndef f(): return subprocess.check_output(['/usr/bin/sh', '-c', 'echo ran'])"
    [execution] = sandbox.run([Job(source, ["assert f() == b'ran\\n'"], "f")])
    assert execution.outcome == Outcome.PASS, execution


# Real tools


def test_sqlite(sandbox):
    if not os.path.exists("/usr/bin/sqlite3"):
        pytest.skip("there is no /usr/bin/sqlite3")
    with Sandbox(1, limits=SHORT, readable=["/usr/bin/sqlite3"]) as tools:
        script = "create table t(x); insert into t values (1), (2); select sum(x) from t;\n"
        execution = run(tools, "/usr/bin/sqlite3", "t.db", stdin=script, outputs=["t.db"])
        assert (execution.outcome, execution.stdout) == (Outcome.PASS, "3\n")
        assert execution.files["t.db"].startswith(b"SQLite format 3")


def test_a_compiler(sandbox):
    if not (os.path.exists("/usr/bin/gcc") and os.path.exists("/usr/include/stdio.h")):
        pytest.skip("there is no C compiler")
    with Sandbox(1, limits=Limits(memory=2 << 30), readable=["/usr/bin", "/usr/include", "/usr/libexec"][:2]) as tools:
        code = '#include <stdio.h>\nint main(void) { int n; scanf("%d", &n); printf("%d\\n", n * n); return n; }\n'
        made = run(
            tools, "/usr/bin/gcc", "a.c", "-o", "a.out",
            files={"a.c": code}, outputs=["a.out"], environment={"PATH": "/usr/bin"},
        )  # fmt: skip
        assert made.outcome == Outcome.PASS, made
        ran = run(tools, SH, "-c", "./a.out", files=made.files, stdin="7")
        assert (ran.stdout, ran.status) == ("49\n", 7)


# Hostile commands


def test_links_pipes_and_directories_are_no_outputs(sandbox):
    script = (
        "ln -s /etc/passwd passwd; ln -s ../etc up; mkfifo pipe; mkdir folder; echo x > folder/real; "
        "ln -s folder link; ln -s folder/real near; ln -s /dev/zero zero; echo y > hidden; chmod 000 hidden; exit 0"
    )
    outputs = ["passwd", "up/passwd", "pipe", "folder", "folder/real", "link/real", "near", "zero", "hidden", "."]
    execution = shell(sandbox, script, outputs=outputs[:-1])
    assert execution.outcome == Outcome.PASS, execution
    assert execution.files == {"folder/real": b"x\n"}


def test_links_that_lead_out_are_dead_ends_for_the_next_command(sandbox):
    shell(sandbox, "ln -s / root; ln -s /dev dev")
    execution = shell(sandbox, "cat dev/x", files={"dev/x": "mine", "root/tmp/y": "z"})
    assert (execution.outcome, execution.stdout) == (Outcome.PASS, "mine")


def test_huge_outputs_are_not_handed_over(sandbox):
    script = "for n in 1 2 3; do truncate -s 900000 big$n || exit 1; done"
    execution = shell(sandbox, script, outputs=["big1"])
    assert (execution.outcome, len(execution.files["big1"])) == (Outcome.PASS, 900_000)
    execution = shell(sandbox, script, outputs=["big1", "big2", "big3"])
    assert (execution.outcome, execution.detail) == (Outcome.OUTPUT, "the outputs are larger than the files limit")
    execution = shell(sandbox, "truncate -s 1T big || exit 3", outputs=["big"])
    assert execution.outcome in (Outcome.FAIL, Outcome.CRASH)
    assert execution.files.get("big", b"") == b""


def test_deep_directories_and_many_files_are_cleaned_up(sandbox):
    deep = "d=.; n=0; while [ $n -lt 400 ]; do mkdir d && cd d || exit 1; n=$((n+1)); done; echo x > x"
    assert shell(sandbox, deep).outcome == Outcome.PASS
    many = "n=0; while echo x > f$n; do n=$((n+1)); done; exit 0"
    shell(sandbox, many)
    assert shell(sandbox, "ls -A").stdout == ""


def test_what_is_left_running_is_ended(sandbox):
    shell(sandbox, "exit 0")
    before = len(settled())
    script = "(trap '' TERM HUP; sleep 60; echo late > out) & sleep 60 & echo x > out; exit 0"
    execution = shell(sandbox, script, outputs=["out"])
    assert (execution.outcome, execution.files) == (Outcome.PASS, {"out": b"x\n"})
    assert execution.seconds < 3
    execution = shell(sandbox, "while :; do sh -c 'while :; do :; done' & sleep 0.01; done")
    assert execution.outcome in (Outcome.FAIL, Outcome.TIMEOUT, Outcome.CRASH)
    assert len(settled()) <= before
    assert shell(sandbox, "ls -A").stdout == ""


def test_the_steward_cannot_be_reached(sandbox):
    execution = shell(sandbox, "kill -9 1; kill -STOP 1; kill -9 -1; exit 5")
    assert execution.status in (5, -9)
    execution = shell(sandbox, "ls /proc /sys; echo x >&3; cat <&3; exit 6")
    assert execution.status == 6
    execution = shell(sandbox, "kill -9 1; echo x > out; exit 0", outputs=["out"])
    assert (execution.outcome, execution.files) == (Outcome.PASS, {"out": b"x\n"})


def test_the_host_is_out_of_reach(sandbox, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    script = f"cat {secret} /etc/passwd /proc/1/environ; echo x > /usr/bin/x; echo x > /etc/x; echo x > {SH}; exit 0"
    execution = shell(sandbox, script)
    assert execution.stdout == ""
    assert secret.read_text() == "secret"
    assert not Path("/usr/bin/x").exists()
