"""Generation with llama.cpp: the tokens of transformers, sequences that share and refill, a process that may die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import children, gone

from forge.config import EngineConfig
from forge.errors import ConfigError, GeneratorError
from forge.generators.llamacpp import LlamaCppGenerator
from forge.generators.transformers import TransformersGenerator
from forge.types import Completion, Prompt, Sampling

EXACT = EngineConfig(precision="float32", threads=1)
PROMPTS: list[Prompt] = [
    "def f(x):\n",
    "a longer prompt, of other tokens",
    ({"role": "user", "content": "hello"},),
    "y",
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def generator(tiny_qwen: Path, cache: Path) -> Iterator[LlamaCppGenerator]:
    made = LlamaCppGenerator(str(tiny_qwen), device="cpu", engine=EXACT)
    yield made
    made.close()


def answers(
    generator: LlamaCppGenerator | TransformersGenerator, prompts: list[Prompt], sampling: Sampling
) -> list[Completion]:
    return sorted(generator.generate(prompts, sampling), key=lambda completion: completion.index)


def test_greedy_gives_what_transformers_gives(generator: LlamaCppGenerator, tiny_qwen: Path) -> None:
    greedy = Sampling(0.0, max_tokens=40)
    expected = answers(TransformersGenerator(str(tiny_qwen), device="cpu"), PROMPTS, greedy)
    assert answers(generator, PROMPTS, greedy) == expected


def test_sequences_that_end_make_room_for_others(tiny_qwen: Path, generator: LlamaCppGenerator) -> None:
    """Few sequences, many jobs of several lengths and prompts: refilled and moved, each says what it says alone."""
    prompts = [prompt for prompt in PROMPTS for _ in range(3)] + ["z " * number for number in range(1, 9)]
    sampling = Sampling(1.0, 0.9, max_tokens=24, seed=5, stops=("a", "\n"))
    few = LlamaCppGenerator(str(tiny_qwen), device="cpu", engine=EngineConfig("float32", sequences=5, threads=1))
    found = answers(few, prompts, sampling)
    few.close()
    assert len({len(completion.text) for completion in found}) > 3
    assert found == answers(generator, prompts, sampling)


def test_a_completion_depends_on_its_seed_and_number_alone(generator: LlamaCppGenerator) -> None:
    prompts = PROMPTS * 4
    first = answers(generator, prompts, Sampling(0.9, 0.95, 12, seed=1))
    assert first == answers(generator, prompts, Sampling(0.9, 0.95, 12, seed=1))
    assert first != answers(generator, prompts, Sampling(0.9, 0.95, 12, seed=2))
    assert first[:6] == answers(generator, prompts[:6], Sampling(0.9, 0.95, 12, seed=1))
    assert len({completion.text for completion in first[::4]}) > 1
