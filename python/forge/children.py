"""Processes that hold an engine: started, spoken to in lines of JSON, and ended for certain.

An engine that dies takes nothing along, and one that ends gives everything back. Each has a session of its own,
so that an interrupt at the terminal reaches only forge, which then ends them with all they started. What they
print goes to a log that is shown only in an error.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

_SHOWN = 3
_LAST = 4096


class Child:
    """A process that runs a module with one argument and answers messages with messages."""

    def __init__(self, module: str, argument: str, environment: Mapping[str, str]) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        # Without -P the current directory would come first, and may hold a folder of an engine's name.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, argument],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
            env={**os.environ, **environment}, start_new_session=True,
        )  # fmt: skip

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def send(self, message: Mapping[str, Any]) -> None:
        """Tell it something; that it is gone is told by `receive`."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def receive(self) -> dict[str, Any] | None:
        """Its next message; None when it has ended."""
        assert self._process.stdout is not None
        try:
            line = self._process.stdout.readline()
        except ValueError:
            return None  # Another thread has closed the pipe.
        message: dict[str, Any] | None = json.loads(line) if line.endswith(b"\n") else None
        return message

    def end(self) -> tuple[int, str]:
        """Wait until it has ended: its exit code, below zero for a signal, and how it ended with its last words."""
        code = self._process.wait()
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - _LAST))
        lines = [line.strip() for line in self._log.read().decode(errors="replace").splitlines() if line.strip()]
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return code, ": ".join(filter(None, [how, "; ".join(lines[-_SHOWN:])]))

    def close(self, grace: float = 0.0) -> None:
        """End it and what it started; `grace` is how many seconds it has to end by itself."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        if grace:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stdout.close()  # type: ignore[union-attr]
        self._log.close()
