"""What a report shows, as plain frozen values: `Report` and its parts.

Holds numbers that were computed and texts that were written elsewhere; computes, renders and reads nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from forge.diversity import Diversity
from forge.types import Delta, Outcome, Score


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of making the model, measured: `base`, `adapter`, `control: …`, `teacher`; ledgers count attempts."""

    name: str
    scores: Sequence[Score]
    greedy: Mapping[Outcome, int] = field(default_factory=dict)
    sampled: Mapping[Outcome, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Panel:
    """The base model in several prompt formats, with one greedy answer each, the run's `own` format first.

    `scores` and `deltas` (each other format minus the run's own) name their formats. `elicitation` is the delta of
    the `best`, None where that is the run's own; `learning` is the adapter minus the base in the best. `halves` is
    elicitation with the best chosen on one half of the problems and measured on the other; `note` says what choosing
    does to the numbers.
    """

    own: str
    best: str
    scores: Sequence[Score]
    deltas: Sequence[Delta]
    elicitation: Delta | None = None
    learning: Delta | None = None
    halves: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class ProblemRate:
    """The share of sampled attempts at one problem that pass, before and after; both within 0..1."""

    problem_id: str
    base: float
    adapter: float


@dataclass(frozen=True, slots=True)
class Step:
    """How many came out of one step on the way to pairs, and how many it rejected, by reason."""

    name: str
    count: int
    rejected: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hit:
    """A training text and the held-out text it was found to be too close to; `how` says by what that shows,
    `fate` what was done."""

    text_id: str
    heldout_id: str
    text: str
    heldout_text: str
    how: str = ""
    fate: str = "left out"


@dataclass(frozen=True, slots=True)
class Example:
    """One pair to look at: `problem` is what the model was shown, `outcome` how the rejected answer ended and `flaw`
    what was wrong with it."""

    problem_id: str
    kind: str
    outcome: Outcome
    problem: str
    feedback: str
    rejected: str
    chosen: str
    flaw: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything the report shows, in its own words and numbers.

    `facts` are shown in the order given (model, seed, versions, digests, date, …). `compared` is how many
    training texts were matched with the held-out problems, None if that was not done. `varieties` are the diversity of
    the rounds, by name. `panel` is None where the base was asked in one prompt format only.
    """

    title: str
    conclusion: Sequence[str]
    facts: Mapping[str, str] = field(default_factory=dict)
    config: str = ""
    arms: Sequence[Arm] = ()
    deltas: Sequence[Delta] = ()
    problems: Sequence[ProblemRate] = ()
    funnel: Sequence[Step] = ()
    varieties: Sequence[tuple[str, Diversity]] = ()
    panel: Panel | None = None
    losses: Sequence[tuple[int, float]] = ()
    compared: int | None = None
    hits: Sequence[Hit] = ()
    examples: Sequence[Example] = ()
