"""Files of rows of any length, read and written line by line: what is given to be judged, and the verdicts on it.

Unlike a run's own files (`store`), which are read whole, these are never in memory: lines are read as they are
wanted, and a row is on the disk as soon as it is known.
"""

from __future__ import annotations

import fcntl
import gzip
import io
import json
import os
import zlib
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Self

from forge import documents
from forge.errors import DataError, ForgeError
from forge.store import drop_torn_line, writing
from forge.tally import Count
from forge.types import Outcome

LONGEST = 64 << 20
"""The most bytes of one line; the rest of a longer one is passed over."""

NOT_JSON = "not JSON"
"""How the message on a line that is none begins."""

_PEEKED = 256
"""The most lines that are looked at before the first is taken."""

_FIRST = b'{"task_id"'
_UNREADABLE = (OSError, EOFError, zlib.error)


class Source:
    """The lines of a JSONL file, plain or gzip, or of standard input (`-`); the rows of a JSON document (`documents`).

    Raises:
        DataError: there is no such file, or it cannot be read. What cannot be read later ends the lines and
            is in `failure`, so that what came before can be judged.
    """

    def __init__(self, name: str) -> None:
        self.name = "standard input" if name == "-" else name
        self.failure: DataError | None = None
        self.unit = "line"
        self._ahead: deque[bytes] = deque()
        self._rows: list[Any] = []
        try:
            self._plain = _opened(name)
            if documents.is_document(name):
                self.unit = "entry"
                self._rows = documents.rows(name)
                return
            self._file: Any = self._plain
            if name.endswith(".gz") or self._plain.peek(2)[:2] == b"\x1f\x8b":
                self._file = gzip.GzipFile(fileobj=self._plain)
                self._file.peek(1)
        except FileNotFoundError:
            raise DataError(f"no file at {name}", "give a JSONL file, or - for standard input") from None
        except _UNREADABLE as failure:
            raise self._unreadable(failure, "give a JSONL file, gzipped or not") from failure
        except (ValueError, RecursionError) as failure:
            raise self._unreadable(failure, "give JSONL, a JSON list of rows, or a log with samples") from failure

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._plain.close()

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Number and bytes of each line that is not blank."""
        for place, row in enumerate(self._rows, start=1):
            yield place, json.dumps(row).encode() + b"\n"
        if self.unit == "entry":
            return
        number = 0
        while line := self._ahead.popleft() if self._ahead else self._line():
            number += 1
            if not line.isspace():
                yield number, line

    def peek(self) -> Iterator[bytes]:
        """The first lines or rows, which all are still to come; a line is read when it is asked for."""
        yield from (json.dumps(row).encode() for row in self._rows[:_PEEKED])
        while self.unit == "line" and len(self._ahead) < _PEEKED and (line := self._line()):
            self._ahead.append(line)
            yield line

    def _line(self) -> bytes:
        """The next line, one byte too long if it was cut; empty at the end."""
        try:
            line: bytes = self._file.readline(LONGEST)
            if len(line) == LONGEST and not line.endswith(b"\n"):
                line += b"\n"
                while (rest := self._file.readline(1 << 20)) and not rest.endswith(b"\n"):
                    pass
        except _UNREADABLE as failure:
            self.failure = self._unreadable(failure, "check the file; what came before that point is judged")
            return b""
        return line

    def _unreadable(self, failure: BaseException, hint: str) -> DataError:
        reason = getattr(failure, "strerror", None) or str(failure).lower()
        return DataError(f"cannot read {self.name}: {reason}", hint)


class Output:
    """Rows on their way to a file, or to standard output where there is no `path`: each is whole or not there.

    Args:
        path: a new file, or with `resume` one that an earlier call left.
        resume: whether to go on after the rows that are there; what a kill left of a last one is cut away.
        names: what problems are called, for each thing that rows may call them.

    Raises:
        DataError: the file exists and is not to be resumed, or holds something else.
        ForgeError: it cannot be written, or another process writes it.
    """

    def __init__(self, path: Path | None, resume: bool = False, names: Mapping[str, str] | None = None) -> None:
        self.path = path
        self.outcomes: Counter[str] = Counter()
        self.task: Any = None
        """What the last row calls its problem."""
        self.counts: dict[str, Count] = {}
        """The samples of each problem that has a name of its own (`names`)."""
        self._names = names or {}
        if path is None:
            self._file: BinaryIO = os.fdopen(os.dup(1), "wb")
        else:
            with writing(path):
                self._file = self._opened(path, resume)
        self.before = self.rows
        """How many rows were there already."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self._file.close()
        except OSError as failure:
            # A file that could not be written has said so; closing it tries once more.
            if exception[0] is None:
                raise self._failed(failure) from failure

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.outcomes.total()

    def add(self, row: Mapping[str, Any]) -> None:
        """Write a row; it can be read as soon as this returns."""
        data = json.dumps(row).encode() + b"\n"
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as failure:
            raise self._failed(failure) from failure
        self._count(row)

    def _count(self, row: Mapping[str, Any]) -> None:
        outcome = Outcome(row["outcome"])
        self.outcomes[outcome] += 1
        task = str(row["task_id"])
        name = self._names.get(task, self._names.get(task.rpartition("/")[2]))
        if name is not None and outcome is not Outcome.ERROR:
            self.counts[name] = self.counts.get(name, Count()).more(outcome is Outcome.PASS)

    def _failed(self, failure: OSError) -> Exception:
        if self.path is None:
            return failure
        hint = "make room, then the same command with --resume goes on"
        return ForgeError(f"cannot write {self.path}: {failure.strerror}", hint)

    def _opened(self, path: Path, resume: bool) -> BinaryIO:
        if path.exists() and not path.is_file():
            return path.open("wb")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("a+b" if resume else "xb")
        except FileExistsError:
            hint = "--resume goes on after its last row; or choose another --out"
            raise DataError(f"{path} exists", hint) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ForgeError(f"another process writes {path}", "wait for it, or choose another --out") from None
        if resume:
            self._take_up(file)
        return file

    def _take_up(self, file: Any) -> None:
        """Count what is there and cut away a torn last row, unless the file holds anything else."""
        file.seek(0)
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n") and line[: len(_FIRST)] == _FIRST[: len(line)]:
                break
            try:
                row = json.loads(line)
                self.task = row["task_id"]
                self._count(row)
            except (ValueError, KeyError, TypeError, RecursionError):
                raise DataError(
                    f"{self.path}, line {number}: not a row of forge judge", "choose another --out"
                ) from None
        drop_torn_line(file.fileno())


def _opened(name: str) -> io.BufferedReader:
    if name != "-":
        return Path(name).open("rb")
    return io.BufferedReader(io.FileIO(0, closefd=False))


def parsed(line: bytes) -> Any:
    """The value of a line of JSON.

    Raises:
        ValueError: it holds none, or is too long; begins with `NOT_JSON` where it is none.
        RecursionError: it is nested too deeply.
    """
    if len(line) > LONGEST:
        raise ValueError(f"longer than {LONGEST >> 20} MiB")
    try:
        return json.loads(line)
    except json.JSONDecodeError as failure:
        reason = f"{failure.msg[:1].lower()}{failure.msg[1:]} at character {failure.pos + 1}"
        raise ValueError(f"{NOT_JSON}: {reason}") from failure
    except ValueError as failure:
        raise ValueError(f"{NOT_JSON}: {failure}") from failure


def parsed_row(line: bytes) -> dict[str, Any]:
    """The JSON object of a line.

    Raises:
        ValueError: it is none, or as in `parsed`.
        RecursionError: it is nested too deeply.
    """
    value = parsed(line)
    if not isinstance(value, dict):
        raise ValueError(f"a row should be a JSON object, not {type(value).__name__}")
    return value
