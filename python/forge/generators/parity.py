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


class Weighing(Generator, Protocol):
    """A generator that tells token ids, and how likely it finds a sequence."""

    tokenizer: Any

    def log_probability(self, ids: Sequence[int], start: int) -> float:
        """Mean log-probability of the tokens of one sequence from position `start` on, in nats."""
        ...


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two engines part: the prompt, the place in its completion, and the token that each chose, -1 for an end.

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


@dataclass(frozen=True, slots=True)
class Parity:
    """How many of `total` completions agree in every token, and the first difference."""

    equal: int
    total: int
    first: Difference | None


def compare(reference: Weighing, other: Weighing, prompts: Sequence[Prompt], tokens: int) -> Parity:
    """Complete each prompt greedily, by at most so many tokens, on both engines.

    Raises:
        GeneratorError: an engine failed.
    """
    sampling = Sampling(0.0, max_tokens=tokens)
    said = [{done.index: done for done in engine.generate(prompts, sampling)} for engine in (reference, other)]
    end = reference.tokenizer.eos_token_id
    differing = [index for index in range(len(prompts)) if said[0][index].ids != said[1][index].ids]
    first = None
    if differing:
        index = differing[0]
        ours, theirs = ([*one[index].ids, *([end] if one[index].finish == "stop" else [])] for one in said)
        place = next(
            (at for at, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]),
            min(len(ours), len(theirs)),
        )
        prompt = models.encode(reference.tokenizer, prompts[index], render(reference.tokenizer, prompts[index]))
        chosen = tuple(row[place] if place < len(row) else end for row in (ours, theirs))
        before = [*prompt, *ours[:place]]
        weighed = [
            tuple(engine.log_probability([*before, token], len(before)) for token in chosen)
            for engine in (reference, other)
        ]
        first = Difference(index, place, chosen, *weighed)  # type: ignore[arg-type]
    return Parity(len(prompts) - len(differing), len(prompts), first)
