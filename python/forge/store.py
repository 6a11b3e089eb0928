"""Rows on the disk: one append-only JSONL file per noun, and small files that appear whole or not at all.

A line that a crash left torn at the end is dropped when the file is opened for appending, and its row is
owed again. A malformed line anywhere else is damage that forge did not do: it is reported with its number
and nothing is changed.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Generic

from forge.errors import DataError, ForgeError
from forge.types import Noun, from_row, to_row


class Rows(Generic[Noun]):
    """The rows of one noun in one file."""

    def __init__(self, path: Path, kind: type[Noun]) -> None:
        self.path = path
        self.kind: type[Noun] = kind

    def read(self, *, torn: bool = True) -> list[Noun]:
        """All whole rows in file order; none where there is no file yet. `torn` as in `read_lines`.

        Raises:
            DataError: a line other than a torn last one is not a row of this noun.
        """
        rows = []
        for number, row in read_lines(self.path, torn=torn):
            try:
                rows.append(from_row(self.kind, row))
            except ValueError as failure:
                raise DataError(f"{self.path}, line {number}: {failure}", "restore the line or remove it") from failure
        return rows

    def append(self, rows: Sequence[Noun]) -> None:
        """Add rows in one write and wait until the disk has them.

        Raises:
            ForgeError: the disk is full or may not be written; rows already there are kept.
        """
        if not rows:
            return
        data = "".join(_line(row) for row in rows).encode()
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: a buffer would be written again on closing, behind what a full disk made us take back.
            with self.path.open("a+b", buffering=0) as file:
                drop_torn_line(file.fileno())
                start = os.fstat(file.fileno()).st_size
                try:
                    rest = memoryview(data)
                    while rest:
                        rest = rest[file.write(rest) :]
                    os.fsync(file.fileno())
                except OSError:
                    with suppress(OSError):
                        os.ftruncate(file.fileno(), start)
                    raise

    def replace(self, rows: Sequence[Noun]) -> None:
        """Make these the file's only rows, all at once.

        Raises:
            ForgeError: the disk is full or may not be written; the rows that were there are kept.
        """
        write_whole(self.path, "".join(_line(row) for row in rows))


def _line(row: Any) -> str:
    return json.dumps(to_row(row), ensure_ascii=True, default=dict) + "\n"


def read_lines(path: Path, *, torn: bool = True) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Line number and object of each line of a JSONL file.

    A last line without a newline is passed over where it may be `torn`, as in files that forge writes.

    Raises:
        DataError: another line is not a JSON object.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as failure:
        raise DataError(f"cannot read {path}: {failure.strerror}") from failure
    lines = data.split(b"\n")
    for number, line in enumerate(lines[:-1] if torn else lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as failure:
            raise DataError(
                f"{path}, line {number}: not JSON ({failure})", "restore the line or remove it"
            ) from failure
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number}: not a JSON object", "restore the line or remove it")
        yield number, row


def drop_torn_line(descriptor: int) -> None:
    """Cut a file back to its last newline: what follows is a row that a crash interrupted."""
    size = end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - 4096)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end != size:
        os.ftruncate(descriptor, end)


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that readers see the old one or the new one, never a part.

    Raises:
        ForgeError: the disk is full or may not be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sibling = path.with_name(path.name + ".part")
        # Model text may hold half a surrogate pair, which UTF-8 cannot: shown as an escape, never lost.
        with sibling.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        sibling.replace(path)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into one message that names the file and the next step."""
    try:
        yield
    except OSError as failure:
        hints = {
            errno.ENOSPC: "free some disk space and run the same command again: it resumes",
            errno.EDQUOT: "free some of your quota and run the same command again: it resumes",
            errno.EACCES: "choose a folder you may write to with --out",
            errno.EROFS: "choose a folder you may write to with --out",
        }
        raise ForgeError(f"cannot write {path}: {failure.strerror}", hints.get(failure.errno or 0, "")) from failure


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run's folder for one process at a time; the lock dies with its holder.

    Raises:
        ForgeError: another process works in this folder.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ForgeError(f"another process works in {folder}", "wait for it, or choose another --out") from None
        yield
    finally:
        file.close()
