"""How llama.cpp is asked: requests to a process of its own, which may die without taking anything along.

An assertion in llama.cpp ends its process. Here that becomes a `GeneratorError`; the next request starts a
new process, which loads what the old one had loaded.
"""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Iterator
from typing import Any

from forge.children import Child
from forge.errors import ConfigError, GeneratorError

# Threads that sleep as soon as they have nothing to do take a third longer for a token, those that spin until
# there is something again take the sandbox's processors: these spin for the time between two products.
_ENVIRONMENT = {"GGML_NO_BACKTRACE": "1", "GOMP_SPINCOUNT": "2000"}


def demand_installed() -> None:
    """Raise a ConfigError that says what to install where llama.cpp is not."""
    for package in ("llama_cpp", "gguf"):
        if importlib.util.find_spec(package) is None:
            raise ConfigError(
                f"llama.cpp needs the package {package}, which is not installed",
                "pip install 'forge[llama]'; it compiles llama.cpp, which takes some minutes",
            )


class Process:
    """A process that runs llama.cpp, started when it is first asked. `prepare` is what each new one is told first."""

    def __init__(self, prepare: list[dict[str, Any]]) -> None:
        demand_installed()
        self.prepare = prepare
        self.facts: Any = None
        self._child: Child | None = None
        self._busy = False

    def ask(self, **request: Any) -> Any:
        """The answer to a request that has but one.

        Raises:
            GeneratorError: llama.cpp refuses, or its process died.
        """
        for answer in self.stream(**request):
            if "done" in answer:
                return answer["done"]
        raise AssertionError("a stream ends with done")

    def stream(self, **request: Any) -> Iterator[dict[str, Any]]:
        """The answers to a request as they come, the last of them `done`. One request at a time.

        Raises:
            GeneratorError: llama.cpp refuses, or its process died.
        """
        if self._busy:
            # Whoever asked before has stopped reading; what is still to come would be taken for this answer.
            self.close()
        self.start()
        child = self._child
        assert child is not None
        self._busy = True
        finished = False
        try:
            child.send(request)
            while not finished:
                if self._child is not child:
                    raise GeneratorError("llama.cpp was asked something else before it had answered", "ask again")
                answer = child.receive()
                if answer is None:
                    raise self._death(child)
                finished = "done" in answer or "failed" in answer
                if finished:
                    self._busy = False
                if "failed" in answer:
                    raise GeneratorError(f"llama.cpp: {answer['failed']}")
                yield answer
        finally:
            # Who stops listening, by an interrupt for one, leaves a process that is still at work.
            if not finished and self._child is child:
                self.close()

    def close(self) -> None:
        """End the process. May be called again."""
        child, self._child = self._child, None
        self._busy = False
        if child is not None:
            child.close()

    def __del__(self) -> None:
        if getattr(self, "_child", None) is not None:
            self.close()

    def start(self) -> None:
        """Have a process, and what it was told first done in it.

        Raises:
            GeneratorError: llama.cpp refuses that.
        """
        if self._child is not None:
            return
        self._child = Child("forge.llama.child", str(os.getpid()), _ENVIRONMENT)
        try:
            answers = [self.ask(**request) for request in self.prepare]
        except GeneratorError:
            self.close()
            raise
        self.facts = answers[0] if answers else None

    def _death(self, child: Child) -> GeneratorError:
        """What is to be said of a process that ended by itself."""
        code, how = child.end()
        hint = "what was generated before is good, and the same command goes on from there; "
        killed = code == -signal.SIGKILL
        hint += "it may have run out of memory: set engine.sequences lower" if killed else "if it dies again, report it"
        return GeneratorError(f"llama.cpp ended {how}", hint)
