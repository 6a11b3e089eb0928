"""Best of 64 with llama.cpp: forge against one completion after the other, transformers, and decoding alone.

The model is random: 100 million parameters, a vocabulary of 32,000. All have two threads and draw from the
whole distribution. Decoding alone runs the same batches through llama.cpp and looks at nothing that comes out.
"""

from __future__ import annotations

import importlib.util
import shutil
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from contest import Contest, Turn, Turns, rate, spread

from forge.config import EMBEDDED, EngineConfig
from forge.generators.llamacpp import LlamaCppGenerator
from forge.types import Sampling

if importlib.util.find_spec("llama_cpp") is None:
    pytest.skip("llama.cpp is not installed: the extra dev brings it", allow_module_level=True)

SAMPLES = 64
THREADS = 2
PROMPT = "x" * 56
OVER_SERIAL = 4.0
OVER_TRANSFORMERS = 1.8
OF_DECODING = 0.9


@dataclass(frozen=True, slots=True)
class Made:
    """A model folder, its generator with weights in float16, and the prompt's tokens."""

    folder: Path
    generator: Any
    ids: list[int]

    @property
    def file(self) -> str:
        """The GGUF file of the model."""
        return str(self.generator._load["path"])


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """The model that is measured; without --measure a tiny one."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from forge.models import folder

    measured = request.config.getoption("--measure")
    sizes = (
        {"vocab_size": 32_000, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
         "num_key_value_heads": 4, "intermediate_size": 2048}
        if measured
        else {"vocab_size": 1024, "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
              "num_key_value_heads": 1, "intermediate_size": 128}
    )  # fmt: skip
    place = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    config = LlamaConfig(**sizes, tie_word_embeddings=True, initializer_range=0.15, max_position_embeddings=2048)
    LlamaForCausalLM(config).to(torch.float16).save_pretrained(place)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(folder(EMBEDDED) / name, place / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        generator = LlamaCppGenerator(str(place), device="cpu", engine=EngineConfig("float16", threads=THREADS))
        # A model that knows nothing ends at random: all shall say the same number of tokens.
        generator._ends = []
        yield Made(place, generator, generator.tokenizer(PROMPT)["input_ids"])
        generator.close()


def serial(model: Any, ids: list[int], tokens: int, samples: int) -> Turn:
    """One completion after the other with llama-cpp-python, which keeps what it read of the prompt."""
    count = 0
    for seed in range(samples):
        done = model.create_completion(
            ids, max_tokens=tokens, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, seed=seed, logit_bias={1: -100.0}
        )
        count += done["usage"]["completion_tokens"]
    return Turn(count)


def decode_alone(engine: Any, ids: list[int], tokens: int, samples: int) -> Turn:
    """What llama.cpp must do in any case: read the prompt, copy it, and compute a batch for each token."""
    from llama_cpp import llama_cpp as lib

    from forge.llama.engine import BLOCK

    engine.open(samples, -(-(len(ids) + tokens) // BLOCK) * BLOCK)
    memory = lib.llama_get_memory(engine._context)
    engine._read(ids[:-1], samples)
    for sequence in range(samples):
        lib.llama_memory_seq_cp(memory, samples, sequence, -1, -1)
    for step in range(tokens):
        engine._decode([5] * samples, [len(ids) - 1 + step] * samples, range(samples), [1] * samples)
    return Turn(tokens * samples)


def transformers(model: Any, ids: list[int], tokens: int, samples: int) -> Turn:
    """All samples in one batch with transformers."""
    import torch

    row = torch.tensor([ids])
    model.generate(
        row, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=True, top_k=0, num_return_sequences=samples,
        pad_token_id=2,
    )  # fmt: skip
    return Turn(tokens * samples)


def _forge_share(mine: Turns, first: Turns) -> str:
    """Forge's rate as a share of this contestant's."""
    return "1" if mine is first else spread([b.wall_each / a.wall_each for a, b in zip(first, mine, strict=True)])


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("tokens", [64, 192])
def test_best_of_many(contest: Contest, made: Made, tokens: int) -> None:
    import torch
    from llama_cpp import Llama
    from transformers import AutoModelForCausalLM

    from forge.llama.engine import Engine

    samples = SAMPLES if contest.measure else 3
    tokens = tokens if contest.measure else 4
    torch.set_num_threads(THREADS)
    one = Llama(made.file, n_ctx=512, n_threads=THREADS, n_threads_batch=THREADS, verbose=False)
    engine = Engine(made.file, False, THREADS)
    model = AutoModelForCausalLM.from_pretrained(made.folder, dtype=torch.bfloat16).eval()

    def forge() -> Turn:
        done = made.generator.generate([PROMPT] * samples, Sampling(1.0, max_tokens=tokens))
        return Turn(sum(completion.tokens for completion in done))

    try:
        found = contest.run(
            {
                "forge": forge,
                "decoding alone (limit)": lambda: decode_alone(engine, made.ids, tokens, samples),
                "transformers, bfloat16, one batch": lambda: transformers(model, made.ids, tokens, samples),
                "llama-cpp-python, one after the other": lambda: serial(one, made.ids, tokens, samples),
            }
        )
    finally:
        one.close()
    *exact, one_by_one = found.values()
    assert all(turn.count == samples * tokens for turns in exact for turn in turns)
    # llama-cpp-python goes on past the limit where a text would end inside a character.
    assert all(turn.count >= samples * tokens for turn in one_by_one)
    contest.compare(
        f"llamacpp-{tokens}",
        f"{samples} samples of {tokens} tokens, a random model of 100 million parameters, {THREADS} threads",
        found,
        [("tokens/s", rate), ("forge's rate: times its own", _forge_share)],
    )
    if contest.measure:
        ours, limit, batch, each = (statistics.median(1 / turn.wall_each for turn in turns) for turns in found.values())
        assert ours >= OVER_SERIAL * each
        assert ours >= OVER_TRANSFORMERS * batch
        assert ours >= OF_DECODING * limit


def test_the_memory_that_is_forecast(contest: Contest, made: Made) -> None:
    """The forecast decides how many sequences run: it must not be below what is taken, nor far above it."""
    made.generator.close()
    process = made.generator._process
    process.start()
    rows = []
    for sequences, tokens in ((8, 200), (64, 200), (64, 700)):
        before = _resident(process)
        samples, most = (sequences, tokens) if contest.measure else (2, 3)
        request = made.generator._request([made.ids] * samples, Sampling(1.0, max_tokens=most))
        # The memory is taken at the start: every token ends a completion, so that no time is.
        request["ends"] = list(range(32_000))
        *_, last = process.stream(**request)
        need = last["done"]["need"]
        taken = max(_resident(process) - before, 0)
        rows.append([f"{sequences} x {tokens}", f"{need / 2**20:.0f}", f"{taken / 2**20:.0f}"])
        if contest.measure:
            assert taken <= 1.1 * need
        process.close()
        process.start()
    contest.report(
        "llamacpp-memory", "Memory beside the weights, MiB", ["sequences x tokens", "forecast", "measured"], rows
    )


def _resident(process: Any) -> int:
    """The memory that the process has of its own, in bytes, weights that are mapped from disk left out."""
    status = Path(f"/proc/{process._child.pid}/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1])
