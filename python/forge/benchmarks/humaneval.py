"""HumanEval (Chen et al. 2021): 164 hand-written functions, each with a `check(candidate)`.

    {"task_id": "HumanEval/0", "prompt": "from typing import List\\n\\n\\ndef has_close_elements(...",
     "entry_point": "has_close_elements", "canonical_solution": "    for idx, ...", "test": "def check(candidate): ..."}

The official grader runs the prompt, the completion and the test as one program. Here the prompt is part of the
tests' setup too, so that helpers which a test uses are the benchmark's and not the candidate's.
"""

from __future__ import annotations

from collections.abc import Iterator

from forge import payload
from forge.benchmarks.rows import problems_of, rows
from forge.types import Problem

HUB = "openai/openai_humaneval"
FILE = "humaneval/HumanEval.jsonl.gz"


def problems() -> Iterator[Problem]:
    """All 164 problems.

    Raises:
        DataError: the rows are neither in FORGE_DATA nor to be had from the hub.
    """
    return problems_of(rows("HumanEval", HUB, "test", FILE), payload.problem, "HumanEval")
