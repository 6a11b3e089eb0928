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
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic

from forge.errors import DataError, ForgeError
from forge.types import Noun, from_row, to_row


class Rows(Generic[Noun]):
    """The rows of one noun in one file."""

    def __init__(self, path: Path, kind: type[Noun]) -> None:
        self.path = path
        self.kind: type[Noun] = kind

    def read(self) -> list[Noun]:
        """All whole rows in file order; none where there is no file yet.

        Raises:
            DataError: a line other than a torn last one is not a row of this noun.
        """
        rows = []
        for number, row in read_lines(self.path):
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
        data = "".join(json.dumps(to_row(row), ensure_ascii=True, default=dict) + "\n" for row in rows).encode()
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b") as file:
                drop_torn_line(file.fileno())
                start = os.fstat(file.fileno()).st_size
                try:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    os.ftruncate(file.fileno(), start)
                    raise


def read_lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Line number and object of each line of a JSONL file; a torn last line (no newline) is passed over.

    Raises:
        DataError: another line is not a JSON object.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as failure:
        raise DataError(f"cannot read {path}: {failure.strerror}") from failure
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
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
        with sibling.open("w", encoding="utf-8") as file:
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
