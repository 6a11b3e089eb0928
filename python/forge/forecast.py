"""What this machine has for a model, and what a configured run would take of it, from a short probe."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace

from forge import score
from forge.pipeline import Run
from forge.types import Sampling

PROBED = 64
"""Completions in a probe: enough for a rate, too few for the best one."""

_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a generator answered; completions and tokens a second, tokens a completion."""

    generator: str
    completions: float
    tokens: float
    length: float


def machine() -> list[str]:
    """Devices and their free memory, a line each."""
    import psutil
    import torch

    memory = psutil.virtual_memory()
    found = [f"memory: {memory.available / _GIB:.1f} of {memory.total / _GIB:.1f} GiB free"]
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        name = torch.cuda.get_device_name(number)
        found.append(f"device cuda:{number} ({name}): {free / _GIB:.1f} of {total / _GIB:.1f} GiB free")
    if torch.backends.mps.is_available():
        found.append("device mps: shares the memory above")
    return [*found, f"device cpu: {torch.get_num_threads()} threads"]


def probe(run: Run) -> Rate:
    """Ask the run's generator for a few completions as its evaluation would, and take the time.

    Raises:
        GeneratorError: the model did not answer.
    """
    settings = run.config.eval
    wanted = min(PROBED, run.config.model.rows)
    prompts = [run.format.solve(problem) for problem in run.held for _ in range(4)][:wanted]
    sampling = Sampling(
        settings.temperature, settings.top_p, settings.max_tokens, run.format.stops_for(run.held), run.seed("probe")
    )
    generator = run.generator()
    # The first answers pay for what is compiled and read only once.
    list(generator.generate(prompts[:1], replace(sampling, max_tokens=2)))
    began = time.monotonic()
    tokens = [completion.tokens for completion in generator.generate(prompts, sampling)]
    took = time.monotonic() - began
    return Rate(generator.name, len(tokens) / took, sum(tokens) / took, sum(tokens) / len(tokens))


def lines(run: Run) -> list[str]:
    """What the run would take, in sentences; generation alone, since judging goes on beside it."""
    settings = run.config
    rate = probe(run)
    arms = 1 + len([arm for arm in run.every_arm() if arm != score.BASE]) * run.invents
    measured, panel = len(run.held) * (1 + settings.eval.samples), len(run.held) * len(run.panel[0])
    tries = settings.propose.tries * run.invents
    least = tries + measured * arms + panel
    most = least + tries * settings.attempt.samples
    return [
        f"probe: {rate.generator} gave {rate.tokens:.0f} tokens/s, {rate.completions:.1f} completions/s of "
        f"{rate.length:.0f} tokens; full batches of {settings.model.rows} may do better",
        f"memory: model and sandbox hold {_held() / _GIB:.1f} GiB of this machine's{_accelerator()}",
        f"completions: {measured} measure each of {arms} arms, {panel} the base in other formats, {tries} propose, and "
        f"at most {most - least} attempt what is kept",
        f"time: {_duration(least / rate.completions)} to {_duration(most / rate.completions)} of generation at the "
        "probe's rate and length; training comes on top",
    ]


def _held() -> int:
    """Bytes that this process and all that it started hold in main memory."""
    import psutil

    this = psutil.Process()
    held = 0
    for process in (this, *this.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            held += process.memory_info().rss
    return held


def _accelerator() -> str:
    """What all processes hold on the accelerator, where there is one."""
    import torch

    if not torch.cuda.is_available():
        return ""
    free, total = torch.cuda.mem_get_info()
    return f"; {(total - free) / _GIB:.1f} of {total / _GIB:.1f} GiB of the accelerator's are in use"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
