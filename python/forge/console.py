"""What the command line talks through: data to standard output, talk and progress to standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

talk = Console(stderr=True, highlight=False)
data = Console(highlight=False)


class Shown:
    """Progress on the terminal: a bar a stage with its rate; a line a stage where there is no terminal."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars

    def stage(self, name: str, total: int | None) -> Callable[[int], None]:
        """A stage begins; what is returned is told how many more are done."""
        if not talk.is_terminal:
            talk.print(name if total is None else f"{name}: {total}", markup=False)
            return lambda done: None
        bar = self.bars.add_task(name, total=total)
        return lambda done: self.bars.advance(bar, done)

    def note(self, text: str) -> None:
        """Say a line."""
        talk.print(text, markup=False, soft_wrap=True)


@contextmanager
def progress() -> Iterator[Shown]:
    """Progress for as long as the block lasts."""
    columns = (
        TextColumn("{task.description:<32}"), BarColumn(bar_width=None), MofNCompleteColumn(),
        _Rate("{task.speed}"), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=talk, disable=not talk.is_terminal) as bars:
        yield Shown(bars)


class _Rate(TextColumn):
    def render(self, task: Any) -> Any:
        from rich.text import Text

        speed = task.finished_speed or task.speed
        return Text(f"{speed:.0f}/s" if speed else "", justify="right")
