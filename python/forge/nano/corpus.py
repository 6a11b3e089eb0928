"""The documents that the embedded model is trained on.

A document is a few items by one latent author. An item is a prompt in the model's own format (taken from
`forge.prompts.NANO`, so that training and asking cannot drift apart) and what follows it. Only training
structures are drawn. Tokens, special tokens and packing are the business of `pretrain`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from forge.nano import checks
from forge.nano.family import Task
from forge.nano.programs import CAREFUL, FLAWLESS, SLOPPY, Author, program
from forge.nano.structures import draw
from forge.prompts import NANO, render
from forge.types import Problem

ASSERTS_INVENTED = 3
ASSERTS_SHOWN = 8
TESTS_HEADER = "# tests\n"
"""The mode line of a format that only training uses: a right program and what it returns."""

_CAREFUL_SOLVERS = 0.25
_CAREFUL_INVENTORS = 0.9
_SLOPPY_FIX_RIGHT = 0.4
_REPAIRS = 0.35


@dataclass(frozen=True, slots=True)
class Item:
    """A prompt and its completion; `mode` is solve, repair, invent or tests."""

    mode: str
    prompt: str
    completion: str

    @property
    def text(self) -> str:
        """All the text of the item, without special tokens."""
        return self.prompt + self.completion


def documents(seed: str) -> Iterator[tuple[Item, ...]]:
    """Documents without end; the same seed gives the same ones (error messages in them are the interpreter's)."""
    rng = random.Random(f"forge nano corpus {seed}")
    while True:
        yield _document(rng)


def _document(rng: random.Random) -> tuple[Item, ...]:
    kind = rng.choices(("answers", "invent", "tests"), (40, 30, 30))[0]
    if kind == "answers":
        author = CAREFUL if rng.random() < _CAREFUL_SOLVERS else SLOPPY
        return tuple(
            _repair(draw(rng), author, rng) if rng.random() < _REPAIRS else _solve(draw(rng), author, rng)
            for _ in range(rng.randint(2, 4))
        )
    if kind == "invent":
        author = CAREFUL if rng.random() < _CAREFUL_INVENTORS else SLOPPY
        return tuple(_invent(draw(rng), author, rng) for _ in range(rng.randint(2, 3)))
    return tuple(_tests(draw(rng), rng) for _ in range(rng.randint(1, 2)))


def _problem(task: Task) -> Problem:
    return Problem(id="", domain="python", split="train", prompt=task.stub, tests={})


def _solve(task: Task, author: Author, rng: random.Random) -> Item:
    problem = _problem(task)
    return Item("solve", render(None, NANO.solve(problem)), NANO.target(problem, program(task, author, rng)))


def _invent(task: Task, author: Author, rng: random.Random) -> Item:
    lines = [checks.true_assert(task, a) for a in _exactly(task, ASSERTS_INVENTED, rng)]
    return Item("invent", render(None, NANO.propose()), "\n".join([program(task, author, rng), *lines]))


def _tests(task: Task, rng: random.Random) -> Item:
    lines = [checks.true_assert(task, a) for a in checks.small_arguments(task, ASSERTS_SHOWN, rng)]
    return Item("tests", TESTS_HEADER, "\n".join([program(task, FLAWLESS, rng), *lines]))


def _exactly(task: Task, count: int, rng: random.Random) -> list[object]:
    while True:
        arguments = checks.small_arguments(task, count, rng)
        if len(arguments) == count:
            return arguments


def _repair(task: Task, author: Author, rng: random.Random) -> Item:
    """A sloppy author's failing program with its true feedback, and this author's next version of it."""
    problem = _problem(task)
    for _ in range(8):
        broken = program(task, SLOPPY, rng)
        error = checks.first_failure(broken, task, checks.small_arguments(task, 6, rng))
        if error:
            right = author is CAREFUL or rng.random() < _SLOPPY_FIX_RIGHT
            fixed = program(task, FLAWLESS if right else SLOPPY, rng)
            return Item("repair", render(None, NANO.repair(problem, broken, error)), NANO.target(problem, fixed))
    return _solve(task, author, rng)
