"""Inputs for family tasks, and true asserts about them.

Small inputs (at most two elements, one digit) are what the corpus shows, because a tiny model can learn
to predict their values; larger ones make hidden tests. `first_failure` runs programs that this package
rendered itself, and nothing else: what a model wrote belongs in the sandbox.
"""

from __future__ import annotations

import random
from typing import Any

from forge import feedback
from forge.nano.family import Task

_KEYS = "abcdefgh"


def small_argument(task: Task, rng: random.Random) -> Any:
    """An input with at most two elements of one digit, often at the bounds that the docstring names."""
    source = task.structure.source.name
    if source == "range":
        near = [k for k in task.bounds if k <= 6]
        return rng.choice(near) if near and rng.random() < 0.4 else rng.randint(0, 5)
    size = rng.choices((0, 1, 2), (15, 40, 45))[0]
    if source == "digits":
        return int("".join(str(_digit(task, rng)) for _ in range(max(size, 1))))
    values = [_number(task, rng) for _ in range(size)]
    return values if source == "list" else dict(zip(_KEYS, values, strict=False))


def large_argument(task: Task, rng: random.Random) -> Any:
    """An input with up to six elements of up to two digits, often around the bounds that the docstring names."""
    source = task.structure.source.name
    if source == "range":
        return rng.choice([*task.bounds, rng.randint(0, 14)])
    size = rng.choice((0, 1, 2, 3, 4, 5, 6))
    if source == "digits":
        return int("".join(str(_digit(task, rng)) for _ in range(max(size, 1))))
    values: list[int] = []
    for _ in range(size):
        near = [k + step for k in task.bounds for step in (-1, 0, 1)]
        pool = [*near, *values, rng.randint(-9, 9), rng.randint(-30, 30), rng.randint(-3, 3)]
        values.append(rng.choice(pool))
    return values if source == "list" else dict(zip(_KEYS, values, strict=False))


def call(task: Task, argument: Any) -> str:
    """The call as an assert states it."""
    return f"{task.name}({argument!r})"


def true_assert(task: Task, argument: Any) -> str:
    """`assert CALL == VALUE`, with the value that the task's meaning gives."""
    return f"assert {call(task, argument)} == {task.evaluate(argument)!r}"


def small_arguments(task: Task, count: int, rng: random.Random) -> list[Any]:
    """Up to `count` different small inputs."""
    found: list[Any] = []
    for _ in range(4 * count):
        argument = small_argument(task, rng)
        if argument not in found:
            found.append(argument)
            if len(found) == count:
                break
    return found


def _digit(task: Task, rng: random.Random) -> int:
    near = [k for k in task.bounds if k <= 9]
    return rng.choice(near) if near and rng.random() < 0.4 else rng.randint(0, 9)


def _number(task: Task, rng: random.Random) -> int:
    if task.bounds and rng.random() < 0.4:
        return rng.choice(task.bounds)
    return rng.randint(-9, 9) if rng.random() < 0.5 else rng.randint(0, 9)


def load(program: str, name: str) -> Any:
    """The function that a program of this package's own making defines."""
    namespace: dict[str, Any] = {}
    exec(compile(program, "<program>", "exec"), namespace)
    return namespace[name]


def first_failure(program: str, task: Task, arguments: list[Any]) -> str:
    """The feedback on the first input on which a program of this package's own making fails; empty if none."""
    try:
        function = load(program, task.name)
    except SyntaxError as error:
        return feedback.unloadable(type(error).__name__, error.msg)
    for argument in arguments:
        expected = task.evaluate(argument)
        try:
            got = function(argument)
        except Exception as error:
            return feedback.raised(call(task, argument), type(error).__name__, str(error))
        if got != expected:
            return feedback.returned(call(task, argument), repr(got), repr(expected))
    return ""
