"""Several processes that hold the same engine and answer into one queue."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from forge.children import Child
from forge.errors import GeneratorError

_GRACE = 5.0


class Replicas:
    """One process of a module for each environment, all with the same argument."""

    def __init__(self, module: str, argument: str, environments: Sequence[Mapping[str, str]]) -> None:
        self._answers: queue.Queue[tuple[int, dict[str, Any] | None]] = queue.Queue()
        self.running = [Child(module, argument, environment) for environment in environments]
        for number, child in enumerate(self.running):
            threading.Thread(target=self._read, args=(number, child), daemon=True).start()

    def __len__(self) -> int:
        return len(self.running)

    def ready(self) -> list[dict[str, Any]]:
        """Wait until all have started; what each says of itself."""
        facts: dict[int, dict[str, Any]] = {}
        while len(facts) < len(self.running):
            number, message = self.receive()
            facts[number] = message["ready"]
        return [facts[number] for number in sorted(facts)]

    def send(self, number: int, command: Mapping[str, Any]) -> None:
        """Give a process something to do; that it is gone is told by `receive`."""
        self.running[number].send(command)

    def receive(self) -> tuple[int, dict[str, Any]]:
        """The next answer, and which process gives it.

        Raises:
            GeneratorError: a process failed or ended.
        """
        number, message = self._answers.get()
        if message is None:
            raise failure(f"its process ended {self.running[number].end()[1]}")
        if error := message.get("error"):
            raise failure(error)
        return number, message

    def close(self) -> None:
        """End them all, politely first: what they started goes with them."""
        for child in self.running:
            child.close(_GRACE)
        self.running = []

    def _read(self, number: int, child: Child) -> None:
        while (message := child.receive()) is not None:
            self._answers.put((number, message))
        self._answers.put((number, None))


def failure(said: str) -> GeneratorError:
    """What an engine said went wrong, as an error for people."""
    first = " ".join(said.split())[:400]
    memory = "memory" in first.lower()
    hint = "set engine.memory, engine.context or model.rows lower" if memory else "see docs/engines.md"
    return GeneratorError(f"the engine failed: {first}", hint)
