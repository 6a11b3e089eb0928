"""Whether two engines say the same: greedy completions token by token, and how near the first difference was.

Two engines round differently, so a position where the two best tokens are all but equally likely may go
either way. What tells that from a wrong tensor are the log-probabilities that both give to both tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from forge import models
from forge.prompts import render
from forge.protocols import Generator
from forge.types import Prompt, Sampling

TIE = 1e-4
"""Two tokens whose log-probabilities are no further apart, in nats, are equally likely to within float32's rounding."""


class Weighing(Generator, Protocol):
    """A generator that tells token ids, and how likely it finds a sequence."""

    tokenizer: Any

    def log_probability(self, ids: Sequence[int], start: int) -> float:
        """Mean log-probability of the tokens of one sequence from position `start` on, in nats."""
        ...


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two engines part: the prompt, the place in its completion, and the token that each chose.

    `reference` and `other` are what that engine gives the reference's token and the other's, in nats.
    """

    index: int
    place: int
    tokens: tuple[int, int]
    reference: tuple[float, float]
    other: tuple[float, float]

    def __str__(self) -> str:
        chose, instead = self.tokens
        return (
            f"prompt {self.index}, token {self.place}: {chose} against {instead}; "
            f"the reference gives them {self.reference[0]:.4f} and {self.reference[1]:.4f}, "
            f"the other {self.other[0]:.4f} and {self.other[1]:.4f}"
        )

    @property
    def gap(self) -> float:
        """How much likelier one token is than the other, in nats, in the engine that tells them further apart."""
        return max(abs(ours - theirs) for ours, theirs in (self.reference, self.other))


@dataclass(frozen=True, slots=True)
class Parity:
    """How many of `total` completions agree in every token up to a tie, how many tied, and the first that differs."""

    equal: int
    ties: int
    total: int
    first: Difference | None


def compare(reference: Weighing, other: Weighing, prompts: Sequence[Prompt], tokens: int, tie: float = TIE) -> Parity:
    """Complete each prompt greedily, by at most so many tokens, on both engines; `tie` is how little counts as one.

    Raises:
        GeneratorError: an engine failed.
    """
    sampling = Sampling(0.0, max_tokens=tokens)
    said = [{done.index: done for done in engine.generate(prompts, sampling)} for engine in (reference, other)]
    end = reference.tokenizer.eos_token_id
    ties = 0
    differing = []
    for index, prompt in enumerate(prompts):
        ours, theirs = ([*one[index].ids, *([end] if one[index].finish == "stop" else [])] for one in said)
        if ours == theirs:
            continue
        difference = _difference((reference, other), prompt, index, ours, theirs)
        if difference.gap <= tie:
            ties += 1
        else:
            differing.append(difference)
    return Parity(len(prompts) - len(differing), ties, len(prompts), next(iter(differing), None))


def _difference(
    engines: tuple[Weighing, Weighing], prompt: Prompt, index: int, ours: list[int], theirs: list[int]
) -> Difference:
    """Where two completions of one prompt part."""
    tokenizer = engines[0].tokenizer
    place = 0
    while place < min(len(ours), len(theirs)) and ours[place] == theirs[place]:
        place += 1
    before = [*models.encode(tokenizer, prompt, render(tokenizer, prompt)), *ours[:place]]
    one, two = (row[place] if place < len(row) else tokenizer.eos_token_id for row in (ours, theirs))
    weighed = [[engine.log_probability([*before, token], len(before)) for token in (one, two)] for engine in engines]
    return Difference(index, place, (one, two), (weighed[0][0], weighed[0][1]), (weighed[1][0], weighed[1][1]))
