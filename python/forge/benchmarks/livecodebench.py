"""LiveCodeBench (Jain et al. 2024): contest problems by date, in two forms.

    {"question_id": "abc301_a", "question_content": "...", "starter_code": "", "public_test_cases": "[{...}]",
     "private_test_cases": "...", "metadata": "{}"}                                         standard input and output
    {"question_id": "3219", "starter_code": "class Solution:\\n    def f(...", "metadata": "{\\"func_name\\": ..."}

Tests are JSON, the private ones also packed (base64 of zlib of a pickled text). As in the official grader, the
usual imports stand before every program. There are no references.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import pickle
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from forge.benchmarks.rows import Row, problems_of, rows
from forge.payload import DOMAIN, identity, text_of
from forge.types import Problem

HUB = "livecodebench/code_generation_lite"
FILE = "livecodebench/test.jsonl"

_LARGEST = 256 << 20
_BEFORE = (
    "import bisect, collections, functools, heapq, itertools, math, operator, random, re, string, sys\n"
    "from bisect import *\nfrom collections import *\nfrom functools import *\nfrom heapq import *\n"
    "from itertools import *\nfrom math import *\nfrom operator import *\nfrom string import *\nfrom typing import *\n"
    "from builtins import *\nsys.setrecursionlimit(50000)\n"
)
_AFTER = (
    "\n\ndef {name}_(*arguments):\n    answer = Solution().{name}(*arguments)\n"
    "    return list(answer) if isinstance(answer, tuple) else answer\n"
)


def problems() -> Iterator[Problem]:
    """The problems of all releases that are published together.

    Raises:
        DataError: the rows are neither in FORGE_DATA nor to be had from the hub.
    """
    files = f"hf://datasets/{HUB}/*.jsonl"
    return problems_of(rows("LiveCodeBench", "json", "train", FILE, data_files=files), problem, "LiveCodeBench")


def states(row: Row) -> bool:
    """Whether a row is one of this benchmark's."""
    return "question_content" in row and "public_test_cases" in row


def problem(row: Row) -> Problem:
    """The problem that a row states.

    Raises:
        ValueError: a key is missing or not of its type, or the tests cannot be unpacked.
    """
    name = identity({"task_id": row.get("question_id", row.get("task_id"))})
    words, starter = text_of(row, "question_content"), text_of(row, "starter_code", "")
    given = _tests(row, "public_test_cases") + _tests(row, "private_test_cases")
    if not given:
        raise ValueError("has no tests")
    if starter.strip():
        function = _metadata(row).get("func_name")
        if not isinstance(function, str) or not function.isidentifier():
            raise ValueError("has starter_code, and no metadata with a func_name")
        calls = [{"input": _values(test["input"]), "expected": json.loads(test["output"])} for test in given]
        tests: dict[str, Any] = {"entry_point": f"{function}_", "calls": calls}
        tests["after"] = _AFTER.format(name=function)
        asked = f"{words}\n\n{starter}"
    else:
        tests = {"cases": [{"stdin": test["input"], "stdout": test["output"]} for test in given]}
        asked = f"{words}\n\nRead from standard input and print the answer.\n"
    tests |= {"before": _BEFORE, "completion": "program"}
    return Problem(name, DOMAIN, "heldout", asked, tests)


def _values(lines: str) -> list[Any]:
    """Arguments, one JSON value a line."""
    return [json.loads(line) for line in lines.split("\n") if line.strip()]


def _metadata(row: Row) -> Mapping[str, Any]:
    found = row.get("metadata") or "{}"
    found = json.loads(found) if isinstance(found, str) else found
    return found if isinstance(found, Mapping) else {}


def _tests(row: Row, key: str) -> list[Mapping[str, str]]:
    """The tests at a key: a list, its JSON, or its JSON packed."""
    found: Any = row.get(key) or []
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError:
            found = json.loads(_unpacked(found, key))
    if not isinstance(found, list) or not all(_is_test(test) for test in found):
        raise ValueError(f"{key} should be a list of objects with texts `input` and `output`")
    return found


def _is_test(test: Any) -> bool:
    return isinstance(test, Mapping) and all(isinstance(test.get(key), str) for key in ("input", "output"))


def _unpacked(text: str, key: str) -> str:
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(text), _LARGEST)
        found = _TextOnly(io.BytesIO(data)).load()
    except (binascii.Error, zlib.error, pickle.UnpicklingError, EOFError, ValueError) as failure:
        raise ValueError(f"{key} cannot be unpacked: {failure}") from failure
    if not isinstance(found, str):
        raise ValueError(f"{key} should hold text, not {type(found).__name__}")
    return found


class _TextOnly(pickle.Unpickler):
    """Reads pickled plain values; whatever would import or call anything is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"names {module}.{name}")
