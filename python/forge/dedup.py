"""Near-duplicates of Python code, broken or not: clusters, fingerprints, distances, and what must not be met again.

Texts are merged at three levels: equal bytes; an equal `fingerprint`, which is that of the same code with other
names, layout, comments or harmless rewriting; and, inside a key, a `similarity` of at least the threshold. Code
alone cannot tell a bug of one token from a harmless edit, so give as key what tells them apart: the problem and
what the program did, `(problem_id, outcome, behaviour)`. Without a key only the first two levels merge.

The first text of a cluster represents it, and newcomers are compared with representatives only. What comes out
depends on nothing but the texts, their keys and their order: not on batches, threads or the process. Nothing is
executed, any text is read, and the time grows with its length.

Keys are str, bytes, int, bool, float, None and tuples of these, and are compared as in a dictionary; None alone is
no key. docs/dedup.md says what is merged and what is not.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from forge import _core
from forge.errors import DataError, ForgeError

__all__ = [
    "Index",
    "Match",
    "Matcher",
    "Member",
    "clusters",
    "containment",
    "distance",
    "fingerprint",
    "grouped",
    "nearest",
    "similarity",
    "tokens",
]


class Member(NamedTuple):
    """Where a text belongs.

    `cluster` counts clusters in the order in which they begin; `representative` is the number of the cluster's
    first text; `level` is why the text belongs there, `new` (it is the first), `exact`, `fingerprint` or
    `shingles`; `similarity` is that to the representative, 1 for equal fingerprints.
    """

    cluster: int
    representative: int
    level: str
    similarity: float


class Match(NamedTuple):
    """A held-out text that was met: its name, `fingerprint` or `containment`, and the share that was met."""

    name: str
    kind: str
    score: float


class Index:
    """Clusters that grow: texts go in one by one or many at a time, with the same result.

    Args:
        threshold: the least similarity to be merged inside a key; 0.45 if None. A number is used without a key
            too, where it loses bugs; None merges texts without a key by fingerprint only.

    Raises:
        ValueError: the threshold is not above 0 and at most 1.
    """

    def __init__(self, threshold: float | None = None) -> None:
        self._core = _core.Index(_share(threshold, "threshold"))

    def insert(self, text: str, key: Hashable = None) -> Member:
        """Insert one text.

        Raises:
            TypeError: the text is no str, or the key holds something that is no key.
            ValueError: the text holds a lone surrogate.
        """
        return self.insert_all([text], [key], threads=1)[0]

    def insert_all(
        self, texts: Sequence[str], keys: Sequence[Hashable] | None = None, threads: int | None = None
    ) -> list[Member]:
        """Insert texts in their order, with as many threads as there are processors if None.

        Raises:
            TypeError, ValueError: as `insert`, with the text's or key's number; or there are not as many keys as
                texts. Texts before the one that is named may have been inserted.
        """
        texts, keys = _lists(texts, keys)
        return [Member(*row) for row in self._core.insert(texts, keys, _threads(threads))]

    def __len__(self) -> int:
        """How many texts were inserted."""
        return len(self._core)

    @property
    def clusters(self) -> int:
        """How many clusters there are."""
        return self._core.clusters

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to a file, which holds all of it or is left as it was.

        Raises:
            ForgeError: it cannot be written.
        """
        try:
            self._core.save(Path(path))
        except OSError as failure:
            hint = "make room, or choose another path"
            raise ForgeError(f"cannot write {path}: {_reason(failure)}", hint) from failure

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The index that `save` wrote, in this or another process.

        Raises:
            DataError: there is no such file, or it is no index, damaged, or of another version.
        """
        index = cls()
        hint = "give a file that Index.save wrote, or build the index again from the texts"
        try:
            index._core = _core.Index.load(Path(path))
        except (OSError, ValueError) as failure:
            raise DataError(f"cannot load {path}: {_reason(failure)}", hint) from failure
        return index


class Matcher:
    """Finds held-out code in other texts: the same code, or a text that contains enough of it.

    Args:
        threshold: the share of a held-out text's distinct shingles that must occur in a text.
        least: how many distinct shingles a held-out text must have to be found by containment; shorter ones occur
            by chance.

    Raises:
        ValueError: the threshold is not above 0 and at most 1, or `least` is below 1.
    """

    def __init__(self, threshold: float = 0.6, least: int = 8) -> None:
        if least < 1:
            raise ValueError(f"least should be at least 1, not {least}")
        self._core = _core.Matcher(_share(threshold, "threshold") or 1.0, least)
        self._names: list[str] = []

    def add(self, name: str, text: str) -> None:
        """Add code that must not be met; several texts may have one name.

        Raises:
            TypeError: the name or the text is no str.
            ValueError: the text holds a lone surrogate.
        """
        if not isinstance(name, str):
            raise TypeError(f"the name is not a str but of type {type(name).__name__}")
        self._core.add(text)
        self._names.append(name)

    def __len__(self) -> int:
        """How many texts were added."""
        return len(self._names)

    def match(self, text: str) -> list[Match]:
        """What of the held-out code is met in a text, the highest score first, equal scores by name.

        Raises:
            TypeError: the text is no str.
            ValueError: the text holds a lone surrogate.
        """
        return self.match_all([text], threads=1)[0]

    def match_all(self, texts: Iterable[str], threads: int | None = None) -> list[list[Match]]:
        """`match` for each text, with as many threads as there are processors if None.

        Raises:
            TypeError, ValueError: as `match`, with the text's number.
        """
        found = self._core.look(_listed(texts), _threads(threads))
        return [
            sorted((Match(self._names[item], kind, score) for item, kind, score in row), key=_best_first)
            for row in found
        ]


def clusters(texts: Sequence[str], keys: Sequence[Hashable] | None = None, threshold: float | None = None) -> list[int]:
    """For each text the number of the first text of its cluster; arguments and errors are those of `Index`."""
    texts, keys = _lists(texts, keys)
    return _core.Index(_share(threshold, "threshold")).firsts(texts, keys, None)


def grouped(
    texts: Sequence[str],
    keys: Sequence[Hashable] | None = None,
    threshold: float | None = None,
    threads: int | None = None,
) -> list[Member]:
    """Where each text belongs; arguments and errors are those of `Index`."""
    return Index(threshold).insert_all(texts, keys, threads)


def fingerprint(text: str) -> str:
    """32 hexadecimal digits, equal for code that means the same as far as `forge.dedup` can tell.

    Raises:
        ValueError: the text holds a lone surrogate.
    """
    return _core.fingerprint(text)


def similarity(a: str, b: str) -> float:
    """The Jaccard similarity of the two texts' shingles: runs of five tokens, local names made alike.

    Raises:
        ValueError: a text holds a lone surrogate.
    """
    return _core.similarity(a, b)


def containment(part: str, whole: str) -> float:
    """The share of the shingles of `part` that `whole` has; 1 if it has none.

    Raises:
        ValueError: a text holds a lone surrogate.
    """
    return _core.containment(part, whole)


def distance(a: str, b: str) -> int:
    """How many tokens to insert, remove or replace to get from one text to the other.

    Tokens are compared as they are written; comments and blank space are none, ends of lines and blocks are.

    Raises:
        ValueError: a text holds a lone surrogate.
    """
    return _core.distance(a, b)


def nearest(text: str, others: Sequence[str]) -> int:
    """The place in `others` of the text with the least `distance`, the first of several.

    Raises:
        ValueError: there are no others, or a text holds a lone surrogate.
    """
    found = _core.nearest(text, _listed(others))
    if found is None:
        raise ValueError("there are no others to choose from")
    return found


def tokens(text: str) -> list[tuple[str, str]]:
    """The tokens of a text as `(kind, text)`; on valid code those of `tokenize` in Python 3.11, but for the end marker.

    Raises:
        ValueError: the text holds a lone surrogate.
    """
    return _core.tokens(text)


def _listed(texts: Iterable[str]) -> list[str]:
    if isinstance(texts, str):
        raise TypeError("texts should be several texts, not one str")
    return texts if isinstance(texts, list) else list(texts)


def _lists(texts: Iterable[str], keys: Iterable[Hashable] | None) -> tuple[list[str], list[Hashable] | None]:
    listed = _listed(texts)
    if keys is None:
        return listed, None
    if isinstance(keys, str):
        raise TypeError("keys should be one key for each text, not one str")
    keys = keys if isinstance(keys, list) else list(keys)
    if len(keys) != len(listed):
        raise ValueError(f"there are {len(listed)} texts and {len(keys)} keys: give one key for each text")
    return listed, keys


def _share(value: float | None, name: str) -> float | None:
    if value is not None and not 0 < value <= 1:
        raise ValueError(f"{name} should be above 0 and at most 1, not {value}")
    return value


def _threads(threads: int | None) -> int | None:
    if threads is not None and threads < 1:
        raise ValueError(f"threads should be at least 1, not {threads}")
    return threads


def _best_first(match: Match) -> tuple[float, str]:
    return -match.score, match.name


def _reason(failure: Exception) -> str:
    return getattr(failure, "strerror", None) or str(failure)
