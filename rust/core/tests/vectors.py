"""Writes `vectors.bin`: what Python itself finds of pairs of plain values, for `python.rs` to compare with.

    python rust/core/tests/vectors.py

The file is one encoded value, a list of tuples: ("equal", left, right, left == right, bool(left)) and ("near", kind of
check, answer, centre, tolerance, what follows: a bool, or an exception's type and text). The seed is fixed.
"""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAIRS, CHECKS, SIZE = 600, 300, 60_000

EDGES = [2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, -(2**71), 2**64 + 1, 2**1023, 2**1024, 3 * 2**70]
FLOATS = [0.0, -0.0, 0.5, 1.0, 2.0**53, 2.0**63, -(2.0**63), 3 * 2.0**70, 1e22, 2.0**1023, math.inf, -math.inf, 5e-324]


def encode(value: Any) -> bytes:
    """The bytes under which a plain value travels."""
    match value:
        case None:
            return b"N"
        case bool():
            return b"T" if value else b"F"
        case int() if -(2**63) <= value < 2**63:
            return b"i" + struct.pack("<q", value)
        case int():
            return blob(b"I", value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))
        case float():
            return b"f" + struct.pack("<d", value)
        case complex():
            return b"c" + struct.pack("<dd", value.real, value.imag)
        case str():
            return blob(b"s", value.encode("utf-8", "surrogatepass"))
        case bytes():
            return blob(b"b", value)
        case bytearray():
            return blob(b"a", bytes(value))
        case range():
            return b"r" + struct.pack("<qqq", value.start, value.stop, value.step)
        case dict():
            return many(b"d", [encode(key) + encode(item) for key, item in value.items()])
    tags: dict[type, bytes] = {list: b"l", tuple: b"t", set: b"S", frozenset: b"Z"}
    parts = [encode(item) for item in value]
    return many(tags[type(value)], sorted(parts) if isinstance(value, set | frozenset) else parts)


def blob(tag: bytes, content: bytes) -> bytes:
    return tag + struct.pack("<I", len(content)) + content


def many(tag: bytes, parts: list[bytes]) -> bytes:
    return tag + struct.pack("<I", len(parts)) + b"".join(parts)


class Maker:
    """Makes values, and others that equal them or nearly do."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def number(self) -> Any:
        pick = self.random.choice
        whole = pick(
            [0, 1, -1, 2, self.random.randint(-300, 300), pick(EDGES), -pick(EDGES) + self.random.randint(-1, 1)]
        )
        choices: list[Callable[[], Any]] = [
            lambda: whole,
            lambda: pick([True, False]),
            lambda: pick([1, -1]) * pick(FLOATS),
            lambda: self.random.uniform(-3, 3),
            lambda: float("nan"),
            lambda: complex(pick(FLOATS), pick([0.0, -0.0, 0.0, 1.0, math.nan, math.inf])),
        ]
        return pick([*choices[:1] * 3, *choices])()

    def leaf(self) -> Any:
        pick, ints = self.random.choice, self.random.randint
        text = "".join(pick("aé\ud800😀") for _ in range(ints(0, 3)))
        choices = [
            None, text, text.encode("utf-8", "replace"), range(ints(-3, 3), ints(-3, 3), pick([1, 2, -1, 7, -(2**63)])),
        ]  # fmt: skip
        return pick(choices) if self.random.random() < 0.4 else self.number()

    def hashable(self, depth: int) -> Any:
        if depth and self.random.random() < 0.3:
            items = [self.hashable(depth - 1) for _ in range(self.random.randint(0, 3))]
            return self.random.choice([tuple, frozenset])(items)
        return self.leaf()

    def value(self, depth: int = 3) -> Any:
        if not depth or self.random.random() < 0.4:
            leaf = self.leaf()
            return bytearray(leaf) if isinstance(leaf, bytes) and self.random.random() < 0.5 else leaf
        kind = self.random.choice([list, tuple, set, frozenset, dict])
        many = range(self.random.randint(0, 4))
        if kind is dict:
            return {self.hashable(2): self.value(depth - 1) for _ in many}
        if kind in (set, frozenset):
            return kind(self.hashable(2) for _ in many)
        return kind(self.value(depth - 1) for _ in many)

    def like(self, value: Any) -> Any:
        """A value that shares no object with another and often equals it."""
        flip = self.random.random() < 0.5
        match value:
            case float() if value != value:
                return float("nan")
            case bool() | int() | float() | complex() if self.random.random() < 0.06:
                return self.number()
            case bool() | int():
                return self.random.choice([int, float, complex])(value) if flip and abs(value) < 2**1000 else int(value)
            case float() if value.is_integer() and flip:
                return int(value)
            case float():
                return complex(value, -0.0) if flip else value + 0.0
            case complex():
                return value.real if value.imag == 0 and flip else complex(value.real, value.imag)
            case bytes() | bytearray():
                return bytearray(value) if flip and isinstance(value, bytearray) else bytes(value)
            case range():
                return range(value.start, value.stop + self.random.choice([0, 0, 1]), value.step)
            case list() | tuple():
                return type(value)(map(self.like, value))
            case set() | frozenset():
                kind = frozenset if isinstance(value, frozenset) or flip else set
                return kind(map(self.like, sorted(value, key=encode)))
            case dict():
                items = [(self.like(key), self.like(item)) for key, item in value.items()]
                return dict(reversed(items) if flip else items)
        return value


def near(kind: str, answer: Any, centre: Any, tolerance: float) -> Any:
    try:
        far = abs(centre - answer) if kind.startswith("r") else abs(answer - centre)
        return far <= tolerance if kind.endswith("=") else far < tolerance
    except (TypeError, OverflowError) as error:
        return type(error).__name__, str(error)


def vectors() -> bytes:
    """All vectors, encoded."""
    maker = Maker(1)
    rows: list[Any] = []
    while len(rows) < PAIRS:
        left = maker.value()
        right = maker.like(left) if maker.random.random() < 0.8 else maker.value()
        if len(encode((left, right))) < 150:
            rows.append(("equal", left, right, left == right, bool(left)))
    for _ in range(CHECKS):
        kind = maker.random.choice(["near<", "near<=", "rnear<", "rnear<="])
        answer = maker.number() if maker.random.random() < 0.8 else maker.value(1)
        centre = maker.random.choice([maker.random.randint(-5, 5), 2**53, *FLOATS, maker.random.uniform(-3, 3)])
        tolerance = maker.random.choice([*FLOATS, 1e-6, maker.random.uniform(0, 5), math.nan])
        if len(encode(answer)) < 150:
            rows.append(("near", kind, answer, centre, tolerance, near(kind, answer, centre, tolerance)))
    encoded = encode(rows)
    assert len(encoded) < SIZE, len(encoded)
    return encoded


if __name__ == "__main__":
    Path(__file__).with_name("vectors.bin").write_bytes(vectors())
