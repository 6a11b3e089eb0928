"""Generation with llama.cpp: the tokens of transformers, sequences that share and refill, a process that may die."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

if importlib.util.find_spec("llama_cpp") is None:
    pytest.skip("llama.cpp is not installed: the extra dev brings it", allow_module_level=True)


from forge.config import EngineConfig
from forge.errors import ConfigError, GeneratorError
from forge.generators.llamacpp import LlamaCppGenerator
from forge.generators.transformers import TransformersGenerator
from forge.types import Completion, Prompt, Sampling
from processes import children, gone

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


def test_a_stop_string_ends_a_completion_and_is_cut_off(generator: LlamaCppGenerator, tiny_qwen: Path) -> None:
    whole = answers(generator, PROMPTS, Sampling(0.0, max_tokens=40))
    stops = tuple(re.findall(r"[a-z ]{3}", completion.text)[-1] for completion in whole)
    expected = TransformersGenerator(str(tiny_qwen), device="cpu")
    cut = Sampling(0.0, max_tokens=40, stops=stops)
    found = answers(generator, PROMPTS, cut)
    assert found == answers(expected, PROMPTS, cut)
    assert {completion.finish for completion in found} == {"stop"}


def test_prompts_and_completions_stay_within_the_context(generator: LlamaCppGenerator) -> None:
    with pytest.raises(GeneratorError, match=r"prompt 1 has \d+ tokens; the context holds 512"):
        list(generator.generate(["a", "word " * 600], Sampling(0.0)))
    prompt = "x" * 2
    while len(generator.tokenizer(prompt)["input_ids"]) < 500:
        prompt += " x"
    found = answers(generator, [prompt], Sampling(0.0, max_tokens=400))[0]
    assert (found.finish, found.tokens) == ("length", 512 - len(generator.tokenizer(prompt)["input_ids"]))


def test_a_configured_context_holds_less(tiny_qwen: Path, cache: Path) -> None:
    small = LlamaCppGenerator(str(tiny_qwen), device="cpu", engine=EngineConfig("float32", context=20, threads=1))
    with pytest.raises(GeneratorError, match="the context holds 20"):
        list(small.generate(["word " * 30], Sampling(0.0)))
    assert answers(small, ["word"], Sampling(0.0, max_tokens=400))[0].tokens <= 20
    small.close()


def test_what_does_not_fit_the_memory_is_told_before_it_is_tried(tiny_qwen: Path, cache: Path) -> None:
    tight = LlamaCppGenerator(str(tiny_qwen), device="cpu", engine=EngineConfig("float32", memory=1e-7))
    with pytest.raises(GeneratorError, match=r"one sequence of \d+ tokens needs \d+ MiB; 0 MiB may be taken"):
        list(tight.generate(["a"], Sampling(0.0)))
    tight.close()


def test_a_process_that_dies_is_an_error_and_the_next_call_works(generator: LlamaCppGenerator) -> None:
    sampling = Sampling(1.0, max_tokens=100)
    running = generator.generate(["a"] * 130, sampling)
    first = next(running)
    os.kill(generator._process._child.pid, signal.SIGABRT)
    with pytest.raises(GeneratorError, match=r"llama\.cpp ended by SIGABRT") as caught:
        list(running)
    assert "goes on from there" in caught.value.hint
    again = {completion.index: completion for completion in generator.generate(["a"] * 130, sampling)}
    assert again[first.index] == first


def test_an_assertion_in_the_library_is_told(generator: LlamaCppGenerator) -> None:
    """A prompt's token that the model does not have is what llama.cpp itself finds."""
    request = generator._request([[1, 2, 3]], Sampling(0.0, max_tokens=4))
    request["prompts"] = [[1, 2, 10**6]]
    with pytest.raises(GeneratorError, match=r"llama\.cpp: cannot decode"):
        list(generator._process.stream(**request))
    assert answers(generator, ["a"], Sampling(0.0, max_tokens=4))


SCRIPT = """
import json, sys
from forge.llama.process import Process
load, request = map(json.loads, sys.argv[1:])
for answer in Process([load]).stream(**request):
    print("one", flush=True)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_one_that_asked(generator: LlamaCppGenerator, how: signal.Signals) -> None:
    request = generator._request([[1, 2, 3]] * 4000, Sampling(1.0, max_tokens=400))
    before = children(os.getpid())
    asking = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps(generator._load), json.dumps(request)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert asking.stdout is not None
    assert asking.stdout.readline() == b"one\n"
    below = children(asking.pid)
    assert len(below) == 1
    asking.send_signal(how)
    asking.wait(20)
    asking.stdout.close()
    until = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in below) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in below)
    assert gone(before)


def test_who_stops_listening_stops_the_work(generator: LlamaCppGenerator) -> None:
    running = generator.generate(["a"] * 500, Sampling(1.0, max_tokens=300))
    next(running)
    pid = generator._process._child.pid
    running.close()  # type: ignore[attr-defined]
    assert not Path(f"/proc/{pid}").exists()
    assert answers(generator, ["a"], Sampling(0.0, max_tokens=4))


def test_what_was_asked_before_is_not_taken_for_an_answer(generator: LlamaCppGenerator) -> None:
    expected = answers(generator, PROMPTS, Sampling(0.0, max_tokens=8))
    running = generator.generate(["a"] * 300, Sampling(1.0, max_tokens=300))
    next(running)
    assert answers(generator, PROMPTS, Sampling(0.0, max_tokens=8)) == expected
    with pytest.raises(GeneratorError, match="asked something else"):
        next(running)
    assert answers(generator, PROMPTS, Sampling(0.0, max_tokens=8)) == expected


def test_a_device_that_this_build_lacks_is_refused(tiny_qwen: Path, generator: LlamaCppGenerator) -> None:
    if generator._process.facts["offload"]:
        pytest.skip("this build of llama.cpp computes on an accelerator")
    with pytest.raises(ConfigError, match=r"llama\.cpp was built for the CPU alone"):
        LlamaCppGenerator(str(tiny_qwen), device="mps")


def test_without_the_package_the_command_to_install_it_is_told(
    tiny_qwen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="the package llama_cpp, which is not installed") as caught:
        LlamaCppGenerator(str(tiny_qwen))
    assert "pip install 'forge[llama]'" in caught.value.hint
