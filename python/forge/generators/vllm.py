"""Generation with vLLM: any model it knows, on NVIDIA GPUs, several adapters one after the other on one engine.

Every completion is a request with a seed of its own, which follows from the batch's seed and the place in it;
equal prompts share their cache. Completions come as they finish. The engine runs in a process of its own (one
for each replica), so that `close` gives back all of its memory and an interrupt stops it at once. Equal prompts,
sampling and batch give equal completions where the kernels do; vLLM does not promise it for every GPU.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from forge import _core, models
from forge.config import AS_IT_COMES, EngineConfig
from forge.errors import ConfigError, GeneratorError
from forge.generators import live
from forge.generators.replicas import Replicas, failure
from forge.generators.texts import completed, prompt_ids
from forge.types import Completion, Prompt, Sampling, content_id

_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
_BATCHED_TOKENS = 8192


class VllmGenerator:
    """A model behind vLLM, and on top of it an adapter that is proven to change what the model says."""

    def __init__(
        self,
        model: str,
        adapter: str = "",
        device: str = "auto",
        rows: int = 512,
        engine: EngineConfig = AS_IT_COMES,
    ) -> None:
        """Start the engine on `model` (see `models.location`) with the adapter folder, if any.

        Raises:
            ConfigError: vLLM or its GPUs are not there, or it cannot be told what `engine` says.
            GeneratorError: vLLM cannot load the model; the adapter is unfinished, of another model or not live.
        """
        demand_installed()
        self.device = _device(device)
        if engine.precision not in models.PRECISIONS:
            raise ConfigError(
                f"vLLM has no engine.precision {engine.precision!r}", f"one of {', '.join(models.PRECISIONS)}"
            )
        self.tokenizer = models.load_tokenizer(model)
        self._place = models.location(model)
        self._engine = engine
        self._base = f"vllm:{Path(model).name}@{models.digest(self._place)}"
        self.name = self._base
        self._rank = 0
        self._adapters: dict[str, int] = {}
        self._number = 0
        self._replicas: Replicas | None = None
        if adapter:
            self.use(adapter)
        else:
            self._start()

    def use(self, adapter: str) -> None:
        """Answer with this adapter; the engine starts anew only where its rank asks for more than it was made for.

        Raises:
            GeneratorError: the adapter is unfinished, belongs to another model or changes nothing.
        """
        probe = live.probe(Path(adapter)) if adapter else None
        rank = _rank(Path(adapter)) if adapter else 0
        if rank > self._rank or self._replicas is None:
            self.close()
            self._rank = max(rank, self._rank)
            self._start()
        digest = models.digest(adapter) if adapter else ""
        self._tell("")
        self.name = self._base
        if probe is None:
            return
        base = self.log_probability(probe.ids, probe.start)
        try:
            self._tell(str(Path(adapter).absolute()), self._adapters.setdefault(digest, len(self._adapters) + 1))
            served = self.log_probability(probe.ids, probe.start)
            live.demand(Path(adapter), probe, base, served, live.EXACT if self._exact else live.COARSE)
        except GeneratorError:
            self._tell("")
            raise
        self.name = f"{self._base}+{digest}"

    def close(self) -> None:
        """End the engine's processes, and with them its hold on memory and GPUs."""
        if self._replicas is not None:
            self._replicas.close()
        self._replicas = None
        self._adapters = {}

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[Completion]:
        """Complete every prompt, yielding each completion as it ends.

        Raises:
            GeneratorError: a prompt does not fit the context, or vLLM failed.
        """
        ids = prompt_ids(self.tokenizer, prompts, self._context)
        replicas = self._running()
        self._number += 1
        # Neighbours stay together, since they are the samples of one prompt.
        size = -(-len(ids) // len(replicas))
        waiting = set()
        for number in range(len(replicas)):
            if part := ids[number * size : (number + 1) * size]:
                replicas.send(number, self._request(part, number * size, sampling))
                waiting.add(number)
        try:
            while waiting:
                number, message = replicas.receive()
                if message["to"] != self._number:
                    continue
                if "refused" in message:
                    raise failure(message["refused"])
                if message.get("end"):
                    waiting.discard(number)
                else:
                    yield self._completion(number * size + message["index"], message, sampling)
        finally:
            for number in waiting:
                replicas.send(number, {"do": "stop", "number": self._number})

    def log_probability(self, ids: list[int], start: int) -> float:
        """Mean log-probability, in nats, of the tokens of one sequence from position `start` on."""
        return float(self._ask({"do": "score", "ids": ids, "start": start}, "score")[0])

    def _request(self, ids: list[list[int]], first: int, sampling: Sampling) -> dict[str, Any]:
        unique = {tuple(row): None for row in ids}
        place = {row: number for number, row in enumerate(unique)}
        seeds = [int(content_id(sampling.seed, first + index), 16) % 2**63 for index in range(len(ids))]
        return {
            "do": "generate", "number": self._number, "prompts": [list(row) for row in unique],
            "places": [place[tuple(row)] for row in ids], "seeds": seeds, "stops": list(sampling.stops),
            "temperature": sampling.temperature, "top_p": sampling.top_p, "max_tokens": sampling.max_tokens,
        }  # fmt: skip

    def _completion(self, index: int, message: dict[str, Any], sampling: Sampling) -> Completion:
        if message["finish"] not in ("stop", "length"):
            raise GeneratorError(f"vLLM ended a completion with {message['finish']!r}", "see its own documentation")
        text = completed(self.tokenizer, message["ids"], sampling.stops)
        return Completion(index, text, message["finish"], len(message["ids"]), tuple(message["ids"]))

    def _tell(self, adapter: str, identity: int = 0) -> None:
        self._ask({"do": "use", "adapter": adapter, "identity": identity}, "used")

    def _ask(self, command: dict[str, Any], key: str) -> list[Any]:
        """Have every process do the same; what each answers."""
        replicas = self._running()
        self._number += 1
        for number in range(len(replicas)):
            replicas.send(number, {**command, "number": self._number})
        answers: list[Any] = []
        while len(answers) < len(replicas):
            _, message = replicas.receive()
            if message["to"] != self._number:
                continue
            if "refused" in message:
                raise failure(message["refused"])
            answers.append(message[key])
        return answers

    def _running(self) -> Replicas:
        if self._replicas is None:
            raise GeneratorError("the generator was closed", "make another")
        return self._replicas

    def _start(self) -> None:
        engine = self._engine
        cpu = self.device == "cpu"
        precision = engine.precision if engine.precision != "auto" else "float32" if cpu else "bfloat16"
        self._exact = precision == "float32"
        settings: dict[str, Any] = {"model": self._place, "dtype": precision, "on_cpu": cpu, "memory": engine.memory}
        if cpu:
            settings["max_num_batched_tokens"] = max(_BATCHED_TOKENS, engine.context, _longest(self._place))
        settings |= {"max_model_len": engine.context} if engine.context else {}
        settings |= {"max_num_seqs": engine.sequences} if engine.sequences else {}
        settings |= {"tensor_parallel_size": engine.gpus} if engine.gpus > 1 else {}
        if self._rank:
            settings |= {"enable_lora": True, "max_lora_rank": self._rank, "max_loras": 1, "max_cpu_loras": 4}
        self._replicas = Replicas("forge.generators.vllm_engine", json.dumps(settings), self._environments())
        try:
            self._context = min(int(facts["context"]) for facts in self._replicas.ready())
        except BaseException:
            self.close()
            raise

    def _environments(self) -> list[dict[str, str]]:
        """What the environment of each replica has beside this process's."""
        engine = self._engine
        quiet = {
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1",
            "VLLM_LOGGING_LEVEL": "WARNING", "VLLM_WORKER_MULTIPROC_METHOD": "spawn", "TOKENIZERS_PARALLELISM": "false",
        }  # fmt: skip
        if self.device == "cpu":
            if engine.gpus > 1:
                raise ConfigError(f"engine.gpus is {engine.gpus}, but there is none here", "engine.gpus = 1")
            threads = engine.threads or max(1, _core.processors() // engine.replicas)
            bound = {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": str(threads)}
            return [quiet | bound] * engine.replicas
        return [quiet | {"CUDA_VISIBLE_DEVICES": ",".join(part)} for part in _shares(self.device, engine)]


def demand_installed() -> None:
    """Refuse to go on without vLLM.

    Raises:
        ConfigError: it is not installed.
    """
    if importlib.util.find_spec("vllm") is None:
        raise ConfigError("vLLM is not installed", "pip install 'forge[vllm]', or another model.generator")


def computes_on_cpu() -> bool:
    """Whether the vLLM that is installed is a build for CPUs."""
    versions = {name: _version(name) for name in ("vllm", "vllm-cpu")}
    return bool(versions["vllm-cpu"]) or "cpu" in versions["vllm"]


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _device(wanted: str) -> str:
    """The device to compute on, which the installed build must be for."""
    if computes_on_cpu():
        if wanted not in ("auto", "cpu"):
            raise ConfigError(f"model.device is {wanted!r}, but this vLLM computes on CPUs", "install forge[vllm]")
        return "cpu"
    device = models.device(wanted)
    if not device.startswith("cuda"):
        hint = "model.generator = 'transformers' or 'llamacpp' works here"
        raise ConfigError(f"vLLM needs an NVIDIA GPU, and the device is {device!r}", hint)
    return device


def _shares(device: str, engine: EngineConfig) -> list[list[str]]:
    """Which GPUs each replica has, as CUDA numbers or names them."""
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = visible.split(",") if visible else [str(number) for number in range(torch.cuda.device_count())]
    names = names[int(device.partition(":")[2] or 0) :]
    wanted = engine.gpus * engine.replicas
    if len(names) < wanted:
        asked = f"engine.gpus = {engine.gpus} and engine.replicas = {engine.replicas}"
        raise ConfigError(f"{asked} need {wanted} GPUs; there are {len(names)}", "lower one of them")
    return [names[start : start + engine.gpus] for start in range(0, wanted, engine.gpus)]


def _rank(folder: Path) -> int:
    """The least rank that vLLM can be started with and that holds this adapter."""
    try:
        settings = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        rank = max(int(settings["r"]), *map(int, (settings.get("rank_pattern") or {0: 0}).values()))
    except (OSError, ValueError, KeyError) as failure:
        raise GeneratorError(f"cannot read the adapter in {folder}: {failure}", "train it again") from failure
    found = next((known for known in _RANKS if rank <= known), 0)
    if not found:
        raise GeneratorError(f"the adapter in {folder} has rank {rank}; vLLM serves at most {_RANKS[-1]}")
    return found


def _longest(place: str) -> int:
    """The longest sequence that the model in a folder was made for; 0 where it does not say."""
    try:
        settings = json.loads((Path(place) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0
    return int(settings.get("max_position_embeddings") or 0)
