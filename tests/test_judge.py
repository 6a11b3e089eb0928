"""`forge judge`: real processes and real files, judged by the real sandbox."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from forge import extract, payload

INC = 'def inc(x):\n    """Add one."""\n'
RIGHT = {"task_id": "t/1", "source": "def inc(x):\n    return x + 1\n", "tests": ["assert inc(1) == 2"]}
WRONG = {
    "task_id": "t/2",
    "source": "def inc(x):\n    return x\n",
    "tests": ["assert inc(0) == 0", "assert inc(1) == 2"],
}
NUL = "\0 this never reaches a worker"


def judge(*arguments: str, cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "forge", "judge", *arguments]
    done = subprocess.run(command, capture_output=True, input=stdin, cwd=cwd, timeout=120)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


def written(path: Path, rows: Sequence[Mapping[str, Any] | str]) -> Path:
    """A file of these rows; a text stands for itself."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    data = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_kind_of_row_is_judged_in_the_order_of_the_file(tmp_path: Path) -> None:
    check = "def check(candidate):\n    assert candidate(1) == 2\n"
    slow = {"task_id": "slow", "source": "while True:\n    pass\n", "tests": ["assert True"]}
    completion = {"task_id": "c", "prompt": INC, "completion": "Sure:\n```python\ndef inc(x):\n    return x + 1\n```"}
    attempt = {"id": "a7", "problem_id": "own/1", "index": 3, "finish": "stop", "generator": "g", "parent": ""}
    own = {"id": "own/1", "domain": "python", "split": "train", "prompt": INC, "reference": "",
           "tests": {"entry_point": "inc", "setup": "", "asserts": ["assert inc(3) == 4"]}}  # fmt: skip
    written(tmp_path / "problems.jsonl", [own, {"task_id": "p/2", "entry_point": "inc", "prompt": INC, "test": check}])
    written(tmp_path / "in.jsonl", [
        slow,
        RIGHT,
        WRONG,
        "",
        {**completion, "tests": ["assert inc(1) == 2"], "entry_point": "inc"},
        {"task_id": "d", "solution": RIGHT["source"], "entry_point": "inc", "test": check},
        {"task_id": "e", "solution": RIGHT["source"], "test": "n = 4\nassert inc(n) == 5", "setup": "n = 3"},
        {"id": "f", "source": RIGHT["source"], "entry_point": "inc", "tests": [{"input": [1], "expected": 3}]},
        {**attempt, "completion": "    return x + 1\n"},
        {**attempt, "completion": "    return (x +", "finish": "length"},
        {"task_id": "p/2", "completion": "    return x + 1\n"},
        {"task_id": "p/2", "solution": "    return x + 1\n"},
    ])  # fmt: skip
    done = judge("in.jsonl", "--problems", "problems.jsonl", "--cpu", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert [(row["task_id"], row["outcome"]) for row in found] == [
        ("slow", "timeout"), ("t/1", "pass"), ("t/2", "fail"), ("c", "pass"), ("d", "pass"), ("e", "pass"),
        (None, "fail"), ("own/1", "pass"), ("own/1", "truncated"), ("p/2", "pass"), ("p/2", "invalid"),
    ]  # fmt: skip
    assert found[2] == {
        "task_id": "t/2", "passed": False, "outcome": "fail", "feedback": "inc(1) returned 1, expected 2",
        "tests_passed": 1, "tests_total": 2, "isolation": "full", "shared_process": False,
    }  # fmt: skip
    assert found[6]["id"] == "f"
    assert found[6]["feedback"] == "inc(1) returned 2, expected 3"
    assert found[7]["id"] == "a7"
    assert [row["passed"] for row in found] == [row["outcome"] == "pass" for row in found]
    assert "11 rows" in done.stderr
    assert "outcomes: pass 6, fail 2" in done.stderr
    assert re.search(r"passed: 54\.5 % of rows\n", done.stderr)


def test_a_row_that_cannot_be_judged_is_told_and_the_rest_is_judged(tmp_path: Path) -> None:
    bad: dict[str, str | dict[str, Any]] = {
        '{"task_id": ': "not JSON: expecting value at character 14",
        "[1]": "a row should be a JSON object, not list",
        "[" * 100_000: "maximum recursion depth exceeded",
        '{"task_id": "no tests", "source": ""}': "has no tests, and no problems were named",
        '{"source": "x"}': "has neither tests nor a task_id",
        '{"task_id": "x", "tests": ["a"]}': "has no source, solution or completion",
        '{"task_id": "x", "source": 3, "tests": ["a"]}': "source should be text, not int",
        '{"task_id": "x", "source": "", "tests": "a"}': "tests should be a list, not str",
        '{"task_id": "x", "source": "", "tests": []}': "tests is empty",
        '{"task_id": "x", "source": "", "tests": [1]}': "a test should be a statement",
        '{"task_id": ["x"], "source": "", "tests": ["a"]}': "task_id should be text or a whole number, not list",
        '{"task_id": "x", "source": "", "test": "def check(candidate): pass"}': "no entry_point to check",
        '{"task_id": "x", "source": "", "tests": [{"input": [], "expected": 1}]}': "no entry_point to call",
        '{"problem_id": "x"}': "field 'id' is missing",
    }
    written(tmp_path / "in.jsonl", [RIGHT, *bad, WRONG])
    with (tmp_path / "in.jsonl").open("ab") as file:
        file.write(b'{"task_id": "\xff\xfe"}\n{"task_id": "torn", "sour')
    done = judge("in.jsonl", cwd=tmp_path)
    assert done.returncode == 1
    found = rows(done.stdout)
    assert [row["outcome"] for row in found] == ["pass", *["error"] * len(bad), "fail", "error"]
    for number, (row, told) in enumerate(zip(found[1:], bad.values(), strict=False), start=2):
        assert row["detail"].startswith(f"line {number}: ")
        assert told in row["detail"]
        assert f"in.jsonl, {row['detail']}" in done.stderr
    assert found[-1]["detail"].startswith(f"line {len(bad) + 3}: not JSON")
    assert f"in.jsonl, line {len(bad) + 4}: torn, so passed over" in done.stderr
    assert "error: 15 of 17 rows could not be judged" in done.stderr
    assert "50.0 %" in done.stderr
    assert "Traceback" not in done.stderr
    named = judge("in.jsonl", "--problems", str(written(tmp_path / "p.jsonl", [{**RIGHT, "id": 1}])), cwd=tmp_path)
    assert "names the unknown problem 'no tests'" in named.stderr


def test_a_torn_last_line_alone_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps(RIGHT) + '\n{"task_id": "torn", "sour')
    done = judge("in.jsonl", cwd=tmp_path)
    assert (done.returncode, len(rows(done.stdout))) == (0, 1)
    assert "in.jsonl, line 2: torn, so passed over" in done.stderr
    (tmp_path / "in.jsonl").write_text(json.dumps(RIGHT) + "\n" + json.dumps(WRONG))
    assert len(rows(judge("in.jsonl", cwd=tmp_path).stdout)) == 2, "a last line may lack its newline"


