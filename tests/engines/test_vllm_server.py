"""The server generator against a real vLLM server on the CPU: the texts of transformers, adapters loaded and proven."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
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
from forge.models import digest, location
from forge.prompts import NANO
from forge.trainers.lora import LoraTrainer
from forge.types import Pair, Prompt, Sampling

if importlib.util.find_spec("vllm") is None:
    pytest.skip("needs .venv-vllm, in which make test runs it", allow_module_level=True)

pytestmark = [pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore")]
SMOKE = Path(__file__).parents[2] / "configs" / "smoke.toml"
PROMPTS: list[Prompt] = [NANO.solve(problem) for problem in benchmarks.load("nano/dev")[:40]]
ALONE = {
    "VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineConfig]:
    """A vLLM server with the embedded model, which may be told to load adapters."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-P", "-m", "vllm.entrypoints.openai.api_server", "--model", location(EMBEDDED),
        "--served-model-name", EMBEDDED, "--dtype", "float32", "--enforce-eager", "--host", "127.0.0.1",
        "--port", str(port), "--enable-lora", "--max-lora-rank", "16", "--no-enable-chunked-prefill",
        "--max-num-batched-tokens", "8192",
    ]  # fmt: skip
    log = (tmp_path_factory.mktemp("server") / "log").open("w+")
    process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | ALONE, start_new_session=True)
    told = EngineConfig(url=f"http://127.0.0.1:{port}/v1", precision="float32", sequences=8)
    try:
        while True:
            try:
                ServerGenerator(EMBEDDED, engine=told).close()
                break
            except GeneratorError:
                if process.poll() is not None:
                    log.seek(0)
                    pytest.fail(f"the server ended: {log.read()[-2000:]}")
                time.sleep(0.5)
        yield told
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


@pytest.fixture
def generator(server: EngineConfig) -> Iterator[ServerGenerator]:
    made = ServerGenerator(EMBEDDED, engine=server)
    yield made
    made.close()


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("adapters") / "one"
    pairs = [Pair(str(n), "p", "plain", PROMPTS[n], "", "    return 1\n", "", "r", "c") for n in range(8)]
    LoraTrainer(EMBEDDED, TrainConfig(epochs=4, rate=1e-2, rank=4), "cpu").train(pairs, out, seed=0)
    return out


def texts(generator: ServerGenerator | TransformersGenerator, sampling: Sampling) -> list[tuple[str, str]]:
    found = sorted(generator.generate(PROMPTS, sampling), key=lambda completion: completion.index)
    return [(completion.text, completion.finish) for completion in found]


def test_base_and_adapter_say_what_they_say_in_transformers(generator: ServerGenerator, adapter: Path) -> None:
    for wanted in ("", str(adapter), ""):
        generator.use(wanted)
        assert "unproven" not in generator.name
        theirs = TransformersGenerator(EMBEDDED, wanted, "cpu")
        for sampling in (Sampling(0.0, max_tokens=48), Sampling(0.0, max_tokens=24, stops=("\n    return", " = "))):
            assert texts(generator, sampling) == texts(theirs, sampling)


def test_the_same_seed_gives_the_same_texts_and_samples_differ(generator: ServerGenerator) -> None:
    def draw(seed: int) -> list[tuple[int, str]]:
        found = generator.generate(PROMPTS[:1] * 20, Sampling(0.8, max_tokens=48, seed=seed))
        return sorted((completion.index, completion.text) for completion in found)

    first = draw(1)
    assert first == draw(1) != draw(2)
    assert len({text for _, text in first[:8]}) > 1


def test_an_adapter_that_is_not_the_trained_one_is_refused(
    generator: ServerGenerator, adapter: Path, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    changed = tmp_path / "changed"
    shutil.copytree(adapter, changed)
    weights = load_file(changed / "adapter_model.safetensors")
    for factor, said in ((0.0, "changes nothing"), (0.5, "not the one that was trained")):
        save_file({k: torch.mul(v, factor) for k, v in weights.items()}, changed / "adapter_model.safetensors")
        with pytest.raises(GeneratorError, match=said):
            generator.use(str(changed))


def test_what_the_server_refuses_is_said(generator: ServerGenerator) -> None:
    with pytest.raises(GeneratorError, match=r"the server refuses \(400\): .*1024"):
        list(generator.generate(["word " * 3000], Sampling(0.0)))


def test_a_whole_run_goes_through_the_server(server: EngineConfig, tmp_path: Path) -> None:
    settings = (
        "model.generator=server", f"engine.url={server.url}", f"engine.precision={server.precision}",
        "controls.names=[]", "controls.teacher=false",
    )  # fmt: skip
    changes = [part for setting in settings for part in ("--set", setting)]
    command = [sys.executable, "-m", "forge", "run", str(SMOKE), "--out", str(tmp_path / "run"), *changes]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "run" / "eval" / "adapter" / "greedy" / "attempts.jsonl").read_text().splitlines()
    asked = {json.loads(row)["generator"] for row in rows}
    assert len(asked) == 1
    name = asked.pop()
    assert name.startswith("server:")
    assert name.endswith(f"+{digest(str(tmp_path / 'run' / 'adapter'))}")
    assert "unproven" not in name
    assert (tmp_path / "run" / "report.html").is_file()
