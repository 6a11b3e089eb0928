"""Rows on a real disk: torn, malformed, full, forbidden, locked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge.errors import DataError, ForgeError
from forge.store import Rows, locked, write_whole
from forge.types import Attempt, Problem, content_id, from_row, to_row


def attempt(number: int, text: str = "    return 1") -> Attempt:
    return Attempt(str(number), "p", number, text, "stop", "g")


def test_rows_come_back_as_they_were_appended(tmp_path: Path) -> None:
    rows = Rows(tmp_path / "deep" / "attempts.jsonl", Attempt)
    assert rows.read() == []
    rows.append([attempt(1), attempt(2)])
    rows.append([])
    rows.append([attempt(3)])
    assert rows.read() == [attempt(1), attempt(2), attempt(3)]


@given(st.text(st.characters(), max_size=60))
def test_any_text_survives_a_row(text: str) -> None:
    line = json.dumps(to_row(attempt(1, text)))
    assert from_row(Attempt, json.loads(line)) == attempt(1, text)


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_torn_last_line_is_owed_again_and_nothing_else_is_lost(tmp_path: Path, cut: int) -> None:
    rows = Rows(tmp_path / "attempts.jsonl", Attempt)
    rows.append([attempt(1), attempt(2)])
    whole = rows.path.read_bytes()
    rows.path.write_bytes(whole[:-cut])
    assert rows.read() == [attempt(1)]
    rows.append([attempt(2)])
    assert rows.path.read_bytes() == whole


def test_a_file_that_is_one_torn_line_begins_anew(tmp_path: Path) -> None:
    rows = Rows(tmp_path / "attempts.jsonl", Attempt)
    rows.path.write_bytes(b'{"id": "1", "prob' + b"x" * 9000)
    rows.append([attempt(1)])
    assert rows.read() == [attempt(1)]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("not json", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"id": "1"}', "field 'problem_id' is missing"),
        ('{"id":1,"problem_id":"p","index":0,"completion":"","finish":"","generator":""}', "field 'id' should be str"),
        ('{"id":"1","problem_id":"p","index":0,"completion":"","finish":"","generator":"","x":1}', "unknown field 'x'"),
    ],
)
def test_a_malformed_line_is_reported_with_its_number_and_kept(tmp_path: Path, line: str, told: str) -> None:
    rows = Rows(tmp_path / "attempts.jsonl", Attempt)
    rows.append([attempt(1)])
    damaged = rows.path.read_text() + line + "\n"
    rows.path.write_text(damaged)
    with pytest.raises(DataError, match="line 2: ") as failure:
        rows.read()
    assert told in str(failure.value)
    assert rows.path.read_text() == damaged


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    """A real file-size limit in a child process stands for the full disk; room for a part of the row is left."""
    rows = Rows(tmp_path / "attempts.jsonl", Attempt)
    rows.append([attempt(1)])
    before = rows.path.read_bytes()
    code = (
        "import resource, signal; from pathlib import Path; from forge.store import Rows; "
        "from forge.types import Attempt; from forge.errors import ForgeError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) + 700}, {len(before) + 700}))\n"
        "many = [Attempt(str(n), 'p', n, 'x' * 500, 'stop', 'g') for n in range(40)]\n"
        f"try: Rows(Path({str(rows.path)!r}), Attempt).append(many)\n"
        "except ForgeError as failure: print(failure)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cannot write" in done.stdout
    assert rows.path.read_bytes() == before
    rows.append([attempt(2)])
    assert rows.read() == [attempt(1), attempt(2)]


def test_rows_are_replaced_all_at_once(tmp_path: Path) -> None:
    rows = Rows(tmp_path / "pairs.jsonl", Attempt)
    rows.append([attempt(1), attempt(2)])
    rows.replace([attempt(3)])
    assert rows.read() == [attempt(3)]


def test_a_last_line_without_a_newline_counts_where_nothing_can_be_torn(tmp_path: Path) -> None:
    rows = Rows(tmp_path / "problems.jsonl", Attempt)
    rows.append([attempt(1), attempt(2)])
    rows.path.write_bytes(rows.path.read_bytes()[:-1])
    assert rows.read(torn=False) == [attempt(1), attempt(2)]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_no_space_left_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "attempts.jsonl").symlink_to("/dev/full")
    with pytest.raises(ForgeError, match="No space left") as failure:
        Rows(tmp_path / "attempts.jsonl", Attempt).append([attempt(1)])
    assert "it resumes" in failure.value.hint


def test_a_small_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    write_whole(path, "old")
    (tmp_path / "run.toml.part").mkdir()
    with pytest.raises(ForgeError):
        write_whole(path, "new")
    assert path.read_text() == "old"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_forbidden_folder_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ForgeError, match="cannot write") as failure:
        write_whole(tmp_path / "x", "")
    assert "--out" in failure.value.hint


def test_one_process_at_a_time_works_in_a_folder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(ForgeError, match="another process works in"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_ids_depend_on_content_alone() -> None:
    assert content_id("a", 1, {"x": 1, "y": 2}) == content_id("a", 1, {"y": 2, "x": 1})
    assert content_id("a", 1) != content_id("a", 2)
    problem = Problem("p", "python", "train", "def f():\n", {"asserts": ["assert f()"]})
    assert from_row(Problem, json.loads(json.dumps(to_row(problem)))) == problem
