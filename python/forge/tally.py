"""What judged rows add up to: pass rates over problems, with 95 % intervals.

The unit is the problem: several samples of one are one value, the estimate of its pass rate. Rows that forge
failed to judge count nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from forge import stats

SEED = 0
"""Of the sign-flip test: the same rows give the same p."""


class Count(NamedTuple):
    """A problem's judged samples, and how many of them passed."""

    samples: int = 0
    passes: int = 0

    def more(self, passed: bool) -> Count:
        """With one sample more."""
        return Count(self.samples + 1, self.passes + passed)


class Rate(NamedTuple):
    """pass@k over problems with its interval."""

    k: int
    value: float
    low: float
    high: float


def rates(counts: Sequence[Count]) -> list[Rate]:
    """pass@1 and, for powers of two up to the fewest samples that a problem has, pass@k without bias.

    The interval is that of a mean over problems: Wilson's where each has one sample.
    Problems without samples are for the caller to tell; they are not among `counts`.
    """
    if not counts:
        return []
    fewest = min(count.samples for count in counts)
    if max(count.samples for count in counts) == 1:
        passes = sum(count.passes for count in counts)
        return [Rate(1, passes / len(counts), *stats.wilson(passes, len(counts)))]
    found = []
    k = 1
    while k <= fewest:
        values = [stats.pass_at_k(*count, k) for count in counts]
        interval = stats.mean_interval(values)
        found.append(Rate(k, sum(values) / len(values), *interval))
        k *= 2
    return found


def told(counts: Mapping[str, Count], problems: int) -> list[str]:
    """The rates in words, one line each; `problems` is how many there should be."""
    if not counts:
        return []
    numbers = {count.samples for count in counts.values()}
    each = f"{min(numbers)}" if len(numbers) == 1 else f"{min(numbers)} to {max(numbers)}"
    samples = "1 sample each" if each == "1" else f"{each} samples each"
    absent = problems - len(counts)
    rest = f"; {absent} of the benchmark's {problems} have no sample" if absent > 0 else ""
    return [
        f"pass@{rate.k}: {100 * rate.value:.1f} % ({100 * rate.low:.1f} to {100 * rate.high:.1f})"
        + (f" over {len(counts)} problems, {samples}{rest}" if rate.k == 1 else "")
        for rate in rates(list(counts.values()))
    ]
