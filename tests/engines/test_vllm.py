"""vLLM itself, on the CPU, with the embedded model: it says what transformers says, and ends when it is told.

Runs in an environment of its own, which scripts/vllm-environment.sh makes.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from forge import benchmarks
from forge.config import EMBEDDED, EngineConfig, TrainConfig
from forge.errors import ConfigError, GeneratorError
from forge.generators.transformers import TransformersGenerator
from forge.generators.vllm import VllmGenerator
from forge.models import MARKER, location
from forge.prompts import NANO
from forge.trainers.lora import LoraTrainer
from forge.types import Completion, Pair, Prompt, Sampling

if importlib.util.find_spec("vllm") is None:
    pytest.skip("needs .venv-vllm, in which make test runs it", allow_module_level=True)

pytestmark = [pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore")]
SMOKE = Path(__file__).parent.parent.parent / "configs" / "smoke.toml"
SMALL = EngineConfig(memory=0.02, threads=1)
PROMPTS: list[Prompt] = [NANO.solve(problem) for problem in benchmarks.load("nano/dev")[:200]]


def train(out: Path, answer: str, rank: int = 4, model: str = EMBEDDED) -> Path:
    pairs = [Pair(str(n), "p", "plain", PROMPTS[n], "", answer, "", "r", "c") for n in range(8)]
    LoraTrainer(model, TrainConfig(epochs=4, rate=1e-2, rank=rank), "cpu").train(pairs, out, seed=0)
    return out


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two adapters of different ranks that teach different answers."""
    root = tmp_path_factory.mktemp("adapters")
    return train(root / "one", "    return 1\n", 12), train(root / "two", "    return [2]\n", 4)


@pytest.fixture(scope="module")
def served(adapters: tuple[Path, Path]) -> Iterator[VllmGenerator]:
    made = VllmGenerator(EMBEDDED, str(adapters[0]), engine=SMALL)
    yield made
    made.close()


@pytest.fixture
def base(served: VllmGenerator) -> VllmGenerator:
    served.use("")
    return served


@pytest.fixture(scope="module")
def peer() -> TransformersGenerator:
    return TransformersGenerator(EMBEDDED, device="cpu")


def answers(
    generator: VllmGenerator | TransformersGenerator, prompts: list[Prompt], sampling: Sampling
) -> list[Completion]:
    return sorted(generator.generate(prompts, sampling), key=lambda completion: completion.index)


def same(ours: VllmGenerator, theirs: TransformersGenerator, sampling: Sampling, prompts: list[Prompt]) -> None:
    """Both complete alike; the first difference is shown with what either thinks of both tokens."""
    found = zip(prompts, answers(ours, prompts, sampling), answers(theirs, prompts, sampling), strict=True)
    for prompt, one, two in found:
        if one != two:
            pytest.fail(f"{prompt!r}: vLLM {one}, transformers {two}: {difference(ours, theirs, prompt, one, two)}")


def difference(
    ours: VllmGenerator, theirs: TransformersGenerator, prompt: Prompt, one: Completion, two: Completion
) -> dict[str, tuple[float, float]]:
    """The first token in which two completions differ, as each has it: its log-probability in vLLM and transformers."""

    encode = lambda text: ours.tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
    end = [ours.tokenizer.eos_token_id]
    rows = [encode(completion.text) + end for completion in (one, two)]
    same = next((place for place, (a, b) in enumerate(zip(*rows, strict=False)) if a != b), 0)
    begun = [*ours.tokenizer(str(prompt))["input_ids"], *rows[0][:same]]
    told = {}
    for row in rows:
        ids = [*begun, row[same]]
        other = theirs.log_probability(ids, len(begun))
        told[ours.tokenizer.decode(row[same])] = ours.log_probability(ids, len(begun)), other
    return told


def test_greedy_completions_are_those_of_transformers(base: VllmGenerator, peer: TransformersGenerator) -> None:
    same(base, peer, Sampling(0.0, max_tokens=64), PROMPTS)


def test_stop_strings_and_limits_end_completions_as_in_transformers(
    base: VllmGenerator, peer: TransformersGenerator
) -> None:
    for stops in (("\n    return",), ("turn", " = ")):
        same(base, peer, Sampling(0.0, max_tokens=24, stops=stops), PROMPTS[:40])


def test_log_probabilities_are_those_of_transformers(base: VllmGenerator, peer: TransformersGenerator) -> None:

    for prompt in PROMPTS[:24]:
        ids = peer.tokenizer(str(prompt))["input_ids"]
        assert base.log_probability(ids, 3) == pytest.approx(peer.log_probability(ids, 3), abs=1e-4)


def test_the_same_seed_gives_the_same_texts_and_samples_differ(base: VllmGenerator) -> None:
    prompts, sampling = [prompt for prompt in PROMPTS[:4] for _ in range(16)], Sampling(0.8, 0.95, 64, seed=5)
    first = answers(base, prompts, sampling)
    assert [completion.index for completion in first] == list(range(64))
    assert len({completion.text for completion in first[:16]}) > 1
    assert first == answers(base, prompts, sampling)
    assert first != answers(base, prompts, replace(sampling, seed=6))


