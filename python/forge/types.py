"""The nouns of forge: frozen values that travel between the stages and, one JSON line each, to the disk.

A noun holds data only. Its `id`, where it has one, is derived from its content, so that the same work
gives the same id on every machine. Nothing here reads, writes, executes or knows a model.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

Message = Mapping[str, str]
"""One chat turn: `role` and `content`."""

Prompt = str | tuple[Message, ...]
"""What a model is given: raw text, or chat turns that the model's own template renders."""


class Outcome(StrEnum):
    """The closed list of ways in which an attempt can end.

    `error` means that forge or the host failed: such a verdict is never scored and never mined, and the
    attempt is judged again.
    """

    PASS = "pass"
    FAIL = "fail"
    INVALID = "invalid"
    TRUNCATED = "truncated"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CRASH = "crash"
    OUTPUT = "output"
    REFUSED = "refused"
    ERROR = "error"


class Flaw(StrEnum):
    """The closed list of what can be wrong with a failing answer; a domain says what it takes for each."""

    LOGIC = "logic"
    FORMAT = "format"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to solve. `tests` is the domain's own plain-JSON payload; `reference` is known to be right."""

    id: str
    domain: str
    split: str
    prompt: str
    tests: Mapping[str, Any]
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One raw completion for one problem, and where it came from. `index` counts a problem's samples."""

    id: str
    problem_id: str
    index: int
    completion: str
    finish: str
    generator: str
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an attempt's execution means. `judge` names the judge, its version and the isolation it had."""

    attempt_id: str
    outcome: Outcome
    answer: str
    tests_passed: int
    tests_total: int
    behaviour: str
    feedback: str
    seconds: float
    judge: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A rejected and a chosen completion to one prompt, in the columns that training libraries expect.

    `kind` is the target format: `repair` (the prompt shows the rejected answer and its feedback) or
    `plain` (the prompt is the problem alone). `rejected` and `chosen` are the completions that the format
    asks for, `rejected_id` and `chosen_id` the attempts they come from, `flaw` what is wrong with the rejected.
    """

    id: str
    problem_id: str
    kind: str
    prompt: Prompt
    rejected: str
    chosen: str
    feedback: str
    rejected_id: str
    chosen_id: str
    flaw: str = ""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A trained low-rank change of a model: its folder, the model it belongs to, and what it was made from."""

    path: str
    model: str
    digest: str
    pairs_digest: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The attempt that a vote among the attempts at one problem chose, and its outcome.

    `classes` holds the indices of the attempts in each class of equivalent answers, by that of the first; `votes` is
    the size of the chosen one, `voters` of all. The vote was `decided` after so many of the `samples` that were drawn,
    of at most `best_of`.
    """

    problem_id: str
    attempt_id: str
    answer: str
    outcome: Outcome
    votes: int
    voters: int
    classes: Mapping[str, Sequence[int]]
    samples: int
    decided: int
    best_of: int
    judge: str


@dataclass(frozen=True, slots=True)
class Score:
    """One measured number with its 95 % interval; `n` counts problems. Never a bare number.

    `format` is the prompt format in which the model was asked; empty in rows that did not record it, which were
    measured in the one that their run's `model.format` says.
    """

    metric: str
    split: str
    model: str
    adapter: str
    value: float
    low: float
    high: float
    n: int
    format: str = ""


@dataclass(frozen=True, slots=True)
class Delta:
    """A paired difference between two arms on the same problems, in the metric's own unit.

    `p` comes from a paired test; `p_holm` is the same after Holm's correction over the deltas reported
    beside it. `format` is the prompt format of the arm, `against_format` that of the other; empty as in `Score`.
    `smallest` is the smallest gain that this comparison would have shown four times in five, as much as its problems
    differ; None where no gain of any size would have been.
    """

    metric: str
    split: str
    arm: str
    against: str
    value: float
    low: float
    high: float
    p: float
    p_holm: float
    n: int
    format: str = ""
    against_format: str = ""
    smallest: float | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample: temperature 0 is greedy; `max_tokens` counts new tokens; the seed is recorded."""

    temperature: float = 0.8
    top_p: float = 1.0
    max_tokens: int = 512
    stops: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """A generator's answer to the prompt at `index`; `finish` is `stop` or `length`. `ids` where the backend tells."""

    index: int
    text: str
    finish: str
    tokens: int
    ids: tuple[int, ...] = ()


Noun = TypeVar("Noun", Problem, Attempt, Verdict, Pair, Choice, Score, Delta)


def content_id(*parts: object) -> str:
    """A 16-hex-digit id of plain-JSON parts: equal parts give the same id everywhere."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=_plain)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not plain JSON")


def to_row(noun: Any) -> dict[str, Any]:
    """The plain-JSON form of a noun, in the order of its fields."""
    return {f.name: getattr(noun, f.name) for f in dataclasses.fields(noun)}


def from_row(kind: type[Noun], row: Mapping[str, Any]) -> Noun:
    """The noun that `to_row` wrote.

    Raises:
        ValueError: a field is missing, unknown, or not of its type.
    """
    fields = {f.name: f for f in dataclasses.fields(kind)}
    unknown = sorted(set(row) - set(fields))
    if unknown:
        raise ValueError(f"unknown field {unknown[0]!r}")
    values: dict[str, Any] = {}
    for name, spec in fields.items():
        if name in row:
            values[name] = _checked(name, str(spec.type), row[name])
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise ValueError(f"field {name!r} is missing")
    return kind(**values)


def _checked(name: str, kind: str, value: Any) -> Any:
    if kind == "Outcome":
        return Outcome(value)
    if kind == "Prompt":
        if isinstance(value, list):
            return tuple(value)
        kind = "str"
    if kind.endswith(" | None"):
        return None if value is None else _checked(name, kind.removesuffix(" | None"), value)
    wanted: Any = {"str": str, "int": int, "float": (int, float)}.get(kind, Mapping)
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise ValueError(f"field {name!r} should be {kind}, not {type(value).__name__}")
    return value
