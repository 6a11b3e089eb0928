"""What judging costs beside generation: time to the first verdict, and the wall time of both at once.

The embedded model answers, through llama.cpp, which has a process of its own, and through transformers, which
shares the interpreter with the judge; attempts are stored and judged as in a run.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from contest import Contest, Turn, Turns, spread

from forge import benchmarks
from forge.attempt import attempts
from forge.config import EMBEDDED, resolve
from forge.domains.python import PythonDomain
from forge.folder import Judged
from forge.generators import GENERATORS
from forge.prompts import NANO
from forge.stream import attempt_and_judge, judge_all
from forge.types import Attempt, Sampling

PROBLEMS = SAMPLES = 64
ROWS = 512
FIRST = 0.25
"""At most this share of the time to the first verdict when everything is generated before anything is judged."""

BOTH = 1.03
"""At most this many times the wall time of the slower of the two alone."""


class Clock:
    """When the first verdict was stored, in seconds since the clock was made."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.first = 0.0

    def __call__(self, done: int) -> None:
        if done and not self.first:
            self.first = self.now()

    def now(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self.began


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("engine", ["llamacpp", "transformers"])
def test_verdicts_come_while_the_model_is_still_answering(contest: Contest, tmp_path: Path, engine: str) -> None:
    size = PROBLEMS if contest.measure else 4
    samples = SAMPLES if contest.measure else 4
    problems = benchmarks.load("nano/dev")[:size]
    by_id = {problem.id: problem for problem in problems}
    generator = resolve(GENERATORS, engine, "generator")(EMBEDDED, device="cpu", rows=ROWS)
    folders, seeds = count(), {"streamed": count(), "apart": count()}

    def made(who: str) -> Iterator[Attempt]:
        # The same texts for both, others in each round.
        sampling = Sampling(0.8, max_tokens=128, seed=next(seeds[who]))
        return attempts(problems, NANO.solve, generator, sampling, samples, ROWS)

    def streamed() -> Turn:
        files = Judged.below(tmp_path / str(next(folders)))
        with PythonDomain() as domain:
            clock = Clock()
            attempt_and_judge(made("streamed"), domain, by_id, files.attempts, files.verdicts, clock)
            wall = clock.now()
        assert len(files.verdicts.read()) == size * samples
        return Turn(each=(clock.first, wall))

    def apart() -> Turn:
        files = Judged.below(tmp_path / str(next(folders)))
        with PythonDomain() as domain:
            clock = Clock()
            everything = list(made("apart"))
            files.attempts.append(everything)
            generating = clock.now()
            judge_all(domain, by_id, everything, files.verdicts, clock)
            judging = clock.now() - generating
        return Turn(each=(clock.first, max(generating, judging)))

    found = contest.run({"streamed": streamed, "all generated, then judged": apart})
    ours, theirs = found.values()
    sooner = [a.each[0] / b.each[0] for a, b in zip(ours, theirs, strict=True)]
    beside = [a.each[1] / b.each[1] for a, b in zip(ours, theirs, strict=True)]

    def seconds(place: int, turns: Turns) -> str:
        return spread([turn.each[place] for turn in turns])

    contest.report(
        f"overlap-{engine}",
        f"{samples} attempts at each of {size} problems, judged while {engine} answers with the embedded model",
        ["", "seconds to the first verdict", "seconds in all, or of the slower alone"],
        [
            ["streamed", seconds(0, ours), seconds(1, ours)],
            ["all generated, then judged", seconds(0, theirs), seconds(1, theirs)],
            ["ratio", spread(sooner), spread(beside)],
        ],
    )
    if contest.measure:
        assert statistics.median(sooner) <= FIRST
        assert statistics.median(beside) <= BOTH
