"""Problems of the family: the held-out benchmark, and problems of training structures.

The held-out problems are rendered once into `heldout.jsonl` beside this file, from a constant seed; `dev`
is for choosing, `final` for the one measurement that is reported. Every problem has 6 to 8 hidden asserts
that together reject every single mistake its task admits. Which problems are in is decided by structure
alone (trap sites, primitive weights), never by what a model does with them.

Rebuild the file with `python -m forge.nano.heldout`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from forge.nano import checks
from forge.nano.family import Structure, Task
from forge.nano.programs import FLAWLESS, body, program, reference, slips
from forge.nano.structures import draw, structures, weight, with_constants
from forge.types import Problem, from_row, to_row

HALVES = {"dev": 240, "final": 300}
"""How many problems each half holds."""

TRAP_SHARES = {0: 0.29, 1: 0.33, 2: 0.38}
"""The share of problems by trap sites (2 stands for two or more); it sets how often a base model succeeds at once."""

TAIL = 0.3
"""How much a structure's weight counts in the choice: 1 would repeat the corpus, 0 would ignore it."""

_SEED = "forge nano heldout 1"
_FILE = "heldout.jsonl"
_POOL = 80
_TRIES = 4
_MISTAKE_STYLE = "named"


def problems(half: str) -> Iterator[Problem]:
    """The held-out problems of one half, `dev` or `final`, in their fixed order."""
    if half not in HALVES:
        raise ValueError(f"no half {half!r} of the held-out problems: one of {', '.join(HALVES)}")
    for line in (resources.files("forge.nano") / _FILE).read_text(encoding="utf-8").splitlines():
        problem = from_row(Problem, json.loads(line))
        if problem.id.startswith(f"nano/{half}/"):
            yield problem


def training_problems(seed: int, count: int) -> Iterator[Problem]:
    """`count` problems of training structures, with right references and asserts that reject every single mistake."""
    rng = random.Random(f"forge nano training problems {seed}")
    seen: set[str] = set()
    while len(seen) < count:
        task = draw(rng)
        asserts = hidden_asserts(task, rng)
        if asserts and task.stub not in seen:
            seen.add(task.stub)
            label = f"nano/train/{seed}/{len(seen):04d}"
            yield _problem(label, "train", task, asserts, program(task, FLAWLESS, rng))


def build(half: str) -> list[Problem]:
    """Make the problems of one half anew."""
    return [_problem(label, "heldout", task, asserts, reference(task)) for label, task, asserts in tasks(half)]


def tasks(half: str) -> Iterator[tuple[str, Task, list[str]]]:
    """The id, task and asserts of every problem of one half."""
    rng = random.Random(f"{_SEED} {half}")
    chosen: dict[int, list[tuple[Task, list[str]]]] = {level: [] for level in TRAP_SHARES}
    wanted = {level: round(share * HALVES[half]) for level, share in TRAP_SHARES.items()}
    for structure in _shuffled(half, rng):
        level = min(structure.traps, max(TRAP_SHARES))
        if len(chosen[level]) == wanted[level]:
            continue
        for _ in range(_TRIES):
            task = with_constants(structure, rng)
            if asserts := hidden_asserts(task, rng):
                chosen[level].append((task, asserts))
                break
    together = [entry for level in sorted(chosen) for entry in chosen[level]]
    if len(together) != HALVES[half]:
        raise ValueError(f"only {len(together)} of {HALVES[half]} {half} problems can be made")
    rng.shuffle(together)
    for number, (task, asserts) in enumerate(together, 1):
        yield f"nano/{half}/{number:03d}", task, asserts


def _shuffled(half: str, rng: random.Random) -> list[Structure]:
    """The half's structures in a random order that prefers those whose parts are frequent."""
    keys = {s.key: rng.random() ** (1.0 / weight(s) ** TAIL) for s in structures(half)}
    return sorted(structures(half), key=lambda s: keys[s.key], reverse=True)


def hidden_asserts(task: Task, rng: random.Random) -> list[str]:
    """6 to 8 true asserts of which at least one fails for each single mistake; empty where that cannot be had."""
    mistaken = [task.stub + body(task, mistakes, _MISTAKE_STYLE) for mistakes in slips(task)]
    functions = [checks.load(text, task.name) for text in mistaken]
    right = checks.load(reference(task), task.name)
    pool: list[Any] = []
    for _ in range(_POOL):
        argument = checks.large_argument(task, rng)
        if argument not in pool:
            pool.append(argument)
    failing = {i: {f for f, function in enumerate(functions) if _fails(function, task, a)} for i, a in enumerate(pool)}
    if any(_fails(right, task, argument) for argument in pool):
        raise AssertionError(f"the reference of {task.name} disagrees with what it means: {task.docstring}")
    count = rng.randint(6, 8)
    alive, picked = set(range(len(functions))), list[int]()
    while alive:
        best = max(failing, key=lambda i: len(failing[i] & alive))
        if not failing[best] & alive or len(picked) == count:
            return []
        picked.append(best)
        alive -= failing[best]
    rest = [i for i in failing if i not in picked]
    picked += rng.sample(rest, max(0, min(count - len(picked), len(rest))))
    rng.shuffle(picked)
    return [checks.true_assert(task, pool[i]) for i in picked] if len(picked) >= 6 else []


def _fails(function: Any, task: Task, argument: Any) -> bool:
    try:
        return bool(function(argument) != task.evaluate(argument))
    except Exception:
        return True


def _problem(label: str, split: str, task: Task, asserts: list[str], text: str) -> Problem:
    return Problem(
        id=label,
        domain="python",
        split=split,
        prompt=task.stub,
        tests={"entry_point": task.name, "asserts": asserts},
        reference=text,
    )


def rendered() -> str:
    """The text of `heldout.jsonl`."""
    return "".join(json.dumps(to_row(problem)) + "\n" for half in HALVES for problem in build(half))


if __name__ == "__main__":
    Path(__file__).with_name(_FILE).write_text(rendered(), encoding="utf-8")
