"""BigCodeBench (Zhuo et al. 2024): 1,140 functions that use libraries, tested by unittest classes; Hard has 148.

    {"task_id": "BigCodeBench/0", "complete_prompt": "import itertools\\n...def task_func(...", "code_prompt": "...",
     "instruct_prompt": "...", "canonical_solution": "    ...", "test": "import unittest\\n...", "libs": "['random']",
     "entry_point": "task_func"}

Tests look at objects of libraries (tables, figures) and replace parts of the program, so they share a process with
it. A problem whose libraries are not installed is not judged, and its row says which are missing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from forge import payload
from forge.benchmarks.rows import Row, problems_of, rows
from forge.payload import DOMAIN, text_of
from forge.types import Problem

HUB, HARD_HUB = "bigcode/bigcodebench", "bigcode/bigcodebench-hard"
FILE, HARD_FILE = "bigcodebench/BigCodeBench.jsonl", "bigcodebench/BigCodeBench-Hard.jsonl"
VERSION = "v0.1.4"
"""The hub has versions as splits; this is the one that current scores are on."""

_TOGETHER = "in_one_process"
"""A constant of the program that its tests name: such tests run in one process with it."""

_QUOTED = re.compile(r"['\"]([A-Za-z_]\w*)[\w.]*['\"]")


def full() -> Iterator[Problem]:
    """All 1,140 problems.

    Raises:
        DataError: the rows are neither in FORGE_DATA nor to be had from the hub.
    """
    return problems_of(rows("BigCodeBench", HUB, VERSION, FILE), problem, "BigCodeBench")


def hard() -> Iterator[Problem]:
    """The 148 problems of the Hard list.

    Raises:
        DataError: the rows are neither in FORGE_DATA nor to be had from the hub.
    """
    return problems_of(rows("BigCodeBench-Hard", HARD_HUB, VERSION, HARD_FILE), problem, "BigCodeBench-Hard")


def states(row: Row) -> bool:
    """Whether a row is one of this benchmark's."""
    return "complete_prompt" in row and "test" in row


def problem(row: Row) -> Problem:
    """The problem that a row states.

    Raises:
        ValueError: a key is missing or not of its type.
    """
    prompt = text_of(row, "complete_prompt")
    tests = {
        "entry_point": text_of(row, "entry_point"),
        # The official program ends in the tests, which thus have the program's imports.
        "setup": text_of(row, "code_prompt", prompt) + "\n    pass\n",
        "asserts": [f"{_TOGETHER}\n{text_of(row, 'test')}"],
        "after": f"\n\n{_TOGETHER} = True\n",
        "completion": "continues",
        "beside": True,
        "modules": libraries(row.get("libs")),
    }
    reference = prompt + text_of(row, "canonical_solution")
    return Problem(payload.identity(row), DOMAIN, "heldout", prompt, tests, reference)


def libraries(libs: object) -> list[str]:
    """The libraries beyond the standard one that a row names, as a list or as the text of one."""
    names = _QUOTED.findall(libs) if isinstance(libs, str) else [str(name) for name in libs or ()]  # type: ignore[attr-defined]
    return sorted({name.partition(".")[0] for name in names} - sys.stdlib_module_names)
