"""The forms of work that the sandbox takes: a source with tests, calls or cases, and any executable.

These classes only hold and check. What they hold is read once, when they are made.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from forge import _core


@dataclass(frozen=True, slots=True)
class Limits:
    """What one job may use: seconds, bytes and counts. Each of its processes has each limit to itself."""

    wall: float = 10.0
    cpu: float = 5.0
    memory: int = 512 << 20
    output: int = 64 << 10
    processes: int = 16
    files: int = 16 << 20

    def __post_init__(self) -> None:
        """Raises ValueError if a limit is not a positive number."""
        for name in self.__slots__:
            value = getattr(self, name)
            if not 0 < value < 1 << 62:
                raise ValueError(f"limit {name} should be positive, not {value!r}")


@dataclass(frozen=True, slots=True)
class Call:
    """One test without code: `function(*arguments, **named)` must come back with `expected`.

    All values are plain (`None`, numbers, text, bytes, and lists, tuples, dictionaries, sets and ranges of
    them) and are copied now. The answer is compared outside the program with `==`, but for three things: an
    instance of a subclass counts as the plain value it holds, no NaN equals anything, and identity is unknown.

    With a positive `tolerance`, an `int` or `float` anywhere in lists, tuples and values of dictionaries may be
    off by `max(tolerance, tolerance * max(abs(got), abs(expected)))`; infinities only equal themselves; booleans,
    complex numbers, members of sets and keys of dictionaries are compared exactly.

    Raises:
        ValueError: a value is not plain, or too large; the name is none; the tolerance is negative or not finite.
    """

    function: str
    arguments: Sequence[Any] = ()
    expected: Any = None
    named: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float = 0.0
    packed: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.function.isidentifier():
            raise ValueError(f"{self.function!r} is not the name of a function")
        _check_tolerance(self.tolerance)
        for key in self.named:
            if not isinstance(key, str):
                raise ValueError(f"call of {self.function}: an argument's name is {key!r}, not text")
        parts = [(f"argument {place}", value) for place, value in enumerate(self.arguments, 1)]
        parts += [(f"argument {name!r}", value) for name, value in self.named.items()]
        for where, value in [*parts, ("the expected value", self.expected)]:
            try:
                _core.encode(value)
            except (ValueError, UnicodeError) as error:
                raise ValueError(f"call of {self.function}: {where} cannot be carried: {error}") from error
        call = (self.function, tuple(self.arguments), dict(self.named), self.expected, float(self.tolerance))
        object.__setattr__(self, "packed", _core.encode(call))


@dataclass(frozen=True, slots=True)
class Case:
    """One test of a whole program: given `stdin`, it must print `stdout` and leave with status 0.

    White space at the end of lines and empty lines at the end do not count. With a positive `tolerance`, lines
    are compared word by word, and two words that both read as numbers may be off as for a `Call`.

    Raises:
        ValueError: a text holds lone surrogates; the tolerance is negative or not finite.
    """

    stdin: str | bytes = ""
    stdout: str | bytes = ""
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        _bytes(self.stdin)
        _bytes(self.stdout)
        _check_tolerance(self.tolerance)

    @property
    def parts(self) -> tuple[bytes, bytes, float]:
        """Input, output and tolerance, as they travel."""
        return _bytes(self.stdin), _bytes(self.stdout), float(self.tolerance)


@dataclass(frozen=True, slots=True)
class Job:
    """One program and what it is held against: `tests` (and `probes`), or `calls`, or `cases`.

    `tests` are Python statements, each one test; they call `entry_point` and other functions of `source`
    by name, and run beside `setup`, out of the program's sight. A test that defines subclasses of
    `unittest.TestCase` holds if all their test methods do. `probes` are expressions evaluated after the tests.

    With `calls`, `entry_point` may be left out. With `cases`, the source is run as `__main__` in a process of
    its own for each of them.

    Raises:
        ValueError: more than one form of tests, or something that does not go with the form.
    """

    source: str
    tests: Sequence[str] = ()
    entry_point: str = ""
    setup: str = ""
    probes: Sequence[str] = ()
    limits: Limits | None = None
    calls: Sequence[Call] = ()
    cases: Sequence[Case] = ()

    def __post_init__(self) -> None:
        code = bool(self.tests or self.probes or self.setup)
        if code + bool(self.calls) + bool(self.cases) > 1:
            raise ValueError("a job has tests (with setup and probes), calls or cases, not several of them")
        if self.cases and self.entry_point:
            raise ValueError("a whole program has no entry point")


@dataclass(frozen=True, slots=True)
class Command:
    """An executable to run: `argv[0]` is its absolute path, which the sandbox must have among its `readable`.

    It starts in an empty private directory that holds `files` (relative path to contents), with `environment`
    and no other variables. `outputs` are relative paths of files to hand back; those that are no regular files
    at the end, or are reached through a link, are left out.

    Raises:
        ValueError: the path is not absolute, a name is not relative, a text holds a null character.
    """

    argv: Sequence[str]
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    stdin: str | bytes = ""
    outputs: Sequence[str] = ()
    limits: Limits | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.argv, str) or not self.argv or not self.argv[0].startswith("/"):
            raise ValueError("a command is a list of words, the first of which is an absolute path")
        if any("\0" in word for word in (*self.argv, *self.environment, *self.environment.values())):
            raise ValueError("a command's words and environment hold no null characters")
        if any(not name or "=" in name for name in self.environment):
            raise ValueError("the name of a variable is not empty and holds no '='")
        for name in (*self.files, *self.outputs):
            path = PurePosixPath(name)
            if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name or len(path.parts) > 32:
                raise ValueError(f"{name!r} is not a path below the command's directory")
        for contents in (self.stdin, *self.files.values()):
            _bytes(contents)

    @property
    def parts(self) -> tuple[list[bytes], list[tuple[bytes, bytes]], bytes, list[bytes], list[tuple[bytes, bytes]]]:
        """Words, files, standard input, outputs and environment, as they travel."""
        files = [(os.fsencode(name), _bytes(contents)) for name, contents in self.files.items()]
        environment = [(os.fsencode(name), os.fsencode(value)) for name, value in self.environment.items()]
        words, outputs = ([os.fsencode(word) for word in words] for words in (self.argv, self.outputs))
        return words, files, _bytes(self.stdin), outputs, environment


def _bytes(text: str | bytes) -> bytes:
    """Raises ValueError for text that has no UTF-8."""
    return text.encode() if isinstance(text, str) else bytes(text)


def _check_tolerance(tolerance: float) -> None:
    if not 0 <= tolerance < math.inf:
        raise ValueError(f"tolerance should be a finite number and not negative, not {tolerance!r}")
