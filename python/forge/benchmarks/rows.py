"""Rows of public benchmarks: from the folder in FORGE_DATA where that has them, else from the hub by name.

Nothing is ever stored: the hub's own cache is the only copy that a connected machine keeps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from forge.errors import DataError
from forge.lines import Source, parsed_row
from forge.types import Problem

Row = Mapping[str, Any]
Stated = TypeVar("Stated")


def rows(
    title: str, hub: str, split: str, place: str, configuration: str | None = None, **options: Any
) -> list[Mapping[str, Any]]:
    """The rows of a split; `place` is where its file lies in the folder: JSONL or a JSON list, gzipped or not.

    Raises:
        DataError: they are neither in FORGE_DATA nor to be had from the hub.
    """
    folder = os.environ.get("FORGE_DATA")
    if folder and (path := Path(folder) / place).exists():
        return states_in(str(path), lambda row: row)
    try:
        from datasets import load_dataset
    except ImportError:
        hint = f"set FORGE_DATA to a folder that has {place}, or pip install forge[data]"
        raise DataError(f"{title} is not on this machine", hint) from None
    try:
        return [dict(row) for row in load_dataset(hub, configuration, split=split, **options)]
    except Exception as failure:
        hint = f"check the network, or set FORGE_DATA to a folder that has {place}"
        raise DataError(f"cannot get {hub} from the hub: {failure}", hint) from failure


def text(row: Mapping[str, Any], *names: str) -> str:
    """The text in the first of these columns that a row has.

    Raises:
        DataError: it has none of them.
    """
    for name in names:
        if row.get(name) is not None:
            return str(row[name])
    raise DataError(f"a row has none of the columns {', '.join(names)}", "check that the file is the benchmark's own")


def problems_of(rows: Iterable[Row], state: Callable[[Row], Problem], title: str) -> Iterator[Problem]:
    """The problems that rows state.

    Raises:
        DataError: a row states none; the message names it.
    """
    for number, row in enumerate(rows, start=1):
        try:
            yield state(row)
        except ValueError as failure:
            hint = "check that the rows are the benchmark's own"
            raise DataError(f"{title}, row {number}: {failure}", hint) from failure


def states_in(name: str, state: Callable[[Row], Stated]) -> list[Stated]:
    """What the rows of a file state.

    Raises:
        DataError: it cannot be read, or a row is no JSON object or states nothing; the message says which.
    """
    found: list[Stated] = []
    with Source(name) as source:
        for number, line in source:
            try:
                found.append(state(parsed_row(line)))
            except (ValueError, RecursionError) as failure:
                where = f"{name}, {source.unit} {number}"
                raise DataError(f"{where}: {failure}", "restore the line or remove it") from failure
    if source.failure:
        raise source.failure
    return found
