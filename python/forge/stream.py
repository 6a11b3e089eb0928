"""Generation and judging at once: attempts reach the disk, and the judge, while the generator runs on.

A bounded queue joins the two: the generator waits only if the judge is far behind. Attempts are on the
disk before they are judged, verdicts as soon as a handful is there, so an interruption at any moment
loses nothing that was finished.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from forge.protocols import Judge
from forge.store import Rows
from forge.types import Attempt, Outcome, Problem, Verdict

_Item = TypeVar("_Item")
_AHEAD = 4096
_CHUNK = 64
_AGE = 1.0

Advance = Callable[[int], None]
"""Called with how many more are done."""


class Progress(Protocol):
    """How a run tells what it is doing."""

    def stage(self, name: str, total: int) -> Advance:
        """A stage begins, with `total` steps; the result is called as they are done."""
        ...

    def note(self, text: str) -> None:
        """One line a person should read."""
        ...


def owed(attempts: Iterable[Attempt], verdicts: Iterable[Verdict], version: str) -> list[Attempt]:
    """The attempts without a verdict of this judge: new ones, errors, and those an older judge saw."""
    judged = {v.attempt_id for v in verdicts if v.outcome is not Outcome.ERROR and v.judge.startswith(version)}
    return [attempt for attempt in attempts if attempt.id not in judged]


def judge_all(
    judge: Judge, problems: Mapping[str, Problem], owed: Sequence[Attempt], verdicts: Rows[Verdict], advance: Advance
) -> None:
    """Judge attempts and store the verdicts as they come."""
    for chunk in chunks(judge.judge((problems[attempt.problem_id], attempt) for attempt in owed)):
        verdicts.append(chunk)
        advance(len(chunk))


def attempt_and_judge(
    generated: Iterator[Attempt],
    judge: Judge,
    problems: Mapping[str, Problem],
    attempts: Rows[Attempt],
    verdicts: Rows[Verdict],
    advance: Advance,
    rows: int = _CHUNK,
) -> None:
    """Store and judge attempts while `generated` is still yielding; `advance` counts verdicts.

    At most a batch of `rows` attempts is held in memory only. An interruption drops what waits to be judged:
    it is stored, and owed.

    Raises:
        ForgeError: whatever the generator, the judge or the disk raised first.
    """
    waiting: queue.Queue[Attempt | None] = queue.Queue(_AHEAD)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while batch := _drain(waiting):
                judge_all(judge, problems, batch, verdicts, advance)
        except BaseException as failure:
            failures.append(failure)

    worker = threading.Thread(target=work, name="judge", daemon=True)
    worker.start()
    try:
        for chunk in chunks(generated, min(rows, _CHUNK)):
            attempts.append(chunk)
            for attempt in chunk:
                _put(waiting, attempt, worker)
            if failures:
                break
    except KeyboardInterrupt:
        with waiting.mutex:
            waiting.queue.clear()
        raise
    finally:
        _put(waiting, None, worker)
        worker.join()
    if failures:
        raise failures[0]


def _put(waiting: queue.Queue[Attempt | None], item: Attempt | None, worker: threading.Thread) -> None:
    """Wait for a place in the queue, but not for a worker that is gone."""
    while worker.is_alive():
        try:
            waiting.put(item, timeout=0.2)
            return
        except queue.Full:
            continue


def _drain(waiting: queue.Queue[Attempt | None]) -> list[Attempt]:
    """All that is waiting, at least one; empty when the generator has ended."""
    batch: list[Attempt] = []
    while True:
        try:
            item = waiting.get(block=not batch)
        except queue.Empty:
            return batch
        if item is None:
            waiting.put(None)
            return batch
        batch.append(item)


def chunks(items: Iterable[_Item], size: int = _CHUNK) -> Iterator[list[_Item]]:
    """Items by the handful, or by what came in a second where they are slow (and dear).

    What came before a failure is yielded before the failure is raised.
    """
    chunk: list[_Item] = []
    began = 0.0
    try:
        for item in items:
            if not chunk:
                began = time.monotonic()
            chunk.append(item)
            if len(chunk) == size or time.monotonic() - began >= _AGE:
                yield chunk
                chunk = []
    except GeneratorExit:
        raise
    except BaseException:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk
