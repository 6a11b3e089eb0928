r"""The American Invitational Mathematics Examination: answers are whole numbers from 0 to 999.

Three sets: `aime24` and `aime25` are the 30 problems of one year, `aime` the 90 of 2022 to 2024 that were made a
validation set. Where a set has no worked solutions, a sentence that states the answer stands for one.
"""

from __future__ import annotations

from collections.abc import Iterator

from forge.benchmarks.rows import rows, text
from forge.types import Problem

HUB = "AI-MO/aimo-validation-aime"
HUB_24 = "HuggingFaceH4/aime_2024"
HUB_25 = "math-ai/aime25"


def all_90() -> Iterator[Problem]:
    """The 90 problems of 2022, 2023 and 2024.

    Raises:
        DataError: the rows are neither in FORGE_DATA nor to be had from the hub.
    """
    return _problems("AIME", HUB, "train")


def of_2024() -> Iterator[Problem]:
    """The 30 problems of 2024; raises as `all_90`."""
    return _problems("AIME24", HUB_24, "train")


def of_2025() -> Iterator[Problem]:
    """The 30 problems of 2025; raises as `all_90`."""
    return _problems("AIME25", HUB_25, "test")


def _problems(title: str, hub: str, split: str) -> Iterator[Problem]:
    for number, row in enumerate(rows(title, hub, split, f"{title.lower()}/{split}.jsonl")):
        answer = text(row, "answer").strip()
        # The sets disagree on leading zeros, and published solutions on how, and whether, they state the answer.
        answer = answer.lstrip("0") or "0"
        worked = str(row.get("solution") or "")
        reference = f"{worked}\n\nThe answer is $\\boxed{{{answer}}}$.".lstrip()
        yield Problem(
            f"{title}/{number}", "math", "heldout", text(row, "problem", "question"), {"answer": answer}, reference
        )
