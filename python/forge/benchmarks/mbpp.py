"""MBPP (Austin et al. 2021): 974 short tasks in words with three asserts each, and its 427 hand-checked ones.

    {"task_id": 2, "text": "Write a function to find ...", "code": "def similar_elements(...", "test_setup_code": "",
     "test_list": ["assert ..."], "challenge_test_list": []}
    {"task_id": 2, "prompt": "Write a function to find ...", "code": "...", "test_imports": [], "test_list": [...]}

The second form is the sanitized one; its tests differ for 127 of the tasks, so a number names its set. Graders
run the completion and the asserts as one program; a few-shot prompt ends answers with `[DONE]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from forge import extract
from forge.benchmarks.rows import Row, problems_of, rows
from forge.payload import DOMAIN, lent, text_of
from forge.types import Problem

HUB = "google-research-datasets/mbpp"
FILE, SANITIZED = "mbpp/mbpp.jsonl", "mbpp/sanitized-mbpp.json"
_ALL = "train+test+validation+prompt"
SPLITS = {"prompt": range(1, 11), "test": range(11, 511), "validation": range(511, 601), "train": range(601, 975)}
"""The published splits, by task number."""

_BESIDE = frozenset({367, 533, 601, 927})
"""Tasks whose tests build objects of the program's classes or hand it types."""

_CALLED = re.compile(r"\b([A-Za-z_]\w*)[ \t]*\(")


def full() -> Iterator[Problem]:
    """All 974 problems.

    Raises:
        DataError: the rows are neither in FORGE_DATA nor to be had from the hub.
    """
    return problems_of(rows("MBPP", HUB, _ALL, FILE, "full"), problem, "MBPP")


def sanitized() -> Iterator[Problem]:
    """The 427 hand-checked problems, with their own prompts and tests.

    Raises:
        DataError: the rows are neither in FORGE_DATA nor to be had from the hub.
    """
    found = rows("sanitized MBPP", HUB, _ALL, SANITIZED, "sanitized")
    return problems_of(found, problem, "sanitized MBPP")


def test() -> Iterator[Problem]:
    """The 500 problems of the test split, which published scores are on."""
    return _split(full(), "test")


def validation() -> Iterator[Problem]:
    """The 90 problems of the validation split."""
    return _split(full(), "validation")


def train() -> Iterator[Problem]:
    """The 374 problems of the training split."""
    return _split(full(), "train")


def sanitized_test() -> Iterator[Problem]:
    """The 257 problems of the test split that are in the sanitized set."""
    return _split(sanitized(), "test")


def _split(problems: Iterator[Problem], name: str) -> Iterator[Problem]:
    return (problem for problem in problems if int(problem.id.rpartition("/")[2]) in SPLITS[name])


def states(row: Row) -> bool:
    """Whether a row is one of this benchmark's."""
    return "test_list" in row and "code" in row and "test" not in row


def problem(row: Row) -> Problem:
    """The problem that a row states.

    Raises:
        ValueError: a key is missing or not of its type.
    """
    number = row.get("task_id")
    if not isinstance(number, int | str) or isinstance(number, bool):
        raise ValueError(f"task_id should be a whole number, not {type(number).__name__}")
    name = str(number) if "/" in str(number) else f"Mbpp/{number}"
    asserts = texts_of(row, "test_list")
    if not asserts:
        raise ValueError("test_list is empty")
    code = text_of(row, "code").replace("\r\n", "\n")
    setup = [*texts_of(row, "test_imports", missing=True), text_of(row, "test_setup_code", "")]
    tests = {
        "entry_point": called(code, asserts),
        "setup": "\n".join(part for part in setup if part),
        "asserts": asserts,
        "completion": "program",
        **lent("\n".join([*setup, *asserts])),
        **({"beside": True} if name.rpartition("/")[2] in map(str, _BESIDE) else {}),
    }
    words = text_of(row, "text" if "text" in row else "prompt")
    return Problem(name, DOMAIN, "heldout", asked(words, asserts), tests, code)


def asked(words: str, asserts: Sequence[str]) -> str:
    """What a model is given: the task and its asserts, which name the function, as a module's docstring."""
    return f'"""\n{words.strip()}\n' + "\n".join(asserts) + '\n"""\n'


def called(code: str, asserts: Sequence[str]) -> str:
    """The function of the reference that the first assert calls, or the last that it defines."""
    found = [name for name in _CALLED.findall(asserts[0]) if extract.defines(code, name)]
    return found[0] if found else ""


def texts_of(row: Row, key: str, *, missing: bool = False) -> list[str]:
    """The list of texts at a key; empty where it may be `missing` and is.

    Raises:
        ValueError: there is none, or it holds something else.
    """
    value = row.get(key)
    if value is None and missing:
        return []
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(part, str) for part in value):
        raise ValueError(f"{key} should be a list of texts" if key in row else f"has no {key}")
    return list(value)
