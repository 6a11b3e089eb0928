"""Which compositions are legal, which part of them trains, and which masked docstrings that makes.

A structure's part is a hash of its name, so it never changes when the list does: four tenths train, one
tenth each is held out for development and for the final measurement, and the rest is shown to nobody,
which leaves the model something to invent. Docstrings are compared in a normal form with digits masked.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import re
from functools import cache

from forge.nano.family import FILTERS, MAPS, REDUCERS, SOURCES, Structure, Task

PARTS = ("train", "dev", "final", "unseen")

_DOCSTRING = re.compile(r'"""(.*?)"""', re.DOTALL)
_NUMBER = re.compile(r"-?\d+")


def part(structure: Structure) -> str:
    """The part of the family that a structure belongs to: one of `PARTS`."""
    digit = int(hashlib.sha256(structure.key.encode()).hexdigest(), 16) % 10
    return "train" if digit < 4 else "dev" if digit == 4 else "final" if digit == 5 else "unseen"


@cache
def structures(which: str) -> tuple[Structure, ...]:
    """Every legal structure of one part, in a fixed order."""
    if which not in PARTS:
        raise ValueError(f"no part {which!r} of the family: one of {', '.join(PARTS)}")
    everything = (Structure(*parts) for parts in itertools.product(SOURCES, FILTERS, MAPS, REDUCERS))
    return tuple(s for s in everything if _legal(s) and part(s) == which)


def _legal(structure: Structure) -> bool:
    """Whether every part of a structure can matter to what it returns."""
    source, kept, mapped, reducer = (
        p.name for p in (structure.source, structure.filter, structure.map, structure.reducer)
    )
    if source in ("range", "digits") and (kept == "negative" or mapped in ("abs", "units")):
        return False
    if source == "range" and kept == "positive":
        return False
    if reducer == "number" and mapped != "same":
        return False
    if source == "digits" and kept == "all" and structure.reducer.empty:
        return False
    return not (kept == "all" and mapped == "same" and (reducer == "list" or (source, reducer) == ("dict", "number")))


def weight(structure: Structure) -> float:
    """How often a structure is drawn for the corpus; the product of its parts' weights."""
    return structure.source.weight * structure.filter.weight * structure.map.weight * structure.reducer.weight


@cache
def _train_weights() -> list[float]:
    return list(itertools.accumulate(weight(s) for s in structures("train")))


def draw(rng: random.Random) -> Task:
    """A task of a training structure, by weight."""
    return with_constants(rng.choices(structures("train"), cum_weights=_train_weights())[0], rng)


def with_constants(structure: Structure, rng: random.Random) -> Task:
    """A task of this structure with random constants and phrasing."""
    kept = structure.filter
    bounds: tuple[int, ...] = ()
    if kept.name == "between":
        low = rng.randint(1, 6)
        bounds = (low, rng.randint(low + 1, 9))
    elif kept.constants:
        bounds = (rng.choice(kept.constants),)
    factor = rng.choice(structure.map.constants) if structure.map.constants else 0
    return Task(structure, bounds, factor, rng.randrange(len(kept.after)))


def masked(text: str) -> str:
    """The docstring of a stub (or a bare docstring) in lower case with numbers masked and spaces made single."""
    found = _DOCSTRING.search(text)
    return _NUMBER.sub("#", " ".join((found.group(1) if found else text).split()).lower())


def _masks(which: str) -> frozenset[str]:
    masks = set()
    for structure in structures(which):
        bounds = structure.filter.constants[:1] * 2
        factor = structure.map.constants[0] if structure.map.constants else 0
        for phrasing in range(len(structure.filter.after)):
            masks.add(masked(Task(structure, bounds, factor, phrasing).docstring))
    return frozenset(masks)


@cache
def training_masks() -> frozenset[str]:
    """Every masked docstring that the corpus can hold."""
    return _masks("train")


@cache
def heldout_masks() -> frozenset[str]:
    """Every masked docstring that a held-out structure can have; nothing that matches one may be trained on."""
    return _masks("dev") | _masks("final")


def is_novel(text: str) -> bool:
    """Whether no training structure can produce this docstring (or the docstring of this stub), numbers aside."""
    return masked(text) not in training_masks()
