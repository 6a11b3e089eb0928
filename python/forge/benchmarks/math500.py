r"""MATH-500 (Hendrycks et al. 2021, the split of Lightman et al. 2023): 500 problems of competitions, answers in LaTeX.

{"problem": "Convert the point $(0,3)$ ...", "solution": "... $\\boxed{...}.$", "answer": "\\left( 3, ...",
 "subject": "Precalculus", "level": 2, "unique_id": "test/precalculus/807.json"}
"""

from __future__ import annotations

from collections.abc import Iterator

from forge.benchmarks.rows import rows, text
from forge.types import Problem

HUB = "HuggingFaceH4/MATH-500"


def problems() -> Iterator[Problem]:
    """All 500 problems.

    Raises:
        DataError: the rows are neither in FORGE_DATA nor to be had from the hub.
    """
    for row in rows("MATH-500", HUB, "test", "math500/test.jsonl"):
        tests = {"answer": text(row, "answer")}
        name = f"MATH-500/{text(row, 'unique_id').removesuffix('.json')}"
        yield Problem(name, "math", "heldout", text(row, "problem"), tests, text(row, "solution"))
