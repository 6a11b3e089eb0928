"""Whether the adapter that an engine serves is the one that was trained.

Engines have served adapters that changed nothing, or somebody else's. The trainer records the mean
log-probability of one training sequence; an engine computes it with the base and with the adapter.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from forge import models
from forge.errors import GeneratorError

UNPROVEN = "~unproven"
"""In the name of a generator that has no way to show that it serves the adapter: whoever gives a score says so."""

EXACT = 0.02
"""How far apart two engines may be in nats a token where both compute in float32."""

COARSE = 0.5
"""The same where one of them rounds to 16 bits or less."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A training sequence: its tokens, where its target begins, and what the trainer found for it, in nats a token."""

    ids: list[int]
    start: int
    logprob: float


def probe(folder: Path) -> Probe:
    """The probe of a finished adapter.

    Raises:
        GeneratorError: the adapter is not finished.
        DataError: its marker cannot be read.
    """
    marker = models.read_marker(folder)
    if marker is None:
        raise GeneratorError(f"no finished adapter in {folder}", "run forge train")
    recorded = marker["probe"]
    return Probe(list(recorded["ids"]), int(recorded["start"]), float(recorded["logprob"]))


def demand(folder: Path, probe: Probe, base: float, served: float, tolerance: float) -> None:
    """Compare what the engine gives the probe with the base alone and with the adapter, in nats a token.

    Raises:
        GeneratorError: the adapter changes nothing, or is not the one that was trained.
    """
    if base == served:
        raise GeneratorError(f"the adapter in {folder} changes nothing", "train longer or at a higher rate")
    if not abs(served - probe.logprob) <= tolerance:
        raise GeneratorError(
            f"the adapter in {folder} is not the one that was trained: its probe has log-probability "
            f"{served:.3f}, the trainer recorded {probe.logprob:.3f}",
            "train again on this model",
        )
