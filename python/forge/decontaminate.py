"""Whether a training text repeats a held-out problem, and how that shows.

Looked for, in this order: equality in the domain's own normal form; the canonical fingerprint of the code;
a held-out answer's code inside the text, by containment of token shingles; a held-out problem's words, by
containment of word n-grams with all numbers alike. Sees rows only, executes nothing.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from forge import dedup
from forge.types import Problem

WORDS = 8
"""The n of word n-grams; a problem of fewer words has one, of all its words, and one of fewer than `FEW` none."""

FEW = 5
"""So few words are in many texts."""

SHARE = 0.8
"""The share of a problem's n-grams, or of its answer's shingles, that make a text repeat it."""

LEAST = 24
"""Answers of fewer shingles are looked for whole only: such short programs are alike without being the same."""

_DOCSTRING = re.compile(r"(\"\"\"|''')(.*?)\1", re.S)
_WORD = re.compile(r"[^\W\d_]+|\d+")


class Normal(Protocol):
    """A domain's `overlap_keys`."""

    def __call__(self, prompt: str, answer: str) -> frozenset[str]:
        """Normal forms of a prompt and an answer, either of which may be empty."""
        ...


@dataclass(frozen=True, slots=True)
class Hit:
    """The held-out problem that a text repeats, and by what that shows."""

    problem: Problem
    how: str


class Heldout:
    """Problems that nothing trained on may repeat."""

    def __init__(self, problems: Iterable[Problem], normal: Normal) -> None:
        self._normal = normal
        self._keys: dict[str, Problem] = {}
        self._problems: dict[str, Problem] = {}
        self._code = dedup.Matcher(SHARE, LEAST)
        self._grams: dict[tuple[str, ...], list[str]] = defaultdict(list)
        self._sizes: dict[str, int] = {}
        self._lengths: set[int] = set()
        for problem in problems:
            self._add(problem)

    def __len__(self) -> int:
        """How many problems there are."""
        return len(self._problems)

    def find(self, prompt: str, answer: str) -> Hit | None:
        """The first problem that a prompt or an answer repeats; either may be empty."""
        for key in sorted(self._normal(prompt, answer)):
            if key in self._keys:
                return Hit(self._keys[key], "the same in normal form")
        if answer.strip():
            for match in self._code.match(answer):
                return Hit(self._problems[match.name], _HOW[match.kind])
        return self._by_words(prompt, answer)

    def _add(self, problem: Problem) -> None:
        name = f"{len(self._problems)}"
        self._problems[name] = problem
        for key in self._normal(problem.prompt, problem.reference):
            self._keys.setdefault(key, problem)
        if problem.reference.strip():
            self._code.add(name, problem.reference)
        grams = _grams(problem.prompt)
        self._sizes[name] = len(grams)
        for gram in grams:
            self._grams[gram].append(name)
            self._lengths.add(len(gram))

    def _by_words(self, *texts: str) -> Hit | None:
        shared: Counter[str] = Counter()
        for gram in set().union(*(_windows(text, self._lengths) for text in texts)):
            shared.update(self._grams.get(gram, ()))
        for name, count in shared.most_common():
            if count >= SHARE * self._sizes[name]:
                return Hit(self._problems[name], "the same words")
        return None


_HOW = {"fingerprint": "the same code", "containment": "its code inside"}


def _words(text: str) -> list[str]:
    return ["0" if word[0].isdigit() else word for word in _WORD.findall(text.lower())]


def _grams(prompt: str) -> frozenset[tuple[str, ...]]:
    """Of what a problem says; where it is a stub, of its docstring alone."""
    said = _DOCSTRING.search(prompt)
    words = _words(said[2] if said else prompt)
    return _cut(words, min(WORDS, len(words))) if len(words) >= FEW else frozenset()


def _windows(text: str, lengths: Iterable[int]) -> frozenset[tuple[str, ...]]:
    words = _words(text)
    return frozenset().union(*(_cut(words, length) for length in lengths))


def _cut(words: list[str], length: int) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(words[i : i + length]) for i in range(len(words) - length + 1)) if length else frozenset()
