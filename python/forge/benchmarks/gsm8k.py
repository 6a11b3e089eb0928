r"""GSM8K (Cobbe et al. 2021): 1,319 word problems of grade school, each with a whole number for an answer.

    {"question": "Natalia sold clips to ...", "answer": "Natalia sold 48/2 = <<48/2=24>>24 clips ...\n#### 72"}

The reference is the worked answer without the notes for calculators between double angle brackets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forge.benchmarks.rows import rows, text
from forge.types import Problem

HUB = "openai/gsm8k"
_NOTE = re.compile(r"<<[^<>]*>>")


def problems() -> Iterator[Problem]:
    """All problems of the test split.

    Raises:
        DataError: the rows are neither in FORGE_DATA nor to be had from the hub.
    """
    for number, row in enumerate(rows("GSM8K", HUB, "test", "gsm8k/test.jsonl", "main")):
        worked = text(row, "answer")
        answer = worked.rpartition("####")[2].strip()
        reference = _NOTE.sub("", worked)
        yield Problem(f"GSM8K/{number}", "math", "heldout", text(row, "question"), {"answer": answer}, reference)
