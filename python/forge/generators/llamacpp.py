"""Generation with llama.cpp: quantized or not, on the CPU or Apple's GPU, many sequences in one batch.

Each distinct prompt is read once and shared by its samples; a sequence that ends makes room for the next at
once. Every completion has a seed of its own, made of the sampling seed and its number. llama.cpp runs in a
process of its own, so that its assertions end that process and not the run. docs/engines.md has the details.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from forge import models
from forge.config import AS_IT_COMES, EngineConfig
from forge.errors import ConfigError
from forge.export import cached
from forge.export.gguf import PRECISIONS, stored
from forge.export.vocabulary import ends
from forge.generators import live
from forge.generators.texts import completed, prompt_ids
from forge.llama.process import Process, demand_installed
from forge.types import Completion, Prompt, Sampling

SEQUENCES = 64
"""Sequences decoded at once where nobody says: beyond them little is gained."""


class LlamaCppGenerator:
    """A model written as GGUF, and on top of it an adapter that is proven to change what the model says."""

    def __init__(
        self,
        model: str,
        adapter: str = "",
        device: str = "auto",
        rows: int = 512,
        engine: EngineConfig = AS_IT_COMES,
    ) -> None:
        """Load `model` (see `models.location`), written as GGUF where it is not yet, and the adapter folder, if any.

        Raises:
            ConfigError: llama.cpp is not installed, or the model cannot be loaded or written as GGUF.
            GeneratorError: the adapter is unfinished, belongs to another model or is not live.
        """
        demand_installed()
        self.engine = engine
        self.sequences = engine.sequences or min(rows, SEQUENCES)
        self._model = model
        self.tokenizer = models.load_tokenizer(model)
        path = self._file(engine.precision)
        self._load = {
            "do": "load",
            "path": str(path),
            "offload": device != "cpu",
            "threads": engine.threads,
        }
        self._process = Process([self._load])
        self._process.start()
        facts = self._process.facts
        self._base = f"llamacpp:{Path(model).name}@{models.digest(models.location(model))}:{facts['precision']}"
        self.name = self._base
        if device not in ("auto", "cpu") and not facts["offload"]:
            self.close()
            raise ConfigError(
                f"model.device is {device!r}, but llama.cpp was built for the CPU alone",
                "build it for that device: CMAKE_ARGS=-DGGML_CUDA=on pip install --no-cache-dir llama-cpp-python",
            )
        self._context = min(engine.context or 2**30, facts["context"])
        if adapter:
            self.use(adapter)

    def _file(self, wanted: str) -> Path:
        """The GGUF file of the model; says also which tokens end a completion."""
        place = models.location(self._model)
        if place.endswith(models.GGUF):
            if wanted != "auto":
                raise ConfigError(f"engine.precision is {wanted!r}, but {place} has its own", "leave it at auto")
            self._ends = self.tokenizer.ends
            return Path(place)
        folder = models.folder(self._model)
        self._ends = ends(self.tokenizer, folder)
        return cached.model(folder, stored(folder) if wanted == "auto" else PRECISIONS[wanted])

    def use(self, adapter: str) -> None:
        """Answer with this adapter from now on, or with the base alone; the model stays loaded.

        Raises:
            GeneratorError: the adapter is unfinished, belongs to another model or is not live.
        """
        self._put("")
        if not adapter:
            return
        folder = Path(adapter)
        probe = live.probe(folder)
        model = self._model
        if models.location(model).endswith(models.GGUF):
            model = str((models.read_marker(folder) or {})["model"])
        path = str(cached.adapter(folder, models.folder(model)))
        base = self.log_probability(probe.ids, probe.start)
        self._put(path)
        self.name = f"{self._base}+{models.digest(adapter)}"
        served = self.log_probability(probe.ids, probe.start)
        live.demand(folder, probe, base, served, live.EXACT if self._process.facts["exact"] else live.COARSE)

    def _put(self, path: str) -> None:
        self._process.ask(do="use", path=path)
        self._process.prepare = [self._load, *([{"do": "use", "path": path}] if path else [])]
        self.name = self._base

    def close(self) -> None:
        """End llama.cpp's process."""
        self._process.close()

    def log_probability(self, ids: Sequence[int], start: int) -> float:
        """Mean log-probability of the tokens of one sequence from position `start` on, in nats."""
        found = self._process.ask(do="log_probabilities", ids=list(ids), start=start)
        return float(sum(found) / len(found))

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[Completion]:
        """Complete every prompt, yielding each completion as it ends.

        Raises:
            GeneratorError: a prompt does not fit the context, memory is short, or llama.cpp died.
        """
        ids = prompt_ids(self.tokenizer, prompts, self._context)
        if not ids:
            return
        for answer in self._process.stream(**self._request(ids, sampling)):
            if "row" in answer:
                index, tokens, finish = answer["row"]
                text = completed(self.tokenizer, tokens, sampling.stops)
                yield Completion(index, text, finish, len(tokens), tuple(tokens))

    def _request(self, ids: list[list[int]], sampling: Sampling) -> dict[str, Any]:
        places: dict[tuple[int, ...], int] = {}
        jobs = []
        for index, row in enumerate(ids):
            place = places.setdefault(tuple(row), len(places))
            budget = min(sampling.max_tokens, self._context - len(row))
            jobs.append([index, place, budget, _seed(sampling.seed, index)])
        return {
            "do": "generate",
            "prompts": list(places),
            "jobs": sorted(jobs, key=lambda job: (job[1], job[0])),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "stops": list(sampling.stops),
            "ends": self._ends,
            "sequences": self.sequences,
            "memory": self.engine.memory,
        }


def _seed(seed: int, index: int) -> int:
    """The seed of one completion, of 32 bits."""
    return int.from_bytes(hashlib.blake2b(f"{seed} {index}".encode(), digest_size=4).digest(), "big")
