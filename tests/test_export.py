"""Exports: every family says in llama.cpp what it says in transformers, with and without an adapter; what would
say something else is refused."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

if importlib.util.find_spec("llama_cpp") is None:
    pytest.skip("llama.cpp is not installed: the extra dev brings it", allow_module_level=True)


from families import FAMILIES, make
from forge.config import EMBEDDED, EngineConfig, TrainConfig
from forge.errors import GeneratorError
from forge.generators import parity
from forge.generators.llamacpp import LlamaCppGenerator
from forge.generators.transformers import TransformersGenerator
from forge.trainers.lora import LoraTrainer
from forge.types import Pair, Prompt

EXACT = EngineConfig(precision="float32", threads=1)
COUNT = int(os.environ.get("FORGE_PARITY_PROMPTS", "12"))
CONVERTER = os.environ.get("FORGE_LLAMA_CPP", "")
MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
QUICK = TrainConfig(rank=4, alpha=8, epochs=4, rate=2e-2, batch=4, modules=MODULES)


def prompts(count: int = COUNT) -> list[Prompt]:
    """Prompts of several lengths, no two alike."""
    source = Path(__file__).read_text().replace("\n\n", "\n")
    return [source[97 * number : 97 * number + 12 + 7 * number % 160] for number in range(count)]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(place))
        yield place


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest, tiny_qwen: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(request.param, tiny_qwen, tmp_path_factory.mktemp(request.param))


def train(model: str, out: Path, seed: int = 0) -> Path:
    pairs = [
        Pair(str(number), "p", "plain", f"def f{number}(x):\n", "    pass", f"    return {number}", "", "r", "c")
        for number in range(8)
    ]
    LoraTrainer(model, QUICK, "cpu").train(pairs, out, seed)
    return out


def test_a_family_says_the_same_with_and_without_an_adapter(model: Path, tmp_path: Path) -> None:
    adapter = train(str(model), tmp_path / "adapter")
    ours, theirs = TransformersGenerator(str(model), device="cpu"), LlamaCppGenerator(str(model), engine=EXACT)
    for served in ("", str(adapter)):
        ours.use(served)
        theirs.use(served)
        found = parity.compare(ours, theirs, prompts(), 40)
        assert found.equal == found.total, found.first
        assert found.ties <= 0.1 * found.total
    theirs.close()


def test_the_embedded_model_says_the_same(tmp_path: Path) -> None:
    ours, theirs = TransformersGenerator(EMBEDDED, device="cpu"), LlamaCppGenerator(EMBEDDED, engine=EXACT)
    found = parity.compare(ours, theirs, [f"# solve\n{prompt}" for prompt in prompts()], 64)
    assert found.equal == found.total, found.first
    theirs.close()


def test_an_adapter_of_another_base_or_of_zeros_is_not_served(tiny_qwen: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoModelForCausalLM

    base, other = (make("qwen2", tiny_qwen, tmp_path / name) for name in ("base", "other"))
    model = AutoModelForCausalLM.from_pretrained(other)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1.1)
    model.save_pretrained(other)
    adapter = train(str(base), tmp_path / "adapter")
    with pytest.raises(GeneratorError, match="is not the one that was trained"):
        LlamaCppGenerator(str(other), str(adapter), engine=EXACT)
    with pytest.raises(GeneratorError, match=r"llama\.cpp: cannot load the adapter"):
        LlamaCppGenerator(str(make("qwen3", tiny_qwen, tmp_path / "qwen3")), str(adapter), engine=EXACT)
    served = LlamaCppGenerator(str(base), str(adapter), engine=EXACT)
    name = served.name
    weights = load_file(adapter / "adapter_model.safetensors")
    save_file({key: 0 * weight for key, weight in weights.items()}, adapter / "adapter_model.safetensors")
    with pytest.raises(GeneratorError, match="changes nothing"):
        served.use(str(adapter))
    assert served.name != name
    served.close()
