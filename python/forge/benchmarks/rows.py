"""Where a benchmark's published rows come from: a file below FORGE_DATA, else the hub by name, else nowhere.

Nothing is ever stored: the hub's own cache is the only copy that a connected machine keeps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from forge.errors import DataError
from forge.lines import Source, parsed
from forge.types import Problem

Row = Mapping[str, Any]
Stated = TypeVar("Stated")


def problems_of(rows: Iterable[Row], state: Callable[[Row], Problem], name: str) -> Iterator[Problem]:
    """The problems that rows state.

    Raises:
        DataError: a row states none; the message names it.
    """
    for number, row in enumerate(rows, start=1):
        try:
            yield state(row)
        except ValueError as failure:
            raise DataError(f"{name}, row {number}: {failure}", "the published columns may have changed") from failure


def published(hub: str, path: str = "", *, config: str = "", split: str = "test", **options: Any) -> list[Row]:
    """All rows: of the file at `path` below FORGE_DATA where that is set and the file is there, else of the hub.

    Raises:
        DataError: they can be had from neither.
    """
    folder = os.environ.get("FORGE_DATA")
    file = Path(folder) / path if folder and path else None
    if file is not None and file.exists():
        return rows_in(str(file))
    try:
        from datasets import load_dataset
    except ImportError:
        hint = "pip install forge[data] to have it from the hub by name"
        if path:
            hint = f"set FORGE_DATA to a folder that holds {path}, or {hint}"
        raise DataError(f"{hub} is not on this machine", hint) from None
    arguments = [hub, config] if config else [hub]
    try:
        return [dict(row) for row in load_dataset(*arguments, split=split, **options)]
    except Exception as failure:
        hint = "check the network" + (", or set FORGE_DATA" if path else "")
        raise DataError(f"cannot get {hub} from the hub: {failure}", hint) from failure


def rows_in(name: str) -> list[Row]:
    """The rows of a JSONL file or a JSON list, gzipped or not.

    Raises:
        DataError: it cannot be read, or a row is no JSON object.
    """
    return states_in(name, lambda row: row)


def states_in(name: str, state: Callable[[Row], Stated]) -> list[Stated]:
    """What the rows of a file state.

    Raises:
        DataError: it cannot be read, or a row is no JSON object or states nothing; the message says which.
    """
    found: list[Stated] = []
    with Source(name) as source:
        for number, line in source:
            try:
                row = parsed(line)
                if not isinstance(row, Mapping):
                    raise ValueError(f"a row should be a JSON object, not {type(row).__name__}")
                found.append(state(row))
            except (ValueError, RecursionError) as failure:
                where = f"{name}, {source.unit} {number}"
                raise DataError(f"{where}: {failure}", "restore the line or remove it") from failure
    if source.failure:
        raise source.failure
    return found
