"""`forge dedup` as a person meets it: real processes and real files."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LOOP = "    for b in a:\n        if b > 0:\n            yield b * b\n"
ONE = {"id": 1, "problem": "p", "code": f"def f(a):\n{LOOP}    return 1 + 2\n", "seen": [1]}
TWIN = {"id": 2, "problem": "p", "code": f"def f(x):  # twin\n{LOOP.replace('a', 'x')}    return (2 + 1)\n"}
NEAR = {"id": 3, "problem": "p", "code": f"def f(a):\n    print(a)\n{LOOP}    return 1 + 2\n"}
OTHER = {**NEAR, "id": 4, "problem": "q"}
SAME = {**ONE, "id": 5}
ROWS = [ONE, TWIN, NEAR, OTHER, SAME]


def dedup(*arguments: str, cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "forge", "dedup", *arguments]
    done = subprocess.run(command, capture_output=True, input=stdin, cwd=cwd, timeout=120)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


def written(path: Path, rows: list[dict[str, Any]]) -> bytes:
    data = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return data


def ids(text: str) -> list[int]:
    return [json.loads(line)["id"] for line in text.splitlines()]


def test_each_row_whose_code_is_new_is_kept_as_it_was(tmp_path: Path) -> None:
    odd = b'{"id":9,   "code": "while True: f()", "caf\\u00e9": 1e3}'
    data = written(tmp_path / "in.jsonl", ROWS)
    (tmp_path / "in.jsonl").write_bytes(data + odd)
    done = dedup("in.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert ids(done.stdout) == [1, 3, 9]
    assert done.stdout.encode().splitlines()[-1] == odd
    assert done.stdout.splitlines()[0] == json.dumps(ONE)
    assert "6 rows, 3 kept\nmerged: exact 2, fingerprint 1, shingles 0" in done.stderr


def test_rows_are_merged_by_similarity_where_their_keys_agree(tmp_path: Path) -> None:
    data = written(tmp_path / "in.jsonl.gz", ROWS)
    by_key = dedup("in.jsonl.gz", "--key", "problem", cwd=tmp_path)
    assert ids(by_key.stdout) == [1, 4], by_key.stderr
    assert "exact 1, fingerprint 1, shingles 1" in by_key.stderr
    assert ids(dedup("-", "--key", "problem", "--key", "id", cwd=tmp_path, stdin=data).stdout) == [1, 2, 3, 4, 5]
    assert ids(dedup("in.jsonl.gz", "--key", "problem", "--threshold", "0.9", cwd=tmp_path).stdout) == [1, 3, 4]
    every = dedup("-", "--key", "problem", "--all", cwd=tmp_path, stdin=data).stdout
    assert [json.loads(line) for line in every.splitlines()] == [
        {**ONE, "cluster": 0, "level": "new", "similarity": 1.0},
        {**TWIN, "cluster": 0, "level": "fingerprint", "similarity": 1.0},
        {**NEAR, "cluster": 0, "level": "shingles", "similarity": json.loads(every.splitlines()[2])["similarity"]},
        {**OTHER, "cluster": 1, "level": "new", "similarity": 1.0},
        {**SAME, "cluster": 0, "level": "exact", "similarity": 1.0},
    ]


def test_a_row_that_cannot_be_read_is_told_and_the_rest_is_done(tmp_path: Path) -> None:
    bad: dict[bytes, str] = {
        b'{"id": ': "line 2: not JSON: expecting value at character 9",
        b"[1]": "line 3: a row should be a JSON object, not list",
        b'{"id": 1}': "line 4: has none of code, source, completion, text",
        b'{"code": 3}': "line 5: code should be text, not int",
        b'{"code": "a"}': "line 6: has no problem",
        b'{"code": "a", "problem": {}}': "line 7: problem is an object, which cannot be a key",
        b'{"code": "\\ud800", "problem": 1}': "line 8: code holds a lone surrogate",
    }
    data = json.dumps(ONE).encode() + b"\n" + b"\n".join(bad) + b"\n" + json.dumps(OTHER).encode() + b'\n{"torn'
    done = dedup("-", "--key", "problem", cwd=tmp_path, stdin=data)
    assert done.returncode == 1
    assert ids(done.stdout) == [1, 4]
    for told in (*bad.values(), "line 10: torn, so passed over", "error: 7 rows could not be read"):
        assert told in done.stderr
    assert "2 rows, 2 kept; 7 could not be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_field_with_the_code_may_be_named(tmp_path: Path) -> None:
    rows = [{"id": 1, "code": "a = 1", "other": "b = 1"}, {"id": 2, "code": "a = 2", "other": "b = 1"}]
    written(tmp_path / "in.jsonl", rows)
    assert ids(dedup("in.jsonl", cwd=tmp_path).stdout) == [1, 2]
    assert ids(dedup("in.jsonl", "--text", "other", cwd=tmp_path).stdout) == [1]


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    written(tmp_path / "in.jsonl", ROWS)
    done = dedup("in.jsonl", "--out", "out.jsonl", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert ids((tmp_path / "out.jsonl").read_text()) == [1, 3]
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(os.urandom(9000).hex().encode())[:-2000])
    assert dedup("cut.jsonl.gz", "--out", "none.jsonl", cwd=tmp_path).returncode == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.jsonl.gz", "in.jsonl", "out.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("none.jsonl",), 2, "error: no file at none.jsonl"),
        (("in.jsonl", "--out", "in.jsonl"), 2, "error: in.jsonl exists hint: choose another --out"),
        (("in.jsonl", "--out", "none/out"), 3, "error: cannot write none/out"),
        (("in.jsonl", "--threshold", "2"), 2, "Invalid value for '--threshold'"),
    ],
)
def test_wrong_use_gets_one_clear_message(tmp_path: Path, arguments: tuple[str, ...], code: int, told: str) -> None:
    written(tmp_path / "in.jsonl", ROWS)
    done = dedup(*arguments, cwd=tmp_path)
    said = " ".join(done.stderr.split())
    assert (done.returncode, done.stdout) == (code, ""), said
    assert told in said
    assert "Traceback" not in said


def test_a_reader_that_goes_away_is_no_failure(tmp_path: Path) -> None:
    rows = [{"id": number, "code": f"x = {number}"} for number in range(20_000)]
    written(tmp_path / "in.jsonl", rows)
    command = f"{sys.executable} -m forge dedup in.jsonl | head -n 2; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert (done.returncode, ids(done.stdout)) == (0, [0, 1]), done.stderr
    assert "Traceback" not in done.stderr