def test_more_tokens_than_a_step_holds_are_no_trouble_for_seeds(base: VllmGenerator) -> None:
    long = "".join(str(prompt) for prompt in PROMPTS[:8])
    ids = base.tokenizer(long)["input_ids"]
    prompts = [f"# {number}\n{long}" for number in range(2 + 8192 // len(ids))]
    assert len(answers(base, prompts, Sampling(0.8, max_tokens=4))) == len(prompts)


def test_completions_come_in_the_order_in_which_they_end(base: VllmGenerator) -> None:
    found = list(base.generate(PROMPTS[:64], Sampling(0.8, max_tokens=200)))
    lengths = [completion.tokens for completion in found]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]


def test_a_batch_that_is_given_up_does_not_disturb_the_next(base: VllmGenerator) -> None:
    expected = answers(base, PROMPTS[:8], Sampling(0.8, max_tokens=16, seed=1))
    abandoned = base.generate(PROMPTS[100:], Sampling(0.8, max_tokens=128, seed=2))
    next(abandoned)
    abandoned.close()  # type: ignore[attr-defined]
    assert answers(base, PROMPTS[:8], Sampling(0.8, max_tokens=16, seed=1)) == expected


def test_a_prompt_that_does_not_fit_is_named(base: VllmGenerator) -> None:
    with pytest.raises(GeneratorError, match=r"prompt 1 has \d+ tokens; the context holds 1024"):
        list(base.generate(["a", "word " * 3000], Sampling(0.0)))


def test_adapters_change_without_a_new_engine_and_say_what_transformers_says(
    served: VllmGenerator, adapters: tuple[Path, Path], peer: TransformersGenerator
) -> None:
    replicas = served._replicas
    named = set()
    for adapter in ("", str(adapters[0]), str(adapters[1]), "", str(adapters[0])):
        served.use(adapter)
        theirs = TransformersGenerator(EMBEDDED, adapter, "cpu") if adapter else peer
        same(served, theirs, Sampling(0.0, max_tokens=32), PROMPTS[:40])
        named.add(served.name)
    assert len(named) == 3
    assert served._replicas is replicas


def test_an_adapter_that_is_not_live_is_refused_and_the_engine_goes_on(
    base: VllmGenerator, adapters: tuple[Path, Path], tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoModelForCausalLM

    expected = answers(base, PROMPTS[:4], Sampling(0.0, max_tokens=16))
    zeroed = tmp_path / "zeroed"
    shutil.copytree(adapters[0], zeroed)
    weights = {name: torch.zeros_like(value) for name, value in load_file(zeroed / "adapter_model.safetensors").items()}
    save_file(weights, zeroed / "adapter_model.safetensors")
    with pytest.raises(GeneratorError, match="changes nothing"):
        base.use(str(zeroed))

    other = tmp_path / "other"
    shutil.copytree(location(EMBEDDED), other)
    model = AutoModelForCausalLM.from_pretrained(other, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(other)
    with pytest.raises(GeneratorError, match="is not the one that was trained"):
        base.use(str(train(tmp_path / "foreign", "    return 1\n", model=str(other))))

    unfinished = tmp_path / "unfinished"
    shutil.copytree(adapters[0], unfinished)
    (unfinished / MARKER).unlink()
    with pytest.raises(GeneratorError, match="no finished adapter"):
        base.use(str(unfinished))
    assert answers(base, PROMPTS[:4], Sampling(0.0, max_tokens=16)) == expected


def test_what_vllm_cannot_do_is_refused_before_it_starts() -> None:
    with pytest.raises(ConfigError, match=r"no engine\.precision 'q8_0'"):
        VllmGenerator(EMBEDDED, engine=EngineConfig(precision="q8_0"))
    with pytest.raises(ConfigError, match=r"engine\.gpus is 2"):
        VllmGenerator(EMBEDDED, engine=EngineConfig(gpus=2))
    with pytest.raises(ConfigError, match="computes on CPUs"):
        VllmGenerator(EMBEDDED, device="cuda")


def test_replicas_share_a_batch_and_an_engine_that_dies_is_an_error(served: VllmGenerator, base: VllmGenerator) -> None:
    expected = answers(base, PROMPTS[:40], Sampling(0.0, max_tokens=32))
    sampling = Sampling(0.8, max_tokens=32, seed=3)
    drawn = answers(base, PROMPTS[:40], sampling)
    two = VllmGenerator(EMBEDDED, engine=replace(SMALL, replicas=2))
    try:
        assert answers(two, PROMPTS[:40], Sampling(0.0, max_tokens=32)) == expected
        assert answers(two, PROMPTS[:40], sampling) == drawn
        assert two._replicas is not None
        running = [process.pid for process in two._replicas.running]
        os.kill(running[1], signal.SIGKILL)
        with pytest.raises(GeneratorError, match="its process ended by SIGKILL"):
            answers(two, PROMPTS, Sampling(0.8, max_tokens=64))
    finally:
        two.close()
    for number in running:
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)


def test_a_run_on_vllm_is_interrupted_leaves_nothing_behind_and_goes_on(tmp_path: Path) -> None:
    import psutil

    settings = (
        "model.generator=vllm", "engine.memory=0.02", "engine.threads=1", "controls.names=[]", "controls.teacher=false",
    )  # fmt: skip
    changes = [part for setting in settings for part in ("--set", setting)]
    command = [sys.executable, "-m", "forge", "run", str(SMOKE), "--out", str(tmp_path / "run"), *changes]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "run" / "proposals").exists() and process.poll() is None:
        time.sleep(0.1)
    engines = [child for child in psutil.Process(process.pid).children() if "vllm_engine" in " ".join(child.cmdline())]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert len(engines) == 1
    assert not engines[0].is_running()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "adapter" in done.stdout
    assert "INFO" not in done.stderr
    assert "WARNING" not in done.stderr
    first = (tmp_path / "run" / "eval" / "adapter" / "greedy" / "attempts.jsonl").read_text().splitlines()[0]
    assert '"vllm:' in first
