"""What the generator adds to vLLM: prompts, processes and texts, beside a bare loop over the same requests.

It runs where vLLM is installed: `.venv-vllm/bin/python -m pytest benches/test_vllm_bench.py --measure`.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
from itertools import count

import pytest
from contest import Contest, Turn, Turns, spread

from forge import benchmarks
from forge.config import EMBEDDED, EngineConfig
from forge.generators.vllm import VllmGenerator
from forge.models import location
from forge.prompts import NANO
from forge.types import Sampling

MOST = 1.05
"""At most this many times the bare loop's time a token."""

BARE = """
import os, sys
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
from vllm import LLM, SamplingParams
model = LLM(sys.argv[1], dtype="float32", enforce_eager=True, kv_cache_memory_bytes=1 << 30, block_size=32,
            enable_chunked_prefill=False, max_num_batched_tokens=8192, disable_log_stats=True)
tokenizer = model.get_tokenizer()
print("ready", file=out, flush=True)
for line in sys.stdin:
    count, seed, *texts = eval(line)
    prompts = [{"prompt_token_ids": tokenizer(text)["input_ids"]} for text in texts for _ in range(count)]
    params = [SamplingParams(temperature=0.8, max_tokens=128, seed=seed + n) for n in range(len(prompts))]
    done = model.generate(prompts, params, use_tqdm=False)
    print(sum(len(one.outputs[0].token_ids) for one in done), file=out, flush=True)
"""
"""What anyone would write first, in a process like the generator's own; it reads nobody's input but ours."""

if importlib.util.find_spec("vllm") is None:
    pytest.skip("needs .venv-vllm (scripts/vllm-environment.sh)", allow_module_level=True)


@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore")
def test_the_generator_beside_a_bare_loop(contest: Contest) -> None:
    prompts = [str(NANO.solve(problem)) for problem in benchmarks.load("nano/dev")[: 64 if contest.measure else 2]]
    samples, turns = 8, count()
    ours = VllmGenerator(EMBEDDED, engine=EngineConfig(memory=0.05, threads=1))
    settings = {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "1", "VLLM_LOGGING_LEVEL": "ERROR",
    }  # fmt: skip
    theirs = subprocess.Popen(
        [sys.executable, "-P", "-c", BARE, location(EMBEDDED)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, env=os.environ | settings,
    )  # fmt: skip
    assert theirs.stdin is not None
    assert theirs.stdout is not None
    assert theirs.stdout.readline() == "ready\n"

    def generator() -> Turn:
        asked = [prompt for prompt in prompts for _ in range(samples)]
        found = ours.generate(asked, Sampling(0.8, max_tokens=128, seed=next(turns)))
        # The end token is one that the bare loop counts.
        return Turn(sum(completion.tokens + (completion.finish == "stop") for completion in found))

    def bare() -> Turn:
        theirs.stdin.write(repr([samples, next(turns), *prompts]) + "\n")
        theirs.stdin.flush()
        return Turn(int(theirs.stdout.readline()))

    def ratio(mine: Turns, first: Turns) -> str:
        return spread([a.wall_each / b.wall_each for a, b in zip(mine, first, strict=True)])

    try:
        found = contest.run({"LLM.generate": bare, "the generator": generator})
    finally:
        ours.close()
        theirs.kill()
        theirs.communicate()
    contest.compare(
        "vllm",
        f"vLLM on the CPU: {samples} completions for each of {len(prompts)} prompts",
        found,
        [("tokens/s", lambda mine, _: f"{statistics.median(1 / t.wall_each for t in mine):,.0f}"), ("time", ratio)],
    )
    if contest.measure:
        assert statistics.median(b.wall_each / a.wall_each for a, b in zip(*found.values(), strict=True)) <= MOST
