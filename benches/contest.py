"""Contestants take turns, round by round, so that whatever else the machine does falls on all of them alike.

What counts is each round's ratio to the first contestant; its median and its spread go into a table, which is
printed and, with `--promises`, put into `docs/promises.md` between two comments that bear the table's name.
"""

from __future__ import annotations

import datetime
import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

PROMISES = Path(__file__).parent.parent / "docs" / "promises.md"


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a contestant: how many things it did, in how many seconds, with how many CPU seconds.

    `cpu` is None where it cannot be known; `each` holds the seconds of every single thing, where asked for.
    """

    count: int = 1
    cpu: float | None = None
    each: tuple[float, ...] = ()
    wall: float = 0.0

    @property
    def wall_each(self) -> float:
        """Seconds for one thing."""
        return self.wall / self.count

    @property
    def cpu_each(self) -> float | None:
        """CPU seconds for one thing."""
        return None if self.cpu is None else self.cpu / self.count


Turns = Sequence[Turn]
Column = tuple[str, Callable[[Turns, Turns], str]]
"""A heading, and what to show of a contestant's turns beside the first contestant's."""


class Contest:
    """Lets contestants take turns; without `--measure` one turn each, and nothing is shown."""

    def __init__(self, config: pytest.Config, capsys: pytest.CaptureFixture[str]) -> None:
        self.measure = bool(config.getoption("--measure"))
        self.promises = bool(config.getoption("--promises"))
        self.rounds = int(config.getoption("--rounds"))
        self.capsys = capsys
        self.load = os.getloadavg()[0]

    def run(self, contestants: Mapping[str, Callable[[], object]]) -> dict[str, list[Turn]]:
        """The turns of every contestant, one a round. A first round warms up; each round begins with another."""
        turns: dict[str, list[Turn]] = {title: [] for title in contestants}
        titles = list(contestants)
        for number in range(self.rounds + 1 if self.measure else 1):
            for title in titles[number % len(titles) :] + titles[: number % len(titles)]:
                began = time.perf_counter()
                done = contestants[title]()
                wall = time.perf_counter() - began
                if number or not self.measure:
                    turns[title].append(replace(done if isinstance(done, Turn) else Turn(), wall=wall))
        return turns

    def compare(
        self, name: str, title: str, turns: Mapping[str, Turns], columns: Sequence[Column], notes: Sequence[str] = ()
    ) -> None:
        """Report the contestants' turns, a row each."""
        first = next(iter(turns.values()))
        rows = [[who, *(show(mine, first) for _, show in columns)] for who, mine in turns.items()]
        self.report(name, title, ["", *(heading for heading, _ in columns)], rows, notes)

    def report(
        self, name: str, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()
    ) -> None:
        """Print a table; with `--promises`, put it into the document. Nothing without `--measure`."""
        if not self.measure:
            return
        facts = (
            f"{_machine()}; median of {self.rounds} interleaved rounds (least to most); load before {self.load:.1f}."
        )
        text = "\n".join([f"### {title}", "", facts, "", *_table(headings, rows)])
        if notes:
            text += "\n\n" + "\n".join(f"- {note}" for note in notes)
        with self.capsys.disabled():
            print(f"\n{text}")
        if self.promises:
            PROMISES.write_text(placed(PROMISES.read_text(encoding="utf-8"), name, text), encoding="utf-8")


def placed(document: str, name: str, text: str) -> str:
    """The document with the block of that name replaced, or appended where there is none."""
    begin, end = f"<!-- measured: {name} -->", f"<!-- end: {name} -->"
    block = f"{begin}\n{text}\n{end}"
    if begin not in document:
        return f"{document.rstrip()}\n\n{block}\n"
    before, _, rest = document.partition(begin)
    if end not in rest or begin in rest:
        raise ValueError(f"the marks of {name!r} in {PROMISES.name} are not one pair; repair them by hand")
    return before + block + rest.partition(end)[2]


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median, least and most."""
    middle = statistics.median(values)
    return f"{middle:.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def quantile(values: Sequence[float], share: float) -> float:
    """The value that a share of all do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def rate(mine: Turns, _: Turns) -> str:
    """Things a second."""
    return f"{statistics.median(1 / turn.wall_each for turn in mine):,.0f}"


def milliseconds(mine: Turns, _: Turns) -> str:
    """Milliseconds of a turn."""
    return f"{1000 * statistics.median(turn.wall for turn in mine):.1f}"


def cpu(mine: Turns, _: Turns) -> str:
    """CPU milliseconds for one thing."""
    known = [turn.cpu_each for turn in mine if turn.cpu_each is not None]
    return f"{1000 * statistics.median(known):.2f}" if known else "not known"


def wall_ratio(mine: Turns, first: Turns) -> str:
    """How many times as fast the first contestant is."""
    if mine is first:
        return "1"
    return spread([a.wall_each / b.wall_each for a, b in zip(mine, first, strict=True)])


def cpu_ratio(mine: Turns, first: Turns) -> str:
    """How many times as much CPU this contestant needs for one thing as the first does."""
    if mine is first:
        return "1"
    pairs = [(a.cpu_each, b.cpu_each) for a, b in zip(mine, first, strict=True)]
    ratios = [a / b for a, b in pairs if a is not None and b]
    return spread(ratios) if ratios else "not known"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in (headings, *rows)) for place in range(len(headings))]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        return "| " + " | ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    return [line(headings), rule, *(line(row) for row in rows)]


def _machine() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    model = found.group(1).strip() if found else platform.machine()
    kernel = re.match(r"[\d.]*\d", platform.release())
    return (
        f"{datetime.date.today().isoformat()}, {len(os.sched_getaffinity(0))} cores of {model}, "
        f"Linux {kernel.group() if kernel else platform.release()}, Python {platform.python_version()}"
    )
