"""Rows of a JSONL file, each once: near-duplicate code is left out, and what is kept is kept as it was.

Rows are read by the batch and written as they are placed, so that what is held is what `dedup` holds of each kept
text, and never the file. A row that cannot be read is told and left out. What counts as a duplicate is in `dedup`.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from forge.dedup import Index, Member
from forge.errors import DataError, ForgeError
from forge.lines import NOT_JSON, Source, parsed_row

FIELDS = ("code", "source", "completion", "text")
"""Where a row's code is looked for if no field is named: the first that it has."""

BATCH = 4096
"""How many rows are read before they are placed."""

HELD = 16 << 20
"""After how many bytes of rows, though."""

SHOWN = 100
"""How many faulty rows are talked about."""


@dataclass(slots=True)
class Count:
    """How many rows were placed at each level, and how many could not be."""

    levels: Counter[str] = field(default_factory=Counter)
    faults: int = 0


@dataclass(frozen=True, slots=True)
class _Row:
    line: bytes
    value: dict[str, Any]
    text: str
    key: Hashable


def run(
    source: Source,
    output: BinaryIO,
    text: str | None,
    keys: Sequence[str],
    threshold: float | None,
    every: bool,
    say: Callable[[str], None],
) -> Count:
    """Write the rows whose code is new, or with `every` all rows with where they belong.

    Args:
        text: the field that holds the code; the first of `FIELDS` that a row has if None.
        keys: the fields whose values together are the key; without any, rows are merged by fingerprint only.
        say: is told what is wrong with a row.

    Raises:
        DataError: the source ended in something unreadable; what came before was written.
        ForgeError: the output cannot be written.
    """
    index, count = Index(threshold), Count()
    for rows in _batches(_rows(source, text, keys, count, say)):
        members = index.insert_all([row.text for row in rows], [row.key for row in rows])
        for row, member in zip(rows, members, strict=True):
            count.levels[member.level] += 1
            if every or member.level == "new":
                output.write(_marked(row, member) if every else row.line)
    if source.failure:
        raise source.failure
    return count


def summary(count: Count, seconds: float) -> str:
    """One paragraph for people: how many rows, how many were kept, why the others were not, how fast."""
    rows, kept = count.levels.total(), count.levels["new"]
    merged = ", ".join(f"{level} {count.levels[level]}" for level in ("exact", "fingerprint", "shingles"))
    rate = f"{rows / seconds:,.0f} rows/s" if seconds > 0 else "at once"
    left = f"; {count.faults} could not be read and were left out" if count.faults else ""
    return f"{rows} {'row' if rows == 1 else 'rows'}, {kept} kept{left}\nmerged: {merged}\n{seconds:.1f} s, {rate}"


@contextmanager
def opened(path: Path | None) -> Iterator[BinaryIO]:
    """Where rows go: standard output, or a new file that is there when it is whole.

    Raises:
        DataError: the file exists.
        ForgeError: it cannot be written.
    """
    if path is None:
        with os.fdopen(os.dup(1), "wb") as output:
            yield output
        return
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    if path.exists():
        raise DataError(f"{path} exists", "choose another --out")
    try:
        with part.open("xb") as output:
            yield output
        part.rename(path)
    except OSError as failure:
        raise ForgeError(f"cannot write {path}: {failure.strerror}", "make room, or choose another --out") from failure
    finally:
        part.unlink(missing_ok=True)


def _batches(rows: Iterator[_Row]) -> Iterator[list[_Row]]:
    batch: list[_Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row.line)
        if len(batch) >= BATCH or size >= HELD:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _rows(
    source: Source, text: str | None, keys: Sequence[str], count: Count, say: Callable[[str], None]
) -> Iterator[_Row]:
    for number, line in source:
        try:
            yield _row(line, text, keys)
        except (ValueError, RecursionError) as failure:
            if not line.endswith(b"\n") and str(failure).startswith(NOT_JSON):
                say(f"{source.name}, line {number}: torn, so passed over")
                return
            count.faults += 1
            if count.faults <= SHOWN:
                say(f"{source.name}, line {number}: {failure}")
            if count.faults == SHOWN:
                say("further rows that cannot be read are only counted")


def _row(line: bytes, text: str | None, keys: Sequence[str]) -> _Row:
    value = parsed_row(line)
    name = text or next((name for name in FIELDS if name in value), None)
    if name is None:
        raise ValueError(f"has none of {', '.join(FIELDS)}; --text names the field that holds the code")
    code = _value(value, name)
    if not isinstance(code, str):
        raise ValueError(f"{name} should be text, not {type(code).__name__}")
    if not code.isascii():
        try:
            code.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{name} holds a lone surrogate") from None
    key = tuple(_hashable(_value(value, name), name) for name in keys) if keys else None
    return _Row(line if line.endswith(b"\n") else line + b"\n", value, code, key)


def _value(row: dict[str, Any], name: str) -> Any:
    if name not in row:
        raise ValueError(f"has no {name}")
    return row[name]


def _hashable(value: Any, name: str) -> Hashable:
    if isinstance(value, dict):
        raise ValueError(f"{name} is an object, which cannot be a key")
    if isinstance(value, list):
        return tuple(_hashable(member, name) for member in value)
    return value if isinstance(value, str | int | float) else None


def _marked(row: _Row, member: Member) -> bytes:
    marks = {"cluster": member.cluster, "level": member.level, "similarity": member.similarity}
    return json.dumps({**row.value, **marks}).encode() + b"\n"
