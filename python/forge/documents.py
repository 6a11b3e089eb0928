"""Files that are one JSON document, or an archive of them, as rows: arrays, result files, logs of other tools.

    sanitized-mbpp.json            [{"task_id": 2, ...}, ...]
    samples_eval_results.json      {"eval": {"HumanEval/0": [{"solution": "...", ...}, ...]}}     EvalPlus
    log.json, log.eval             {"samples": [{"id": ..., "output": ...}, ...]}; a zip of samples     Inspect

Unlike lines, these are read whole.
"""

from __future__ import annotations

import gzip
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_SUFFIXES = (".json", ".json.gz", ".eval")


def is_document(name: str) -> bool:
    """Whether a file of this name is a document and not lines."""
    return name.endswith(_SUFFIXES)


def rows(name: str) -> list[Any]:
    """The rows of a document, in its order.

    Raises:
        ValueError: it is no JSON, or holds no rows in a form that is known.
        OSError, EOFError: it cannot be read.
        RecursionError: it is nested too deeply.
    """
    if name.endswith(".eval"):
        return _archived(Path(name))
    data = Path(name).read_bytes()
    document = json.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    if isinstance(document, list):
        return document
    if isinstance(document, Mapping) and isinstance(document.get("samples"), list):
        return list(document["samples"])
    if isinstance(document, Mapping) and isinstance(document.get("eval"), Mapping):
        return [row for task, found in document["eval"].items() for row in _results(task, found)]
    raise ValueError("neither a list of rows, nor a log with `samples`, nor results with `eval`")


def _results(task: str, found: Any) -> list[Any]:
    """The results of one problem in EvalPlus's file."""
    if not isinstance(found, list):
        raise ValueError(f"eval.{task} should be a list, not {type(found).__name__}")
    return [{"task_id": task, **row} if isinstance(row, Mapping) else row for row in found]


def _archived(path: Path) -> list[Any]:
    """The samples in Inspect's archive, by problem and epoch as their names have them."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.startswith("samples/") and name.endswith(".json")]
            return [json.loads(archive.read(name)) for name in sorted(names, key=_natural)]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as failure:
        raise ValueError(str(failure).lower()) from failure


def _natural(name: str) -> list[Any]:
    """Orders numbers in names by their value."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