def test_gzip_and_standard_input_give_what_the_plain_file_gives(tmp_path: Path) -> None:
    plain = written(tmp_path / "in.jsonl", [RIGHT, WRONG])
    zipped = written(tmp_path / "in.jsonl.gz", [RIGHT, WRONG])
    wanted = judge("in.jsonl", cwd=tmp_path).stdout
    assert len(rows(wanted)) == 2
    assert judge("in.jsonl.gz", cwd=tmp_path).stdout == wanted
    assert judge("-", cwd=tmp_path, stdin=plain.read_bytes()).stdout == wanted
    assert judge("-", cwd=tmp_path, stdin=zipped.read_bytes()).stdout == wanted


def test_what_comes_before_damage_in_a_gzip_file_is_judged(tmp_path: Path) -> None:
    many = [{**RIGHT, "task_id": f"{i}", "source": f"{RIGHT['source']}# {os.urandom(40).hex()}"} for i in range(40)]
    path = written(tmp_path / "in.jsonl.gz", many)
    path.write_bytes(path.read_bytes()[:-1500])
    done = judge("in.jsonl.gz", cwd=tmp_path)
    assert done.returncode == 2
    assert "error: cannot read in.jsonl.gz: compressed file ended" in done.stderr.replace("\n", " ")
    found = rows(done.stdout)
    assert 0 < len(found) < 40
    assert {row["outcome"] for row in found} == {"pass"}


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("none.jsonl",), 2, "error: no file at none.jsonl hint: give a JSONL file"),
        (("plain.gz",), 2, "error: cannot read plain.gz: not a gzipped file"),
        (("in.jsonl", "--benchmark", "humanevil"), 2, "error: unknown benchmark 'humanevil' hint: did you mean"),
        (("in.jsonl", "--problems", "none.jsonl"), 2, "error: no file at none.jsonl"),
        (("in.jsonl", "--problems", "twice.jsonl"), 2, "error: problem 't/1' of twice.jsonl appears twice"),
        (("in.jsonl", "--problems", "torn.jsonl"), 2, "error: torn.jsonl, line 2: not JSON"),
        (("in.jsonl", "--problems", "empty.jsonl"), 2, "error: empty.jsonl holds no problem"),
        (("in.jsonl", "--problems", "twice.jsonl", "--benchmark", "humaneval"), 2, "give one"),
        (("in.jsonl", "--resume"), 2, "--resume needs the --out"),
        (("in.jsonl", "--out", "torn.jsonl"), 2, "error: torn.jsonl exists hint: --resume goes on"),
        (("in.jsonl", "--out", "torn.jsonl", "--resume"), 2, "error: torn.jsonl, line 1: not a row of forge judge"),
        (("in.jsonl", "--out", "long.jsonl", "--resume"), 2, "error: long.jsonl holds 2 rows, in.jsonl only 1"),
        (("in.jsonl", "--out", "other.jsonl", "--resume"), 2, "error: row 1 of other.jsonl is on 'x', line 1 of"),
        (("in.jsonl", "--out", "in.jsonl/out"), 3, "error: cannot write in.jsonl/out"),
        (("in.jsonl", "--require", "most"), 2, "Invalid value for '--require'"),
        (("in.jsonl", "--wall", "nan"), 2, "limit wall should be positive, not nan"),
        (("run.toml",), 2, "forge rejudge judges what its run owes"),
    ],
)  # fmt: skip
def test_wrong_use_gets_one_clear_message_and_leaves_files_alone(
    tmp_path: Path, arguments: tuple[str, ...], code: int, told: str
) -> None:
    written(tmp_path / "in.jsonl", [RIGHT])
    written(tmp_path / "twice.jsonl", [RIGHT, RIGHT])
    written(tmp_path / "torn.jsonl", [RIGHT, '{"task_id"'])
    written(tmp_path / "empty.jsonl", [])
    written(tmp_path / "long.jsonl", [{"task_id": "t/1", "outcome": "pass"}] * 2)
    written(tmp_path / "other.jsonl", [{"task_id": "x", "outcome": "pass"}])
    (tmp_path / "plain.gz").write_text(json.dumps(RIGHT))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    done = judge(*arguments, cwd=tmp_path)
    said = " ".join(done.stderr.split())
    assert (done.returncode, done.stdout) == (code, ""), said
    assert told in said
    assert "Traceback" not in said
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_program_that_needs_its_tests_beside_it_is_refused_unless_allowed(tmp_path: Path) -> None:
    shared = {"task_id": "s", "source": "class Box:\n    value = 1\n", "tests": ["assert Box().value == 1"]}
    written(tmp_path / "in.jsonl", [shared])
    apart, beside = judge("in.jsonl", cwd=tmp_path), judge("in.jsonl", "--allow-shared", cwd=tmp_path)
    assert [(r["outcome"], r["shared_process"]) for r in rows(apart.stdout)] == [("refused", False)]
    assert [(r["outcome"], r["shared_process"]) for r in rows(beside.stdout)] == [("pass", True)]


