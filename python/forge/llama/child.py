"""The process in which llama.cpp runs: it reads requests, a line of JSON each, and answers in lines of JSON.

`python -m forge.llama.child PID` is what `forge.llama.process` starts. It ends when its input does, and when
the process PID, its parent, is gone. Interrupts are the parent's business.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from llama_cpp import llama_cpp as lib

from forge.llama.engine import BLOCK, MOST, Asked, Engine, Job, Refused

_RESERVE = 0.85
"""The share of the memory that is free which a context may take where nobody says."""

_PATIENCE = 0.5
_QUANTIZED = {"q4_k": lib.LLAMA_FTYPE_MOSTLY_Q4_K_M, "q8_0": lib.LLAMA_FTYPE_MOSTLY_Q8_0}


class Child:
    """Answers requests; the engine is made by the first of them."""

    def __init__(self, answers: Any) -> None:
        self.answers = answers
        self.engine: Any = None

    def run(self, requests: Any) -> None:
        """Answer every request, each with any number of rows and one `done` or `failed`."""
        for line in requests:
            request = json.loads(line)
            try:
                done = getattr(self, f"do_{request.pop('do')}")(**request)
            except Refused as refusal:
                self.say(failed=str(refusal))
            else:
                self.say(done=done)

    def say(self, **answer: Any) -> None:
        """One answer to the parent."""
        self.answers.write(json.dumps(answer) + "\n")
        self.answers.flush()

    def do_load(self, path: str, offload: bool, threads: int, vocabulary: bool = False) -> Any:
        """Load a model, or its vocabulary alone; says what it is."""
        self.engine = Engine(path, offload, threads, vocabulary)
        return self.engine.facts()

    def do_use(self, path: str) -> None:
        """Put an adapter on the model, or none."""
        self.engine.use(path)

    def do_tokenize(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text."""
        return [self.engine.tokenize(text) for text in texts]

    def do_pieces(self, ids: list[int]) -> str:
        """The bytes of tokens, each as one character."""
        return b"".join(map(self.engine.piece, ids)).decode("latin-1")

    def do_quantize(self, source: str, out: str, precision: str, threads: int) -> None:
        """Write a GGUF file anew in another precision."""
        settings = lib.llama_model_quantize_default_params()
        settings.ftype = _QUANTIZED[precision]
        settings.nthread = threads
        if lib.llama_model_quantize(source.encode(), out.encode(), ctypes.byref(settings)):
            raise Refused(f"cannot quantize {source} to {precision}")

    def do_log_probabilities(self, ids: list[int], start: int) -> list[float]:
        """Log-probability of each token of a sequence from `start` on."""
        self._open(1, len(ids), 0.0)
        return list(self.engine.log_probabilities(ids, start))

    def do_generate(
        self, prompts: list[list[int]], jobs: list[list[int]], temperature: float, top_p: float, stops: list[str],
        ends: list[int], sequences: int, memory: float,
    ) -> dict[str, int]:  # fmt: skip
        """A row for each completion as it ends: its number, its tokens, its finish reason."""
        owed = [Job(*job) for job in jobs]
        longest = max(len(prompts[job.prompt]) + job.budget for job in owed)
        opened = self._open(min(sequences, len(owed)), longest, memory)
        asked = Asked(
            prompts, owed, temperature, top_p, tuple(stop.encode() for stop in stops if stop), frozenset(ends)
        )
        for index, ids, finish in self.engine.generate(asked):
            self.say(row=[index, ids, finish])
        return opened

    def _open(self, sequences: int, longest: int, share: float) -> dict[str, int]:
        """A context for as many sequences as are wanted and fit."""
        context = -(-longest // BLOCK) * BLOCK
        free = int((_free() + self.engine.held()) * (share or _RESERVE))
        wanted = min(sequences, MOST)
        while wanted and self.engine.need(wanted, context) > free:
            wanted -= 1
        if not wanted:
            need = self.engine.need(1, context)
            raise Refused(f"one sequence of {longest} tokens needs {need >> 20} MiB; {free >> 20} MiB may be taken")
        while True:
            try:
                self.engine.open(wanted, context)
                break
            except Refused:
                if wanted == 1:
                    raise
                wanted //= 2
        return {"sequences": wanted, "context": context, "need": self.engine.need(wanted, context)}


def _free() -> int:
    """Bytes of memory that are free, in this machine and in this control group."""
    import psutil

    free = int(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    try:
        most = (group / "memory.max").read_text().strip()
        if most != "max":
            free = min(free, int(most) - int((group / "memory.current").read_text()))
    except (OSError, ValueError):
        pass
    return max(free, 0)


def _watch(parent: int) -> None:
    """End at once when the parent is gone: nobody is left to read the answer."""
    while os.getppid() == parent:
        time.sleep(_PATIENCE)
    os._exit(0)


def main() -> None:
    """Serve the parent until its end of the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(int(sys.argv[1]),), daemon=True).start()
    # What a library prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        Child(answers).run(sys.stdin)
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
