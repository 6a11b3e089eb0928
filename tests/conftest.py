"""What every test may rely on: no network, no touching of the user's files, a tiny model where one is needed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from boxes import LEVELS, SHORT
from forge.sandbox import Sandbox

if TYPE_CHECKING:
    from forge.domains.math import MathDomain

# Before torch is loaded: its waiting threads would otherwise starve the processes beside it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Before huggingface_hub is: a test must never wait for a hub.
os.environ["HF_HUB_OFFLINE"] = "1"

# A shell that starts tests in the background lets them, and all they start, ignore interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run: a failure is found by the one who causes it.
settings.register_profile("forge", derandomize=True)
settings.load_profile("forge")

DATA = os.environ.get("FORGE_DATA")


@pytest.fixture(autouse=True)
def _away_from_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("HF_HOME", str(home / "hf"))


@pytest.fixture(scope="session")
def benchmark_data() -> Path:
    """The folder of benchmark data; tests that need it say so when it is missing."""
    if not DATA or not Path(DATA).is_dir():
        pytest.skip("FORGE_DATA names no folder with benchmark data")
    return Path(DATA)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Two workers at full isolation, with short limits."""
    with Sandbox(2, limits=SHORT) as made:
        yield made


@pytest.fixture(scope="module", params=LEVELS)
def leveled(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """One worker at each level of isolation."""
    with Sandbox(1, limits=SHORT, require=request.param, level=request.param) as made:
        yield made


@pytest.fixture(scope="session")
def mathematics() -> Iterator[MathDomain]:
    """The judge of answers in mathematics: one for all tests, since it takes seconds to start."""
    from forge.domains.math import MathDomain

    with MathDomain() as opened:
        yield opened


@pytest.fixture(scope="session")
def tiny_qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A randomly initialised Qwen2 with a chat template: a real model folder that knows nothing."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("qwen")
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=512, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator([Path(__file__).read_text()], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=512, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=128, max_position_embeddings=512, initializer_range=0.15,
    )  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder
