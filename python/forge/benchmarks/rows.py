"""Rows of public benchmarks: from the folder in FORGE_DATA where that is set, else from the hub by name."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

from forge.errors import DataError


def rows(title: str, hub: str, split: str, place: str, configuration: str | None = None) -> list[dict[str, Any]]:
    """The rows of a split; `place` is where its JSONL file lies in the folder, gzipped or not.

    Raises:
        DataError: they are neither in FORGE_DATA nor to be had from the hub.
    """
    folder = os.environ.get("FORGE_DATA")
    if folder and (path := Path(folder) / place).exists():
        try:
            with (
                gzip.open(path, "rt", encoding="utf-8")
                if place.endswith(".gz")
                else path.open(encoding="utf-8") as file
            ):
                return [json.loads(line) for line in file if line.strip()]
        except (OSError, EOFError, ValueError) as failure:
            raise DataError(f"cannot read {path}: {failure}", "check the folder that FORGE_DATA names") from failure
    try:
        from datasets import load_dataset
    except ImportError:
        hint = f"set FORGE_DATA to a folder that has {place}, or pip install forge[data]"
        raise DataError(f"{title} is not on this machine", hint) from None
    try:
        return [dict(row) for row in load_dataset(hub, configuration, split=split)]
    except Exception as failure:
        hint = f"check the network, or set FORGE_DATA to a folder that has {place}"
        raise DataError(f"cannot get {hub} from the hub: {failure}", hint) from failure


def text(row: dict[str, Any], *names: str) -> str:
    """The text in the first of these columns that a row has.

    Raises:
        DataError: it has none of them.
    """
    for name in names:
        if row.get(name) is not None:
            return str(row[name])
    raise DataError(f"a row has none of the columns {', '.join(names)}", "check that the file is the benchmark's own")
