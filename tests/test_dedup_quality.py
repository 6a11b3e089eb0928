"""What is merged, on data with labels: edits of real answers whose behaviour is known."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import pytest

from forge import dedup

Rows = list[dict[str, Any]]


def rows(folder: Path, name: str) -> Rows:
    path = folder / "dedup" / name
    if not path.is_file():
        pytest.skip(f"FORGE_DATA holds no dedup/{name}")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def pairs(labels: Sequence[Hashable]) -> int:
    return sum(count * (count - 1) // 2 for count in Counter(labels).values())


def scored(found: Sequence[int], wanted: Sequence[str]) -> tuple[float, float]:
    """Precision and F1 over pairs in one cluster."""
    both = pairs(list(zip(found, wanted, strict=True)))
    precision, recall = both / pairs(found), both / pairs(wanted)
    return precision, 2 * precision * recall / (precision + recall)


def behaviours(labelled: Rows) -> list[Hashable]:
    return [(row["problem"], row["behaviour"]) for row in labelled]


@pytest.fixture(scope="module")
def labelled(benchmark_data: Path) -> Rows:
    return rows(benchmark_data, "labelled.jsonl")


def test_twins_are_merged_and_bugs_are_not_where_the_behaviour_is_known(labelled: Rows) -> None:
    found = dedup.clusters([row["code"] for row in labelled], behaviours(labelled))
    precision, f1 = scored(found, [row["cluster"] for row in labelled])
    assert precision >= 0.995
    assert f1 >= 0.975


def test_twins_are_merged_and_bugs_are_not_by_the_code_alone(labelled: Rows) -> None:
    found = dedup.clusters([row["code"] for row in labelled])
    precision, f1 = scored(found, [row["cluster"] for row in labelled])
    assert precision >= 0.98
    assert f1 >= 0.75


@pytest.mark.parametrize("half", [0, 1])
def test_both_halves_of_the_problems_are_read_as_well(labelled: Rows, half: int) -> None:
    """Rules were found on one half; the other must not be much worse."""
    names = sorted({row["problem"] for row in labelled}, key=lambda name: int(name.split("/")[1]))
    chosen = set(names[half::2])
    part = [row for row in labelled if row["problem"] in chosen]
    precision, f1 = scored(dedup.clusters([row["code"] for row in part]), [row["cluster"] for row in part])
    assert precision >= 0.98
    assert f1 >= 0.75


def test_no_kind_of_behaviour_is_lost_among_real_samples(benchmark_data: Path) -> None:
    natural = rows(benchmark_data, "natural.jsonl")
    texts, kinds = [row["code"] for row in natural], behaviours(natural)

    def kept(keys: list[Hashable] | None) -> float:
        found = dedup.clusters(texts, keys)
        return len({kinds[first] for first in set(found)}) / len(set(kinds))

    assert kept(kinds) == 1
    assert kept(None) >= 0.99
