"""The server generator against llama.cpp's own server: transformers' texts, and an adapter that cannot be shown."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge import benchmarks
from forge.config import EMBEDDED, EngineConfig, TrainConfig
from forge.errors import GeneratorError
from forge.generators.server import ServerGenerator
from forge.generators.transformers import TransformersGenerator
from forge.models import folder
from forge.prompts import NANO
from forge.trainers.lora import LoraTrainer
from forge.types import Pair, Prompt, Sampling

if any(importlib.util.find_spec(name) is None for name in ("llama_cpp", "fastapi", "uvicorn")):
    pytest.skip("llama.cpp's server is not installed", allow_module_level=True)

PROMPTS: list[Prompt] = [NANO.solve(problem) for problem in benchmarks.load("nano/dev")[:24]]


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("adapters") / "taught"
    pairs = [Pair(str(n), "p", "plain", PROMPTS[n], "", "    return 1\n", "", "r", "c") for n in range(8)]
    LoraTrainer(EMBEDDED, TrainConfig(epochs=24, rate=1e-2, rank=8), "cpu").train(pairs, out, seed=0)
    return out


@pytest.fixture(scope="module")
def generator(adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerGenerator]:
    """A server that has the base, and the base with the adapter under the name of its folder."""
    from forge.export.adapter import write_adapter
    from forge.export.gguf import write_model

    place = tmp_path_factory.mktemp("server")
    write_model(folder(EMBEDDED), place / "base.gguf", "f32")
    write_adapter(adapter, folder(EMBEDDED), place / "adapter.gguf")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Keys and values in float32, as the peer has them.
    one = {"model": str(place / "base.gguf"), "n_ctx": 512, "verbose": False, "n_threads": 1, "type_k": 0, "type_v": 0}
    served = [
        {**one, "model_alias": EMBEDDED},
        {**one, "model_alias": "taught", "lora_path": str(place / "adapter.gguf")},
    ]
    (place / "config.json").write_text(json.dumps({"host": "127.0.0.1", "port": port, "models": served}))
    with (place / "log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "llama_cpp.server", "--config_file", str(place / "config.json")],
            stdout=log, stderr=log,
        )  # fmt: skip
        told = EngineConfig(url=f"http://127.0.0.1:{port}/v1", sequences=2)
        made = None
        while made is None:
            try:
                made = ServerGenerator(EMBEDDED, engine=told)
            except GeneratorError:
                assert process.poll() is None, (place / "log").read_text()
                time.sleep(0.2)
        yield made
        made.close()
        process.kill()
        process.wait()


def texts(generator: ServerGenerator | TransformersGenerator, sampling: Sampling) -> list[tuple[str, str]]:
    found = sorted(generator.generate(PROMPTS, sampling), key=lambda completion: completion.index)
    return [(completion.text, completion.finish) for completion in found]


def test_base_and_adapter_say_what_they_say_in_transformers(generator: ServerGenerator, adapter: Path) -> None:
    greedy = Sampling(0.0, max_tokens=32)
    generator.use("")
    base = texts(generator, greedy)
    assert base == texts(TransformersGenerator(EMBEDDED, device="cpu"), greedy)
    generator.use(str(adapter))
    assert "~unproven+" in generator.name
    theirs = texts(TransformersGenerator(EMBEDDED, str(adapter), "cpu"), greedy)
    assert texts(generator, greedy) == theirs != base


def test_a_server_that_gives_one_completion_whatever_is_asked_for_is_asked_for_each(generator: ServerGenerator) -> None:
    generator.use("")
    found = [c.text for c in generator.generate(PROMPTS[:1] * 12, Sampling(0.9, max_tokens=32, seed=2))]
    assert len(found) == 12
    assert len(set(found)) > 1
