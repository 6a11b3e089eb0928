"""How often the intervals of `forge.stats` hold the truth, and how wide they are, where the truth is known.

    python scripts/coverage.py [ROUNDS [PROBLEMS...]]      docs/promises.md has the table of 5,000 rounds

Each round draws the problems of an evaluation anew, from a population whose mean is known. `tests/test_coverage.py`
runs a few rounds of the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forge import stats

SEED = 1
SAMPLES = 16
SIZES = (12, 24, 40, 100, 164, 500)
RUNS = (3, 5, 8)
RANDOM = np.random.default_rng(SEED)
Values = NDArray[np.float64]


class Population(NamedTuple):
    """Something that is measured: how to draw `n` problems of it, its true mean, and the interval that is tried."""

    name: str
    draw: Callable[[int], Values]
    truth: float
    interval: Callable[[Values], stats.Interval]


def greedy(rate: float) -> Population:
    """Problems that pass or not: Wilson's interval."""
    return Population(
        f"greedy pass@1, rate {rate:.0%}",
        lambda n: (RANDOM.random(n) < rate).astype(float),
        rate,
        lambda values: stats.wilson(int(values.sum()), len(values)),
    )


def sampled(a: float, b: float, k: int) -> Population:
    """pass@k of problems whose chances are drawn from a beta distribution, `SAMPLES` answers each."""
    table = np.array([stats.pass_at_k(SAMPLES, c, k) for c in range(SAMPLES + 1)])
    missed = np.prod([(b + i) / (a + b + i) for i in range(k)])
    return Population(
        f"pass@{k}, chances Beta({a:g}, {b:g}): {1 - missed:.0%}",
        lambda n: table[RANDOM.binomial(SAMPLES, RANDOM.beta(a, b, n))],
        float(1 - missed),
        lambda values: stats.mean_interval(values.tolist()),
    )


def changed(gained: float, lost: float) -> Population:
    """The paired difference of greedy answers."""
    return Population(
        f"greedy difference, {gained:.0%} gained, {lost:.0%} lost",
        lambda n: RANDOM.choice([1.0, -1.0, 0.0], n, p=[gained, lost, 1 - gained - lost]),
        gained - lost,
        lambda values: stats.difference_interval(values.tolist()),
    )


def shifted(a: float, b: float, lift: float) -> Population:
    """The paired difference of pass@1 where every problem's chance p becomes p + lift·(1-p)."""

    def draw(n: int) -> Values:
        chances = RANDOM.beta(a, b, n)
        after, before = RANDOM.binomial(SAMPLES, chances + lift * (1 - chances)), RANDOM.binomial(SAMPLES, chances)
        return (after - before) / SAMPLES

    return Population(
        f"pass@1 difference, Beta({a:g}, {b:g}), lift {lift:.0%}",
        draw,
        lift * b / (a + b),
        lambda values: stats.difference_interval(values.tolist()),
    )


def crossed(runs: int, between: float) -> Population:
    """The difference of pass@1 over several runs; `between` is the deviation of runs beyond that of problems."""

    def draw(n: int) -> Values:
        effects = RANDOM.normal(0, between, (runs, 1)) + RANDOM.normal(0, 0.1, (1, n))
        return np.clip(0.1 + effects + RANDOM.normal(0, 0.2, (runs, n)), -1, 1)

    return Population(
        f"over {runs} runs, which differ by {100 * between:.0f} points",
        draw,
        0.1,
        lambda values: stats.crossed_interval(values.tolist()),
    )


POPULATIONS = (
    *(greedy(rate) for rate in (0.05, 0.1, 0.3, 0.5, 0.9)),
    *(sampled(*shape) for shape in ((0.4, 0.8, 1), (2, 5, 1), (0.3, 2, 1), (0.1, 4, 1), (0.4, 0.8, 4), (0.4, 0.8, 16))),
    *(changed(*shares) for shares in ((0.2, 0.1), (0.1, 0.02), (0.05, 0.05))),
    *(shifted(*shape) for shape in ((0.4, 0.8, 0.2), (0.4, 0.8, 0.0), (0.3, 2, 0.05))),
    *(crossed(runs, between) for runs in RUNS for between in (0.0, 0.01, 0.03, 0.06)),
)


def coverage(population: Population, problems: int, rounds: int) -> tuple[float, float]:
    """The share of rounds whose interval holds the truth, and the mean width."""
    held = width = 0.0
    for _ in range(rounds):
        low, high = population.interval(population.draw(problems))
        held += low <= population.truth <= high
        width += high - low
    return held / rounds, width / rounds


def main(arguments: list[str]) -> int:
    """Print a table: coverage in percent, with the mean width in points."""
    rounds = int(arguments[0]) if arguments else 5_000
    sizes = [int(size) for size in arguments[1:]] or list(SIZES)
    print(f"| {rounds:,} rounds | " + " | ".join(f"n = {size}" for size in sizes) + " |")
    print("|---|" + "---:|" * len(sizes))
    for population in POPULATIONS:
        found = [coverage(population, size, rounds) for size in sizes]
        cells = [f"{100 * share:.1f} ({100 * width:.1f})" for share, width in found]
        print(f"| {population.name} | " + " | ".join(cells) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
