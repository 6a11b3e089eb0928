"""Statistics of paired evaluations: intervals, paired tests, and what a run of a given size can see.

Everything here takes plain numbers and gives plain numbers; numpy is the only dependency. Whatever draws
at random takes a seed and gives the same answer for it on every machine. The unit of resampling is always
the problem: samples of one problem are not independent of each other.

Nothing here knows what a problem, an attempt or a model is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DRAWS = 10_000
"""Bootstrap draws: the 2.5 % quantile of 10,000 draws wobbles by well under a tenth of the interval."""

FLIPS = 20_000
"""Sign-flip draws: the smallest p this can give is 1/20,001, so p < 0.001 is within reach."""

_CELLS = 2_000_000
"""The most random numbers held at once."""


class Interval(NamedTuple):
    """Two ends of a confidence interval, in the unit of what it is an interval of."""

    low: float
    high: float


def wilson(passes: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion: `passes` of `n`.

    With p = passes/n and z the normal quantile: (p + z²/2n ± z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n).
    Source: E. B. Wilson, JASA 22 (1927) 209-212. It keeps its coverage near 0 and 1, where p ± z·sd fails.

    Degenerate: n = 0 says nothing, so the interval is 0 to 1. 0 of n starts at exactly 0, n of n ends at 1.

    Raises:
        ValueError: `passes` is not within 0..n, or `confidence` not within 0..1.
    """
    if not 0 <= passes <= n:
        raise ValueError(f"passes should be within 0..{n}, not {passes}")
    z = _quantile(confidence)
    if n == 0:
        return Interval(0.0, 1.0)
    p = passes / n
    centre = p + z * z / (2 * n)
    spread = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if passes == 0 else (centre - spread) / scale
    high = 1.0 if passes == n else (centre + spread) / scale
    return Interval(low, high)


def pass_at_k(n: int, c: int, k: int) -> float:
    """The unbiased estimate of the chance that at least one of k samples passes, when c of n did.

    1 - C(n-c, k) / C(n, k), computed as 1 - prod(1 - k/i for i in n-c+1..n), which cannot overflow.
    Source: Chen et al., "Evaluating Large Language Models Trained on Code" (2021), section 2.1.

    Degenerate: fewer than k failures means every choice of k holds a pass: exactly 1. c = 0 gives exactly 0.

    Raises:
        ValueError: `c` is not within 0..n, or `k` not within 1..n (n samples cannot tell about more than n).
    """
    if not 0 <= c <= n:
        raise ValueError(f"c should be within 0..{n}, not {c}")
    if not 1 <= k <= n:
        raise ValueError(f"k should be within 1..{n}, not {k}")
    if n - c < k:
        return 1.0
    return 1.0 - math.prod(1.0 - k / i for i in range(n - c + 1, n + 1))


def mean_pass_at_k(counts: Sequence[tuple[int, int]], k: int) -> float:
    """The mean over problems of `pass_at_k`; `counts` holds (samples, passes) of each problem.

    Raises:
        ValueError: there is no problem, or one has fewer than k samples.
    """
    if not counts:
        raise ValueError("no problem to average over")
    return math.fsum(pass_at_k(n, c, k) for n, c in counts) / len(counts)


