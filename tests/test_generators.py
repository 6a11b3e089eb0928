"""Generation on a real, tiny, ignorant model: order, seeds, stops, chat, shared prompts, errors."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from forge import config, header
from forge.config import EngineConfig
from forge.errors import ConfigError, GeneratorError
from forge.generators import auto
from forge.generators.replay import ReplayGenerator
from forge.generators.transformers import TransformersGenerator
from forge.generators.vllm import VllmGenerator
from forge.models import choose_format, load_tokenizer
from forge.types import Completion, Prompt, Sampling

PROMPTS: list[Prompt] = ["def f(x):\n", "a longer prompt, of other tokens", ({"role": "user", "content": "hello"},)]


@pytest.fixture(scope="module")
def generator(tiny_qwen: Path) -> TransformersGenerator:
    return TransformersGenerator(str(tiny_qwen), device="cpu")


def answers(generator: TransformersGenerator, prompts: list[Prompt], sampling: Sampling) -> list[Completion]:
    return sorted(generator.generate(prompts, sampling), key=lambda completion: completion.index)


def test_every_prompt_is_answered_once(generator: TransformersGenerator) -> None:
    prompts = [prompt for prompt in PROMPTS for _ in range(5)]
    found = answers(generator, prompts, Sampling(1.0, max_tokens=12))
    assert [completion.index for completion in found] == list(range(15))
    assert len({completion.text for completion in found[:5]}) > 1


def test_the_same_seed_gives_the_same_text_and_another_seed_another(generator: TransformersGenerator) -> None:
    prompts = PROMPTS * 4
    first = answers(generator, prompts, Sampling(0.9, 0.95, 12, seed=1))
    assert first == answers(generator, prompts, Sampling(0.9, 0.95, 12, seed=1))
    assert first != answers(generator, prompts, Sampling(0.9, 0.95, 12, seed=2))


def test_greedy_agrees_with_the_library_s_own_generation(generator: TransformersGenerator) -> None:
    found = answers(generator, PROMPTS, Sampling(0.0, max_tokens=20))
    tokenizer, model = generator.tokenizer, generator._model
    for prompt, completion in zip(PROMPTS[:2], found, strict=False):
        ids = tokenizer(prompt, return_tensors="pt")
        ids.pop("token_type_ids", None)
        whole = model.generate(**ids, max_new_tokens=20, do_sample=False, pad_token_id=tokenizer.pad_token_id)
        expected = tokenizer.decode(whole[0, ids["input_ids"].shape[1] :])
        assert completion.text == expected.split(tokenizer.eos_token)[0]


def test_the_finish_reason_tells_a_limit_from_an_end(generator: TransformersGenerator) -> None:
    cut = answers(generator, ["def f(x):\n"], Sampling(0.0, max_tokens=8))[0]
    assert (cut.finish, cut.tokens) == ("length", 8)
    stop = answers(generator, ["def f(x):\n"], Sampling(0.0, max_tokens=8))[0].text[3:5]
    ended = answers(generator, ["def f(x):\n"], Sampling(0.0, max_tokens=8, stops=(stop,)))[0]
    assert ended.finish == "stop"
    assert ended.text == cut.text[: cut.text.find(stop)]


def test_the_engine_s_precision_and_context_are_taken(tiny_qwen: Path) -> None:
    import torch

    told = EngineConfig(precision="bfloat16", context=64)
    half = TransformersGenerator(str(tiny_qwen), device="cpu", engine=told)
    assert half._model.dtype == torch.bfloat16
    assert answers(half, ["def f(x):\n"], Sampling(0.0, max_tokens=200))[0].tokens < 64
    with pytest.raises(GeneratorError, match="the context holds 64"):
        list(half.generate(["word " * 100], Sampling()))
    with pytest.raises(ConfigError, match=r"no engine\.precision 'q8_0'"):
        TransformersGenerator(str(tiny_qwen), device="cpu", engine=EngineConfig(precision="q8_0"))


def test_small_batches_answer_every_prompt_too(tiny_qwen: Path) -> None:
    small = TransformersGenerator(str(tiny_qwen), device="cpu", rows=2)
    found = answers(small, ["a", "b", "c", "d", "e"], Sampling(0.0, max_tokens=4))
    assert [completion.index for completion in found] == [0, 1, 2, 3, 4]


def test_a_prompt_that_does_not_fit_is_named(generator: TransformersGenerator) -> None:
    with pytest.raises(GeneratorError, match=r"prompt 1 has \d+ tokens; the context holds 512"):
        list(generator.generate(["a", "word " * 600], Sampling(0.0)))


def test_a_completion_ends_where_the_context_does(generator: TransformersGenerator) -> None:
    prompt = "x" * 2
    while len(generator.tokenizer(prompt)["input_ids"]) < 500:
        prompt += " x"
    found = answers(generator, [prompt], Sampling(0.0, max_tokens=400))[0]
    assert found.finish == "length"
    assert found.tokens <= 12


def test_a_chat_template_chooses_the_chat_format(tiny_qwen: Path) -> None:
    assert choose_format("auto", str(tiny_qwen), load_tokenizer(str(tiny_qwen))).name == "chat"
    assert choose_format("completion", str(tiny_qwen), load_tokenizer(str(tiny_qwen))).name == "completion"
    with pytest.raises(ConfigError, match=r"unknown model\.format"):
        choose_format("caht", str(tiny_qwen), load_tokenizer(str(tiny_qwen)))


def test_models_that_cannot_be_loaded_are_told_apart(tmp_path: Path, tiny_qwen: Path) -> None:
    with pytest.raises(ConfigError, match="no model folder at"):
        TransformersGenerator(str(tmp_path / "nothing"))
    with pytest.raises(ConfigError, match=r"holds no config\.json"):
        TransformersGenerator(str(tmp_path))
    without = tmp_path / "without"
    without.mkdir()
    for name in ("config.json", "model.safetensors"):
        (without / name).write_bytes((tiny_qwen / name).read_bytes())
    with pytest.raises(ConfigError, match="holds no tokenizer"):
        TransformersGenerator(str(without))
    (without / "config.json").write_text("{")
    for path in tiny_qwen.glob("tokenizer*"):
        (without / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ConfigError, match="cannot load the"):
        TransformersGenerator(str(without))
    with pytest.raises(ConfigError, match="cannot load the tokenizer of 'nobody/nothing'"):
        TransformersGenerator("nobody/nothing")


def test_a_device_that_is_not_there_is_refused(tiny_qwen: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.device is 'tpu'"):
        TransformersGenerator(str(tiny_qwen), device="tpu")


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed")
def test_vllm_that_is_not_installed_says_how_to_install_it(tiny_qwen: Path) -> None:
    with pytest.raises(ConfigError, match="vLLM is not installed") as caught:
        VllmGenerator(str(tiny_qwen))
    assert "pip install 'forge[vllm]'" in caught.value.hint


def test_the_engine_is_chosen_by_what_is_there_and_says_why(
    tiny_qwen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there: set[str] = set()
    monkeypatch.setattr(auto, "_installed", lambda module: module in there)
    monkeypatch.setattr(auto, "computes_on_cpu", lambda: False)
    model = str(tiny_qwen)
    name, why = auto.choose(model, "cpu")
    assert name == "transformers"
    assert "pip install 'forge[llama]'" in why
    there |= {"vllm"}
    assert auto.choose(model, "cpu")[0] == "transformers"
    monkeypatch.setattr(auto.models, "device", lambda wanted: "cuda")
    assert auto.choose(model)[0] == "vllm"
    there -= {"vllm"}
    assert "pip install 'forge[vllm]'" in auto.choose(model)[1]
    assert auto.choose(model, engine=EngineConfig(url="http://localhost/v1"))[0] == "server"
    assert auto.choose("model.gguf")[0] == "llamacpp"
    assert auto.choose(model, engine=EngineConfig(precision="q4_k"))[0] == "llamacpp"
    monkeypatch.setattr(auto.models, "device", lambda wanted: "cpu")
    there |= {"llama_cpp", "gguf"}
    assert auto.choose(model) == ("llamacpp", "llama.cpp is installed and the device is cpu")
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    name, why = auto.choose(str(tmp_path))
    assert (name, "'gpt2' cannot be written as GGUF" in why) == ("transformers", True)
    there.clear()
    assert auto.make(model, device="cpu").name.startswith("transformers:")


def test_a_run_that_has_begun_keeps_its_engine_whatever_suits_by_now(tiny_qwen: Path, tmp_path: Path) -> None:
    settings = config.load(None, [f"model.name={tiny_qwen}"])
    chosen, said = header.with_engine(settings, [tmp_path])
    assert said.startswith(f"generator {chosen.model.generator}: ")
    (tmp_path / "run.toml").write_text('[model]\ngenerator = "vllm"\n')
    assert header.with_engine(settings, [tmp_path / "new", tmp_path])[0].model.generator == "vllm"
    assert header.with_engine(settings, [tmp_path])[1] == ""
    fixed = config.load(None, ["model.generator=transformers"])
    assert header.with_engine(fixed, [tmp_path])[0] == fixed


def test_replay_answers_what_was_recorded_in_turn(tmp_path: Path) -> None:
    path = tmp_path / "recorded.jsonl"
    rows = [{"prompt": "a", "completion": "1"}, {"prompt": "a", "completion": "2", "finish": "length"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    replay = ReplayGenerator(str(path))
    found = list(replay.generate(["a", "a", "a"], Sampling()))
    assert [(c.text, c.finish) for c in found] == [("1", "stop"), ("2", "length"), ("1", "stop")]
    with pytest.raises(GeneratorError, match="no completion is recorded for prompt 0"):
        list(replay.generate(["b"], Sampling()))
    path.write_text("")
    with pytest.raises(GeneratorError, match="nothing to replay"):
        ReplayGenerator(str(path))
