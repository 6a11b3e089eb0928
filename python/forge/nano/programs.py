"""Programs for a task, right or with chosen mistakes, and the latent author who makes them.

Holds the rendering of a body in several styles, the single mistakes that a task admits (`slips`), and
the two kinds of author whose mistakes the corpus mixes. Rendered programs are this file's own text and
always end; nothing here judges them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from forge.nano.family import Task

STYLES = ("short", "named", "steps", "loop")
_STYLE_WEIGHTS = (40, 40, 10, 10)


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Which sites of a program are wrong: primitives in their wrong form, parts left out."""

    source: bool = False
    filter: bool = False
    map: bool = False
    reducer: bool = False
    no_filter: bool = False
    no_map: bool = False


@dataclass(frozen=True, slots=True)
class Author:
    """How often an author makes each kind of mistake, as probabilities per site (and per program for typos)."""

    trap: float
    slip: float
    omission: float
    typo: float


SLOPPY = Author(trap=0.9, slip=0.1, omission=0.03, typo=0.05)
CAREFUL = Author(trap=0.9 / 28, slip=0.1 / 28, omission=0.03 / 28, typo=0.05 / 28)
FLAWLESS = Author(trap=0.0, slip=0.0, omission=0.0, typo=0.0)


def program(task: Task, author: Author, rng: random.Random) -> str:
    """A whole program for the task as this author writes it."""
    text = task.stub + body(task, _mistakes(task, author, rng), rng.choices(STYLES, _STYLE_WEIGHTS)[0])
    return _with_typo(text, task, rng) if rng.random() < author.typo else text


def reference(task: Task, style: str = "short") -> str:
    """The right program for a task, in the given style where the task admits it."""
    return task.stub + body(task, Mistakes(), style)


def slips(task: Task) -> Iterator[Mistakes]:
    """Every single mistake that the task admits."""
    shape = task.structure
    none = Mistakes()
    admitted = {
        "source": bool(shape.source.wrong),
        "filter": bool(shape.filter.wrong),
        "map": bool(shape.map.wrong),
        "reducer": True,
        "no_filter": bool(shape.filter.code),
        "no_map": shape.map.code != "x",
    }
    for field in fields(Mistakes):
        if admitted[field.name]:
            yield replace(none, **{field.name: True})


def _mistakes(task: Task, author: Author, rng: random.Random) -> Mistakes:
    shape = task.structure

    def falls(trap: bool) -> bool:
        return rng.random() < (author.trap if trap else author.slip)

    return Mistakes(
        source=falls(shape.source.trap),
        filter=falls(shape.filter.trap),
        map=falls(shape.map.trap),
        reducer=falls(shape.reducer.trap),
        no_filter=rng.random() < author.omission,
        no_map=rng.random() < author.omission,
    )


def body(task: Task, mistakes: Mistakes, style: str) -> str:
    """The indented lines after the docstring, without a last newline; an inapplicable style falls back to `named`."""
    shape = task.structure
    source = shape.source.wrong if mistakes.source and shape.source.wrong else shape.source.code
    kept = "" if mistakes.no_filter else shape.filter.wrong if mistakes.filter else shape.filter.code
    mapped = "x" if mistakes.no_map else shape.map.wrong if mistakes.map and shape.map.wrong else shape.map.code
    condition = f" if {kept.format(**task.named_bounds())}" if kept else ""
    mapped = mapped.format(k=task.factor)
    loop = _loop(task, mistakes.reducer, source, mapped, condition) if style == "loop" else []
    if shape.reducer.name == "product":
        loop = [
            f"    result = {0 if mistakes.reducer else 1}",
            f"    for y in [{mapped} for x in {source}{condition}]:",
            "        result *= y",
            "    return result",
        ]
    if loop:
        return "\n".join(loop)
    short = shape.reducer.wrong_short if mistakes.reducer else shape.reducer.short
    if style == "short" and short:
        return f"    return {short.format(g=f'{mapped} for x in {source}{condition}')}"
    lines = [f"    ys = [{mapped} for x in {source}{condition}]"]
    if style == "steps" and condition and mapped != "x":
        lines = [f"    ys = [x for x in {source}{condition}]", f"    ys = [{mapped} for x in ys]"]
    named = shape.reducer.wrong_named if mistakes.reducer else shape.reducer.named
    return "\n".join([*lines, f"    return {named}"])


def _loop(task: Task, wrong: bool, source: str, mapped: str, condition: str) -> list[str]:
    """The accumulator style of sums, counts and lists; empty for other reducers."""
    name = task.structure.reducer.name
    if name not in ("sum", "number", "list"):
        return []
    counts = (name == "number") != wrong
    step = f"result.append({mapped})" if name == "list" else f"result += {1 if counts else mapped}"
    lines = [f"    result = {'[]' if name == 'list' else 0}", f"    for x in {source}:"]
    if condition:
        lines += [f"       {condition}:", f"            {step}"]
    else:
        lines += [f"        {step}"]
    return [*lines, "    return result[::-1]" if name == "list" and wrong else "    return result"]


def _with_typo(text: str, task: Task, rng: random.Random) -> str:
    """The program with a name confused, a bracket lost or its `return` lost."""
    stub, rest = text[: len(task.stub)], text[len(task.stub) :]
    kind = rng.choice(("name", "bracket", "return"))
    if kind == "return":
        head, _, tail = rest.rpartition("return ")
        return stub + head + tail
    if kind == "bracket":
        at = max(rest.rfind(")"), rest.rfind("]"))
        if at >= 0:
            return stub + rest[:at] + rest[at + 1 :]
    if "ys" in rest:
        head, _, tail = rest.rpartition("ys")
        return f"{stub}{head}zs{tail}"
    at = rest.rfind("x")
    return stub + (rest[:at] + "y" + rest[at + 1 :] if at >= 0 else rest[:-1])
