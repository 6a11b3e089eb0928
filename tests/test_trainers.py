"""LoRA training on a real tiny model: it learns what it is shown, nothing else, and says when it cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from forge.config import TrainConfig
from forge.errors import GeneratorError, TrainerError
from forge.generators.transformers import TransformersGenerator
from forge.models import MARKER, load_tokenizer, read_marker
from forge.trainers.lora import LoraTrainer
from forge.types import Pair, Prompt, Sampling

PROMPTS: list[Prompt] = ["def f(x):\n", ({"role": "user", "content": "hello"},)]
QUICK = TrainConfig(epochs=8, rate=2e-2, batch=2)


def pair(number: int, prompt: Prompt, chosen: str = "    return 1") -> Pair:
    return Pair(str(number), "p", "plain", prompt, "    return 2", chosen, "", "r", "c")


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    return [pair(number, PROMPTS[number % 2]) for number in range(8)]


@pytest.fixture(scope="module")
def adapter(tiny_qwen: Path, pairs: list[Pair], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("adapter")
    LoraTrainer(str(tiny_qwen), QUICK, "cpu").train(pairs, out, seed=0)
    return out


def test_the_adapted_model_says_what_was_chosen_and_stops(tiny_qwen: Path, adapter: Path) -> None:
    found = list(TransformersGenerator(str(tiny_qwen), str(adapter), "cpu").generate(PROMPTS, Sampling(0.0)))
    assert [(c.text, c.finish) for c in found] == [("    return 1", "stop")] * 2
    base = list(TransformersGenerator(str(tiny_qwen), device="cpu").generate(PROMPTS, Sampling(0.0, max_tokens=16)))
    assert all(c.text != "    return 1" for c in base)


def test_the_loss_falls_and_is_recorded(adapter: Path) -> None:
    marker = read_marker(adapter)
    assert marker is not None
    assert len(marker["losses"]) == 8 * 4
    assert marker["losses"][-1] < marker["losses"][0] / 2


def test_only_the_target_is_trained_on_and_it_ends_with_the_end_token(tiny_qwen: Path) -> None:
    import torch

    from forge.trainers.lora import _tensors

    tokenizer = load_tokenizer(str(tiny_qwen))
    trainer = LoraTrainer(str(tiny_qwen), QUICK, "cpu")
    rows = [
        trainer._row(tokenizer, pair(1, PROMPTS[0])),
        trainer._row(tokenizer, pair(2, PROMPTS[0], "    pass\n    return 3")),
    ]
    ids, mask, labels = _tensors(torch, [row for row in rows if row], tokenizer.pad_token_id, "cpu")
    for number, text in enumerate(("    return 1", "    pass\n    return 3")):
        trained = labels[number][labels[number] != -100].tolist()
        assert trained == [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]
        assert int(mask[number].sum()) == len(tokenizer("def f(x):\n")["input_ids"]) + len(trained)
    assert ids.shape == mask.shape == labels.shape


def test_the_same_seed_trains_the_same_adapter(
    tiny_qwen: Path, pairs: list[Pair], adapter: Path, tmp_path: Path
) -> None:
    again = LoraTrainer(str(tiny_qwen), QUICK, "cpu").train(pairs, tmp_path / "again", seed=0)
    other = LoraTrainer(str(tiny_qwen), QUICK, "cpu").train(pairs, tmp_path / "other", seed=1)
    marker = read_marker(adapter)
    assert marker is not None
    assert again.digest == marker["digest"] != other.digest


def test_another_process_trains_the_same_adapter(tiny_qwen: Path, adapter: Path, tmp_path: Path) -> None:
    """Hash seeds differ between processes; nothing that is written may depend on them."""
    code = (
        "from pathlib import Path; from tests.test_trainers import *; "
        "rows = [pair(number, PROMPTS[number % 2]) for number in range(8)]\n"
        f"LoraTrainer({str(tiny_qwen)!r}, QUICK, 'cpu').train(rows, Path({str(tmp_path)!r}), seed=0)"
    )
    root = Path(__file__).parent.parent
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (tmp_path / name).read_bytes() == (adapter / name).read_bytes()


def test_an_unfinished_adapter_is_not_served(tiny_qwen: Path, adapter: Path, tmp_path: Path) -> None:
    for path in adapter.iterdir():
        if path.name != MARKER and path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(GeneratorError, match="no finished adapter"):
        TransformersGenerator(str(tiny_qwen), str(tmp_path), "cpu")


def test_an_adapter_that_changes_nothing_or_is_another_is_withheld(
    tiny_qwen: Path, adapter: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    for path in adapter.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "adapter_model.safetensors")
    save_file({name: tensor * 0.5 for name, tensor in weights.items()}, tmp_path / "adapter_model.safetensors")
    with pytest.raises(GeneratorError, match="not the one that was trained"):
        TransformersGenerator(str(tiny_qwen), str(tmp_path), "cpu")
    save_file({name: tensor * 0 for name, tensor in weights.items()}, tmp_path / "adapter_model.safetensors")
    with pytest.raises(GeneratorError, match="changes nothing"):
        TransformersGenerator(str(tiny_qwen), str(tmp_path), "cpu")


def test_what_cannot_be_trained_is_told(tiny_qwen: Path, pairs: list[Pair], tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="no pairs"):
        LoraTrainer(str(tiny_qwen), QUICK, "cpu").train([], tmp_path, 0)
    with pytest.raises(TrainerError, match=r"no pair fits train\.max_length = 4"):
        LoraTrainer(str(tiny_qwen), TrainConfig(max_length=4), "cpu").train(pairs, tmp_path, 0)
    with pytest.raises(TrainerError, match=r"none of train\.modules = nothing"):
        LoraTrainer(str(tiny_qwen), TrainConfig(modules=("nothing",)), "cpu").train(pairs, tmp_path, 0)
    with pytest.raises(TrainerError, match="the loss is"):
        LoraTrainer(str(tiny_qwen), TrainConfig(rate=1e30, epochs=20), "cpu").train(pairs, tmp_path, 0)
    assert read_marker(tmp_path) is None


def test_pairs_too_long_are_left_out_and_counted(tiny_qwen: Path, pairs: list[Pair], tmp_path: Path) -> None:
    long = [*pairs, pair(99, PROMPTS[0], "    return 1\n" * 200)]
    LoraTrainer(str(tiny_qwen), TrainConfig(max_length=64, epochs=1), "cpu").train(long, tmp_path, 0)
    assert json.loads((tmp_path / MARKER).read_text())["too_long"] == 1


def test_one_generator_serves_base_and_adapters_in_turn(tiny_qwen: Path, adapter: Path) -> None:
    generator = TransformersGenerator(str(tiny_qwen), device="cpu")
    sampling = Sampling(0.0, max_tokens=16)
    base = list(generator.generate(PROMPTS, sampling))
    name = generator.name
    generator.use(str(adapter))
    assert [c.text for c in generator.generate(PROMPTS, sampling)] == ["    return 1"] * 2
    assert generator.name != name
    generator.use("")
    assert (list(generator.generate(PROMPTS, sampling)), generator.name) == (base, name)
