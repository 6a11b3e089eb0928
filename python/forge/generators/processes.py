"""Processes that hold an engine: started, spoken to in lines of JSON, and ended for certain.

Each has a session of its own, so that an interrupt at the terminal reaches only forge, which then ends them
with all they started. What they print goes to a log that is shown only in an error.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Any

from forge.errors import GeneratorError

_GRACE = 5.0
_SHOWN = 3


class Processes:
    """One process of a module for each argument; they answer into one queue."""

    def __init__(self, module: str, arguments: Sequence[str], environments: Sequence[Mapping[str, str]]) -> None:
        self._answers: queue.Queue[tuple[int, dict[str, Any] | None]] = queue.Queue()
        self._logs: list[IO[bytes]] = []
        self._running: list[subprocess.Popen[bytes]] = []
        # Without -P the current directory would come first, and may hold a folder of an engine's name.
        command = [sys.executable, "-P", "-m", module]
        for number, (argument, environment) in enumerate(zip(arguments, environments, strict=True)):
            log = tempfile.TemporaryFile()  # noqa: SIM115
            process = subprocess.Popen(
                [*command, argument], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                env={**os.environ, **environment}, start_new_session=True,
            )  # fmt: skip
            self._logs.append(log)
            self._running.append(process)
            threading.Thread(target=self._read, args=(number, process), daemon=True).start()

    def __len__(self) -> int:
        return len(self._running)

    def ready(self) -> list[dict[str, Any]]:
        """Wait until all have started; what each says of itself."""
        facts: dict[int, dict[str, Any]] = {}
        while len(facts) < len(self._running):
            number, message = self.receive()
            facts[number] = message["ready"]
        return [facts[number] for number in sorted(facts)]

    def send(self, number: int, command: Mapping[str, Any]) -> None:
        """Give a process something to do; that it is gone is told by `receive`."""
        pipe = self._running[number].stdin
        assert pipe is not None
        with contextlib.suppress(OSError, ValueError):
            pipe.write(json.dumps(command).encode() + b"\n")
            pipe.flush()

    def receive(self) -> tuple[int, dict[str, Any]]:
        """The next answer, and which process gives it.

        Raises:
            GeneratorError: a process failed or ended.
        """
        number, message = self._answers.get()
        if message is None:
            raise failure(self._said(number))
        if error := message.get("error"):
            raise failure(error)
        return number, message

    def close(self) -> None:
        """End them all, politely first: what they started goes with them."""
        for process in self._running:
            with contextlib.suppress(OSError):
                process.stdin.close()  # type: ignore[union-attr]
        for process in self._running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()  # type: ignore[union-attr]
        for log in self._logs:
            log.close()
        self._running, self._logs = [], []

    def _read(self, number: int, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError):
            for line in process.stdout:
                self._answers.put((number, json.loads(line)))
        self._answers.put((number, None))

    def _said(self, number: int) -> str:
        """The end of a process's log, and how it ended."""
        log = self._logs[number]
        log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
        lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        code = self._running[number].wait()
        return f"its process ended with {code}: {' | '.join(lines[-_SHOWN:])}"


def failure(said: str) -> GeneratorError:
    """What an engine said went wrong, as an error for people."""
    first = " ".join(said.split())[:400]
    memory = "memory" in first.lower()
    hint = "set engine.memory, engine.context or model.rows lower" if memory else "see docs/engines.md"
    return GeneratorError(f"the engine failed: {first}", hint)