def bootstrap_mean(
    values: Sequence[float],
    *,
    seed: int,
    bounds: tuple[float, float] = (0.0, 1.0),
    draws: int = DRAWS,
    confidence: float = 0.95,
) -> Interval:
    """The percentile bootstrap interval of a mean over problems; one value each, each within `bounds`.

    Problems are drawn with replacement, `draws` times; the ends are quantiles of the drawn means. Source:
    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.

    Degenerate: when all n values equal one v, resampling would give a width of zero, as if n problems had
    proved something about all others. Then the interval is that of the rule of three: with the asked
    confidence at most a share q = 1 - (1 - confidence)^(1/n) of problems differs from v, and those could lie
    at either bound, so v - q·(v - lower bound) to v + q·(upper bound - v).

    Raises:
        ValueError: no values, a value out of bounds or not finite, `draws` or `confidence` senseless.
    """
    data = _finite(values)
    _demand_within(data, bounds)
    _quantile(confidence)
    if draws < 1:
        raise ValueError(f"draws should be at least 1, not {draws}")
    if np.ptp(data) == 0:
        value = float(data[0])
        unseen = 1 - (1 - confidence) ** (1 / len(data))
        return Interval(value - unseen * (value - bounds[0]), value + unseen * (bounds[1] - value))
    random = np.random.default_rng(seed)
    means = np.empty(draws)
    step = max(1, _CELLS // len(data))
    for start in range(0, draws, step):
        size = min(step, draws - start)
        means[start : start + size] = data[random.integers(0, len(data), (size, len(data)))].mean(axis=1)
    return _middle(means, confidence)


def paired_bootstrap(
    after: Sequence[float], before: Sequence[float], *, seed: int, draws: int = DRAWS, confidence: float = 0.95
) -> Interval:
    """The percentile bootstrap interval of mean(after - before), problems drawn as pairs.

    Both sequences hold one value within 0..1 per problem, in the same order, so that what makes a problem
    hard cancels. Degenerate cases as in `bootstrap_mean`, with differences bounded by -1 and 1.

    Raises:
        ValueError: the lengths differ, there are no values, or one is out of bounds or not finite.
    """
    return bootstrap_mean(_differences(after, before), seed=seed, bounds=(-1, 1), draws=draws, confidence=confidence)


def crossed_bootstrap(
    values: Sequence[Sequence[float]],
    *,
    seed: int,
    bounds: tuple[float, float] = (-1.0, 1.0),
    draws: int = DRAWS,
    confidence: float = 0.95,
) -> Interval:
    """The percentile bootstrap interval of a mean over runs and problems; one row for each run, in equal order.

    Runs and problems are two levels that vary on their own: whole runs are drawn with replacement, and whole
    problems, independently of each other. Give differences to compare two arms. Source: A. B. Owen, "The
    pigeonhole bootstrap", Ann. Appl. Stat. 1 (2007) 386-411, which shows it to be a little too wide. With a handful
    of runs that differ by more than problems explain it is too narrow, as every bootstrap of a handful is.

    Degenerate: one run gives `bootstrap_mean` of it; where all values are equal, that of any run.

    Raises:
        ValueError: no values, rows of unequal lengths, a value out of bounds or not finite.
    """
    if not values or any(len(row) != len(values[0]) for row in values):
        raise ValueError(f"rows should be as long as each other, not {sorted({len(row) for row in values})}")
    data = _finite([value for row in values for value in row]).reshape(len(values), -1)
    if len(data) == 1 or np.ptp(data) == 0:
        return bootstrap_mean(values[0], seed=seed, bounds=bounds, draws=draws, confidence=confidence)
    _demand_within(data, bounds)
    _quantile(confidence)
    runs, problems = data.shape
    random = np.random.default_rng(seed)
    means = np.empty(draws)
    step = max(1, _CELLS // problems)
    for start in range(0, draws, step):
        size = min(step, draws - start)
        by_run = random.multinomial(runs, np.full(runs, 1 / runs), size) / runs
        by_problem = random.multinomial(problems, np.full(problems, 1 / problems), size) / problems
        means[start : start + size] = ((by_run @ data) * by_problem).sum(axis=1)
    return _middle(means, confidence)


def mcnemar(gained: int, lost: int) -> float:
    """The exact two-sided p of McNemar's test: are problems gained and problems lost equally likely?

    Under that hypothesis gained ~ Binomial(gained + lost, 1/2); p = min(1, 2·P(X <= min(gained, lost))).
    Problems on which both arms agree carry no information and do not enter. Source: Q. McNemar,
    Psychometrika 12 (1947) 153-157, in its exact binomial form. Integers throughout, so nothing is rounded.

    Degenerate: nothing gained and nothing lost gives 1.

    Raises:
        ValueError: a count is negative.
    """
    if gained < 0 or lost < 0:
        raise ValueError(f"counts should not be negative, not {gained} and {lost}")
    discordant = gained + lost
    tail = 0
    term = 1
    for i in range(min(gained, lost) + 1):
        tail += term
        term = term * (discordant - i) // (i + 1)
    return min(1.0, 2 * tail / (1 << discordant))


def sign_flip(differences: Sequence[float], *, seed: int, draws: int = FLIPS) -> float:
    """The two-sided p of the paired sign-flip (permutation) test on per-problem differences.

    If the two arms are exchangeable, every difference is as likely as its negative; p is the share of sign
    patterns whose |sum| is at least the observed one. Source: R. A. Fisher, "The Design of Experiments"
    (1935), section 21. Up to `draws` patterns in all are enumerated and p is exact; beyond, patterns are
    drawn and p = (1 + hits) / (1 + draws), which is never 0 and never too small on average (Phipson and
    Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39).

    Degenerate: zeros carry no information and are left out; with nothing else left p is 1.

    Raises:
        ValueError: no differences at all, one that is not finite, or no draws.
    """
    data = _finite(differences)
    data = data[data != 0]
    if draws < 1:
        raise ValueError(f"draws should be at least 1, not {draws}")
    n = len(data)
    if n == 0:
        return 1.0
    # Sums of equal terms in another order differ in their last bits; those are ties, not misses.
    observed = abs(float(data.sum())) - 1e-9 * float(np.abs(data).sum())
    if 2**n <= draws:
        patterns = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float(np.mean(np.abs((1 - 2 * patterns) @ data) >= observed))
    random = np.random.default_rng(seed)
    hits = 0
    step = max(1, _CELLS // n)
    for start in range(0, draws, step):
        signs = 1.0 - 2.0 * random.integers(0, 2, (min(step, draws - start), n), dtype=np.int8)
        hits += int(np.count_nonzero(np.abs(signs @ data) >= observed))
    return (1 + hits) / (1 + draws)


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's step-down correction of a family of p values, in the order given.

    The i-th smallest of m (from 0) becomes p·(m - i), never below the one before it and never above 1. The
    chance of any false positive in the family stays at alpha, whatever the dependence. Source: S. Holm,
    Scand. J. Statist. 6 (1979) 65-70.

    Degenerate: an empty family gives an empty list; a single p is unchanged.

    Raises:
        ValueError: a p is not within 0..1.
    """
    corrected = [0.0] * len(ps)
    floor = 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        if not 0 <= ps[i] <= 1:
            raise ValueError(f"p should be within 0..1, not {ps[i]}")
        floor = max(floor, min(1.0, ps[i] * (len(ps) - rank)))
        corrected[i] = floor
    return corrected


def mcnemar_power(n: int, gains: float, losses: float, *, alpha: float = 0.05) -> float:
    """The chance that the exact McNemar test on `n` problems reports p < alpha.

    `gains` and `losses` are the true shares of problems that change to passing and to failing. Exact: the
    number of changed problems is Binomial(n, gains + losses), and among them those gained are
    Binomial(changed, gains / (gains + losses)). Source: S. W. Duffy, Biometrics 40 (1984) 1005-1015.

    Degenerate: with n = 0 or nothing changing, 0.

    Raises:
        ValueError: `n` is negative, or the shares are not a part of 1.
    """
    if n < 0 or gains < 0 or losses < 0 or gains + losses > 1 + 1e-12:
        raise ValueError(f"n = {n} with shares {gains} and {losses} is not possible")
    changed = min(1.0, gains + losses)
    if n == 0 or changed == 0:
        return 0.0
    power = 0.0
    spread = 7 * math.sqrt(n * changed * (1 - changed)) + 1
    weights = _binomial(n, changed)
    for m in range(max(0, int(n * changed - spread)), min(n, int(n * changed + spread)) + 1):
        edge = _edge(m, alpha)
        if edge >= 0:
            among = _binomial(m, gains / (gains + losses))
            power += float(weights[m] * (among[: edge + 1].sum() + among[m - edge :].sum()))
    return power


def detectable_gain(
    n: int, base_rate: float, *, overlap: float = 0.0, power: float = 0.8, alpha: float = 0.05
) -> float:
    """The smallest gain in pass rate that a paired comparison of `n` problems would report, as a fraction.

    "Would report": the exact McNemar test gives p < `alpha` with at least the chance `power`
    (`mcnemar_power`). The answer depends on how many problems change in either direction. Here a base of
    rate b and an arm of rate b + g are taken to lose b·(1-b-g)·(1-overlap) of the problems: `overlap` 0 says
    that the arms solve problems independently of each other, the most churn there is unless one undoes the
    other, so the answer is cautious; `overlap` 1 says that nothing solved is ever lost.

    Degenerate: infinity where not even solving every problem would be reported (few problems, high base).

    Raises:
        ValueError: a rate, `overlap`, `power` or `alpha` is out of range, or `n` is negative.
    """
    if not (0 <= base_rate <= 1 and 0 <= overlap <= 1 and 0 < power < 1 and 0 < alpha < 1):
        raise ValueError(f"base_rate {base_rate}, overlap {overlap}, power {power} or alpha {alpha} is out of range")

    def reported(gain: float) -> bool:
        losses = base_rate * max(0.0, 1 - base_rate - gain) * (1 - overlap)
        return mcnemar_power(n, gain + losses, losses, alpha=alpha) >= power

    low, high = 0.0, 1.0 - base_rate
    if not reported(high):
        return math.inf
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if reported(middle) else (middle, high)
    return high


@lru_cache(maxsize=65_536)
def _edge(m: int, alpha: float) -> int:
    """The largest e with `mcnemar(e, m - e)` < alpha, or -1: at most e on one side is a finding."""
    tails = 2 * np.cumsum(_binomial(m, 0.5)[: m // 2 + 1])
    return int(np.searchsorted(tails, alpha * (1 - 1e-9))) - 1


def _binomial(n: int, p: float) -> NDArray[np.float64]:
    """The probabilities of 0..n successes."""
    x = np.arange(n + 1)
    if p <= 0 or p >= 1:
        return np.where(x == (0 if p <= 0 else n), 1.0, 0.0)
    logs = _log_factorials(1 << n.bit_length())[: n + 1]
    return np.asarray(np.exp(logs[n] - logs - logs[::-1] + x * math.log(p) + (n - x) * math.log1p(-p)))


@lru_cache(maxsize=32)
def _log_factorials(size: int) -> NDArray[np.float64]:
    return np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, size + 1)))))


def _quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence should be within 0..1, not {confidence}")
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _middle(means: NDArray[np.float64], confidence: float) -> Interval:
    """The ends of the middle share of drawn means."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    return Interval(float(low), float(high))


def _demand_within(data: NDArray[np.float64], bounds: tuple[float, float]) -> None:
    if data.min() < bounds[0] or data.max() > bounds[1]:
        raise ValueError(f"values should be within {bounds[0]}..{bounds[1]}, not {data.min()}..{data.max()}")


def _differences(after: Sequence[float], before: Sequence[float]) -> list[float]:
    if len(after) != len(before):
        raise ValueError(f"pairs need equal lengths, not {len(after)} and {len(before)}")
    return [a - b for a, b in zip(after, before, strict=True)]


def _finite(values: Sequence[float]) -> NDArray[np.float64]:
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1 or len(data) == 0:
        raise ValueError("no values")
    if not np.all(np.isfinite(data)):
        raise ValueError("a value is not finite")
    return data
