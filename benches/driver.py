"""The near side of a contestant: processes of its own, which get programs once and an order for each turn."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from contest import Turn


class Driver:
    """A contestant's processes. Leaving the `with` block ends them.

    `programs` and `start` are what the far side wants to know, as far as JSON can say it. The far side
    ends every text with a comment that no other has, so that nobody gains from having seen it before.
    """

    def __init__(
        self,
        command: Sequence[str],
        programs: Sequence[Any],
        *,
        processes: int = 1,
        environment: Mapping[str, str] | None = None,
        **start: Any,
    ) -> None:
        self._turns = 0
        self._processes = [
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=dict(os.environ if environment is None else environment),
            )
            for _ in range(processes)
        ]
        try:
            for process in self._processes:
                _write(process, {"programs": programs, **start})
            for process in self._processes:
                _read(process)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes: each ends when its input does."""
        for process in self._processes:
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(BrokenPipeError):
                    if pipe:
                        pipe.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def passed(self, places: Sequence[int]) -> tuple[int, Turn]:
        """Judge the programs at these places; how many passed."""
        self._turns += 1
        several = len(self._processes)
        for number, process in enumerate(self._processes):
            _write(process, {"programs": places[number::several], "mark": f"{self._turns} {number}"})
        answers = [_read(process) for process in self._processes]
        known = [answer["cpu"] for answer in answers if answer["cpu"] is not None]
        turn = Turn(
            count=len(places),
            cpu=sum(known) if len(known) == several else None,
            each=tuple(seconds for answer in answers for seconds in answer["each"]),
        )
        return sum(answer["passed"] for answer in answers), turn

    def turn(self, places: Sequence[int]) -> Turn:
        """Judge the programs at these places, every one of which has to pass."""
        passed, turn = self.passed(places)
        assert passed == len(places), f"{passed} of {len(places)} programs passed, but all are right"
        return turn


def _write(process: subprocess.Popen[str], message: dict[str, Any]) -> None:
    assert process.stdin
    process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()


def _read(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} ended with {process.wait(20)}")
    answer: dict[str, Any] = json.loads(line)
    return answer
