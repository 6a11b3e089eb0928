"""HumanEval (Chen et al. 2021): 164 hand-written functions, each with a `check(candidate)`.

    {"task_id": "HumanEval/0", "prompt": "from typing import List\\n\\n\\ndef has_close_elements(...",
     "entry_point": "has_close_elements", "canonical_solution": "    for idx, ...", "test": "def check(candidate): ..."}

Rows come from the folder in FORGE_DATA where that is set, else from the hub by name. The prompt is part of
the tests' setup too, so that helpers which a test uses are the benchmark's and not the candidate's.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from forge import samples
from forge.errors import DataError
from forge.types import Problem

HUB = "openai/openai_humaneval"


def problems() -> Iterator[Problem]:
    """All 164 problems.

    Raises:
        DataError: the rows are neither in FORGE_DATA nor to be had from the hub.
    """
    return map(samples.problem, _rows())


def _rows() -> list[dict[str, Any]]:
    folder = os.environ.get("FORGE_DATA")
    if folder:
        path = Path(folder) / "humaneval" / "HumanEval.jsonl.gz"
        try:
            with gzip.open(path, "rt", encoding="utf-8") as file:
                return [json.loads(line) for line in file if line.strip()]
        except (OSError, EOFError, ValueError) as failure:
            raise DataError(
                f"cannot read {path}: {failure}", "check FORGE_DATA, or unset it to use the hub"
            ) from failure
    try:
        from datasets import load_dataset
    except ImportError:
        raise DataError(
            "HumanEval is not on this machine", "set FORGE_DATA to a folder that has it, or pip install forge[data]"
        ) from None
    try:
        return [dict(row) for row in load_dataset(HUB, split="test")]
    except Exception as failure:
        raise DataError(
            f"cannot get {HUB} from the hub: {failure}", "check the network, or set FORGE_DATA"
        ) from failure
