"""HumanEval+ and MBPP+ (Liu et al. 2023): the same tasks with many more inputs.

    {"task_id": "HumanEval/0", "prompt": "...", "canonical_solution": "...", "entry_point": "...", "test": "..."}
    {"task_id": 2, "prompt": "...", "code": "...", "test_list": [...], "test_imports": [...], "test": "..."}
    {"task_id": "Mbpp/2", "prompt": "...", "canonical_solution": "...", "entry_point": "...", "contract": "...",
     "base_input": [...], "plus_input": [...], "atol": 0}

The first two are the hub's: `test` holds base and plus tests, and needs numpy. The third is EvalPlus's own file:
there the reference says what is expected, compared exactly or, for floats, within `atol`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from forge import payload
from forge.benchmarks.mbpp import asked, called, texts_of
from forge.benchmarks.rows import Row, problems_of, rows
from forge.payload import DOMAIN, text_of
from forge.types import Problem

HUMANEVAL_HUB, MBPP_HUB = "evalplus/humanevalplus", "evalplus/mbppplus"
HUMANEVAL_FILE, MBPP_FILE = "evalplus/HumanEvalPlus.jsonl.gz", "evalplus/MbppPlus.jsonl.gz"

_MEMBERS = (
    "similar_elements find_char_long common_in_nested_lists extract_singly larg_nnum intersection_array "
    "find_dissimilar Diff"
)
_ORACLES = {
    **dict.fromkeys(_MEMBERS.split(), "same members"),
    **dict.fromkeys(("check_str", "text_match_three", "text_starta_endb"), "truth"),
    "are_equivalent": "ends",
    "sum_div": "or zero",
    "surface_Area": "pyramid",
    "digit_distance_nums": "digits",
}
"""Functions of MBPP+ with several right answers. Source: EvalPlus 0.3, `eval/_special_oracle.py`."""


def humaneval() -> Iterator[Problem]:
    """All 164 problems.

    Raises:
        DataError: the rows are neither in FORGE_DATA nor to be had from the hub.
    """
    return problems_of(rows("HumanEval+", HUMANEVAL_HUB, "test", HUMANEVAL_FILE), problem, "HumanEval+")


def mbpp() -> Iterator[Problem]:
    """All 378 problems.

    Raises:
        DataError: the rows are neither in FORGE_DATA nor to be had from the hub.
    """
    return problems_of(rows("MBPP+", MBPP_HUB, "test", MBPP_FILE), problem, "MBPP+")


def states(row: Row) -> bool:
    """Whether a row is of one of these sets and needs more than `payload.problem`."""
    return "plus_input" in row or ("test" in row and "test_list" in row and "code" in row)


def problem(row: Row) -> Problem:
    """The problem that a row states, in whichever form it was published.

    Raises:
        ValueError: a key is missing or not of its type.
    """
    if "plus_input" in row:
        return _with_inputs(row)
    if "test_list" in row:
        return _with_script(row)
    found = payload.problem(row)
    return Problem(found.id, DOMAIN, found.split, found.prompt, {**found.tests, "modules": ["numpy"]}, found.reference)


def _with_script(row: Row) -> Problem:
    """MBPP+ of the hub: one script compares the function's answers with those it holds."""
    code, asserts = text_of(row, "code").replace("\r\n", "\n"), texts_of(row, "test_list")
    if not asserts:
        raise ValueError("test_list is empty")
    tests = {
        "entry_point": called(code, asserts),
        "setup": "\n".join(texts_of(row, "test_imports", missing=True)),
        "asserts": [text_of(row, "test")],
        "completion": "program",
        "modules": ["numpy"],
    }
    name = payload.identity(row)
    prompt = asked(text_of(row, "prompt"), asserts)
    return Problem(name if "/" in name else f"Mbpp/{name}", DOMAIN, "heldout", prompt, tests, code)


def _with_inputs(row: Row) -> Problem:
    """EvalPlus's own file, for either set."""
    name, entry_point = payload.identity(row), text_of(row, "entry_point")
    inputs = []
    for key in ("base_input", "plus_input"):
        # EvalPlus's file writes an empty set of inputs as an object.
        values = row.get(key) or []
        if not isinstance(values, list):
            raise ValueError(f"{key} should be a list, not {type(values).__name__}")
        inputs += values
    in_words = name.startswith("Mbpp/")
    shape = _SHAPES.get(int(name.rpartition("/")[2])) if in_words else None
    oracle = _ORACLES.get(entry_point, "") if in_words else "root" if entry_point == "find_zero" else ""
    tests: dict[str, Any] = {
        "entry_point": entry_point,
        "inputs": repr([shape(arguments) for arguments in inputs] if shape else inputs),
        "tolerance": float(row.get("atol", 0) or 0),
        "completion": "continues",
        **({"oracle": oracle} if oracle else {}),
    }
    prompt = text_of(row, "prompt")
    return Problem(name, DOMAIN, "heldout", prompt, tests, prompt + text_of(row, "canonical_solution"))


def _tuples(value: Any, depth: int) -> Any:
    """Lists at `depth` below `value` as tuples; those above stay lists."""
    if depth == 0:
        return tuple(value) if isinstance(value, list) else value
    return [_tuples(item, depth - 1) for item in value] if isinstance(value, list) else value


def _all_tuples(value: Any) -> Any:
    return tuple(_all_tuples(item) for item in value) if isinstance(value, list) else value


def _sets(arguments: list[Any]) -> list[Any]:
    return [[set(item) if isinstance(item, list) and item else {} for item in arguments[0]]]


_SHAPE_OF: dict[Callable[[list[Any]], list[Any]], str] = {
    lambda a: _tuples(a, 1): ("2 116 132 143 222 261 273 394 399 421 424 429 470 560 579 596 616 630 726 740 744 809"),
    lambda a: _tuples(a, 2): "63 64 70 94 120 237 272 299 400 409 417 438 473 614 780",
    lambda a: [_tuples(a[0], 1), a[1]]: "75 413 444 753",
    lambda a: [a[0], tuple(a[1])]: "106 750",
    _sets: "115",
    lambda a: [float(a[0]), complex(a[1])]: "124",
    lambda a: [_tuples(a[0], 0), *a[1:]]: "250 307 405 446 617 720 763 808",
    lambda a: _tuples(_tuples(a, 2), 1): "259 401 445",
    lambda a: [tuple(_tuples(a[0], 1))]: "278",
    lambda a: [{key: tuple(value) for key, value in a[0].items()}, *a[1:]]: "722",
    lambda a: [complex(a[0])]: "252",
    lambda a: list(_all_tuples(a)): "580 615 791",
}
_SHAPES = {int(task): shape for shape, tasks in _SHAPE_OF.items() for task in tasks.split()}
"""JSON has no tuples, sets or complex numbers: how the inputs of these tasks of MBPP+ are to be read."""