def many(path: Path, count: int, pause: float = 0.0) -> Path:
    """Distinct programs, every seventh wrong; each takes `pause` seconds."""
    body = f"    import time\n    time.sleep({pause})\n" if pause else ""
    rows = (
        {"task_id": f"m/{i}", "source": f"def inc(x):\n{body}    return x + {2 if i % 7 == 3 else 1}  # {i}\n",
         "tests": ["assert inc(1) == 2"]}
        for i in range(count)
    )  # fmt: skip
    return written(path, list(rows))


def stopped(cwd: Path, number: int, after: int) -> tuple[int, str]:
    """Send the signal `number` once `after` rows are there; how the command ended and what it said."""
    command = [sys.executable, "-m", "forge", "judge", "in.jsonl", "--out", "out.jsonl"]
    process = subprocess.Popen(command, cwd=cwd, stderr=subprocess.PIPE, text=True)
    out = cwd / "out.jsonl"
    limit = time.monotonic() + 60
    while not out.exists() or out.read_bytes().count(b"\n") < after:
        assert process.poll() is None, "ended before it could be stopped"
        assert time.monotonic() < limit
        time.sleep(0.01)
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    return process.returncode, said


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_what_was_stopped_goes_on_to_the_same_file(tmp_path: Path, number: int) -> None:
    many(tmp_path / "in.jsonl", 40, pause=0.1)
    code, said = stopped(tmp_path, number, after=8)
    out = tmp_path / "out.jsonl"
    there = out.read_bytes().count(b"\n")
    assert 8 <= there < 40
    assert out.read_bytes().endswith(b"\n")
    if number == signal.SIGINT:
        assert code == 130
        assert f"interrupted after {there} rows; the same command with --resume goes on" in said
    with out.open("ab") as file:
        file.write(b'{"task_id": "m/9')
    again = judge("in.jsonl", "--out", "out.jsonl", cwd=tmp_path)
    assert again.returncode == 2, "an existing file is not written over"
    done = judge("in.jsonl", "--out", "out.jsonl", "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"40 rows, {there} of them before" in done.stderr
    assert "outcomes: pass 34, fail 6" in done.stderr
    judge("in.jsonl", "--out", "whole.jsonl", cwd=tmp_path)
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert [row["task_id"] for row in rows(out.read_text())] == [f"m/{i}" for i in range(40)]


def test_a_reader_that_goes_away_is_no_failure(tmp_path: Path) -> None:
    many(tmp_path / "in.jsonl", 200)
    command = f"{sys.executable} -m forge judge in.jsonl | head -n 2; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert (done.returncode, len(rows(done.stdout))) == (0, 2), done.stderr
    assert "Traceback" not in done.stderr


PEAK = (
    "import sys\nfrom forge.cli import main\ntry:\n    main()\nfinally:\n"
    "    print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0], file=sys.stderr)\n"
)
"""The command, and its peak memory in KiB; `getrusage` would count what forked it."""


def peak(cwd: Path, count: int) -> int:
    """Peak memory in bytes of judging a slow row and this many behind it, which come out in order."""
    slow = {"task_id": "slow", "source": "import time\ntime.sleep(1.5)\n", "tests": ["assert True"]}
    with (cwd / "in.jsonl").open("w") as file:
        file.write(json.dumps(slow) + "\n")
        for i in range(count):
            row = {"task_id": i, "source": f"{NUL} {i} {'x' * 1000}", "tests": ["assert True"]}
            file.write(json.dumps(row) + ("\n" if i % 4 else "\n{broken\n"))
    command = [sys.executable, "-c", PEAK, "judge", "in.jsonl", "--out", f"{count}.jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)
    assert done.returncode == 1, done.stderr
    found = rows((cwd / f"{count}.jsonl").read_text())
    assert [row["task_id"] for row in found] == [
        "slow",
        *(i for j in range(count) for i in ((j,) if j % 4 else (j, None))),
    ]
    assert found[0]["outcome"] == "pass"
    return int(done.stderr.splitlines()[-1]) << 10


def test_memory_does_not_grow_with_the_number_of_rows_even_behind_a_slow_one(tmp_path: Path) -> None:
    few, many = peak(tmp_path, 9_000), peak(tmp_path, 27_000)
    assert many - few < 5 << 20, f"{(many - few) >> 10} KiB more"


def test_humaneval_samples_are_judged_by_the_benchmark_s_name_and_by_its_file(
    tmp_path: Path, benchmark_data: Path
) -> None:
    path = benchmark_data / "humaneval" / "HumanEval.jsonl.gz"
    problems = rows(gzip.decompress(path.read_bytes()).decode())
    given = []
    for problem in problems[::4]:
        whole = problem["prompt"] + problem["canonical_solution"]
        given.append({"task_id": problem["task_id"], "completion": problem["canonical_solution"]})
        given.append({"task_id": problem["task_id"], "completion": f"Here:\n```python\n{whole}\n```\n"})
        given.append({"task_id": problem["task_id"], "solution": whole})
        given.append({"task_id": problem["task_id"], "completion": "    return None\n"})
    written(tmp_path / "samples.jsonl", given)
    by_name = judge("samples.jsonl", "--benchmark", "humaneval", cwd=tmp_path)
    assert by_name.returncode == 0, by_name.stderr
    found = rows(by_name.stdout)
    assert [row["task_id"] for row in found] == [row["task_id"] for row in given]
    assert [row["passed"] for row in found] == [True, False, True, False] * 41, "a fence is no continuation"
    assert "41 completions that do not pass as official graders read it: a fence is in the way" in by_name.stderr
    by_file = judge("samples.jsonl", "--problems", str(path), cwd=tmp_path)
    assert by_file.stdout == by_name.stdout
    extracted = rows(judge("samples.jsonl", "--benchmark", "humaneval", "--extract", cwd=tmp_path).stdout)
    assert [row["passed"] for row in extracted] == [True, True, True, False] * 41
    assert [row.get("read") for row in extracted[:3]] == ["as given", "extracted", None]


def test_a_prompt_in_words_does_not_become_part_of_the_tests() -> None:
    assert extract.is_stub("\n\nimport math\n\n\ndef inc(x):\n", "inc")
    assert extract.is_stub("LIMIT = 3\ndef inc(x):\n", "inc")
    assert not extract.is_stub("import math\n", "inc")
    assert not extract.is_stub("Complete this function:\n\ndef inc(x):\n", "inc")
    row = {"prompt": f"Complete:\n{INC}", "entry_point": "inc", "test": "def check(candidate):\n    pass\n"}
    assert "Complete" not in payload.problem(row).tests["setup"]
    assert INC in payload.problem({**row, "prompt": INC}).tests["setup"]
