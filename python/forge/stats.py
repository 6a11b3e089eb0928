"""Statistics of paired evaluations: intervals and paired tests.

Everything here takes plain numbers and gives plain numbers; numpy is the only dependency. Whatever draws
at random takes a seed and gives the same answer for it on every machine. The unit is always the problem: samples
of one problem are not independent of each other. How often the intervals hold the truth is in docs/promises.md.

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
    low, high = _score(passes / n, n, z)
    return Interval(0.0 if passes == 0 else low, 1.0 if passes == n else high)


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


def mean_interval(
    values: Sequence[float], *, bounds: tuple[float, float] = (0.0, 1.0), confidence: float = 0.95
) -> Interval:
    """The interval of a mean over problems; one value each, each within `bounds`.

    Wilson's, for as many problems of all or nothing as would tell as much as these do: with p the mean and s² the
    variance of the values, on the scale where the bounds are 0 and 1, n·p(1-p)/s² of them; and, since s² is an
    estimate, with Student's quantile for n - 1 in place of the normal one. For values that are all 0 or 1 it is
    Wilson's own. Source: the effective sample size of E. L. Korn and B. I. Graubard, Survey Methodology 24 (1998)
    193-201. Unlike percentiles of a bootstrap it holds what it promises for a dozen problems, too.

    Degenerate: when all n values equal one v, their variance would give a width of zero, as if n problems had
    proved something about all others. Then the interval is that of the rule of three: with the asked
    confidence at most a share q = 1 - (1 - confidence)^(1/n) of problems differs from v, and those could lie
    at either bound, so v - q·(v - lower bound) to v + q·(upper bound - v).

    Raises:
        ValueError: no values, a value out of bounds or not finite, or a senseless `confidence`.
    """
    data = finite(values)
    _demand_within(data, bounds)
    z = _quantile(confidence)
    least, most = bounds
    n = len(data)
    if np.ptp(data) == 0:
        value = float(data[0])
        unseen = 1 - (1 - confidence) ** (1 / n)
        return Interval(value - unseen * (value - least), value + unseen * (most - value))
    scaled = (data - least) / (most - least)
    p = float(scaled.mean())
    if np.all((scaled == 0) | (scaled == 1)):
        low, high = _score(p, n, z)
    else:
        low, high = _score(p, n * p * (1 - p) / float(scaled.var(ddof=1)), student(n - 1, confidence))
    return Interval(least + low * (most - least), least + high * (most - least))


def paired_interval(after: Sequence[float], before: Sequence[float], *, confidence: float = 0.95) -> Interval:
    """The interval of mean(after - before) over problems.

    Both sequences hold one value within 0..1 per problem, in the same order, so that what makes a problem
    hard cancels.

    Raises:
        ValueError: the lengths differ, there are no values, or one is out of bounds or not finite.
    """
    if len(after) != len(before):
        raise ValueError(f"pairs need equal lengths, not {len(after)} and {len(before)}")
    return difference_interval([a - b for a, b in zip(after, before, strict=True)], confidence=confidence)


def difference_interval(differences: Sequence[float], *, confidence: float = 0.95) -> Interval:
    """The interval of the mean of paired differences, one within -1..1 for each problem.

    Where each is 1, -1 or 0, as one answer to each problem gives them, it is that of D. G. Bonett and R. M. Price,
    J. Educ. Behav. Stat. 37 (2012) 479-488: as if one problem more had been gained, and one more lost. It never has a
    width of zero. Otherwise it is `mean_interval` between -1 and 1.

    Raises:
        ValueError: there are no differences, or one is out of bounds or not finite.
    """
    data = finite(differences)
    _demand_within(data, (-1.0, 1.0))
    if not np.all(np.isin(data, (-1.0, 0.0, 1.0))):
        return mean_interval(differences, bounds=(-1.0, 1.0), confidence=confidence)
    n = len(data) + 2
    gained, lost = (float(np.count_nonzero(data == sign) + 1) / n for sign in (1, -1))
    middle = gained - lost
    half = _quantile(confidence) * math.sqrt((gained + lost - middle**2) / n)
    return Interval(max(-1.0, middle - half), min(1.0, middle + half))


def crossed_interval(differences: Sequence[Sequence[float]], *, confidence: float = 0.95) -> Interval:
    """The interval of a mean difference over runs and problems; a row for each run, problems in equal order.

    Runs and problems are two levels that vary on their own. With the mean squares of the two-way layout the variance
    of the mean is (max(0, runs - rest) + max(problems, rest)) / all, and Student's quantile has the degrees of freedom
    of F. E. Satterthwaite, Biometrics Bulletin 2 (1946) 110-114. With fewer than five runs that differ by much
    more than problems explain, it is a little too narrow.

    Degenerate: one run, or one problem, gives `difference_interval` of it; where all are equal, that of any run.

    Raises:
        ValueError: no values, rows of unequal lengths, a value out of bounds or not finite.
    """
    if not differences or any(len(row) != len(differences[0]) for row in differences):
        raise ValueError(f"rows should be as long as each other, not {sorted({len(row) for row in differences})}")
    data = finite([value for row in differences for value in row]).reshape(len(differences), -1)
    _demand_within(data, (-1.0, 1.0))
    runs, problems = data.shape
    if runs == 1 or problems == 1 or np.ptp(data) == 0:
        return difference_interval(data[:, 0].tolist() if problems == 1 else differences[0], confidence=confidence)
    mean, by_run, by_problem = data.mean(), data.mean(axis=1), data.mean(axis=0)
    rest = data - by_run[:, None] - by_problem[None, :] + mean
    of_runs = problems * float(((by_run - mean) ** 2).sum()) / (runs - 1)
    of_problems = runs * float(((by_problem - mean) ** 2).sum()) / (problems - 1)
    of_rest = float((rest**2).sum()) / ((runs - 1) * (problems - 1))
    total = max(0.0, of_runs - of_rest) + max(of_problems, of_rest)
    parts = of_problems**2 / (problems - 1) + of_rest**2 / ((runs - 1) * (problems - 1))
    parts += of_runs**2 / (runs - 1) if of_runs > of_rest else 0.0
    half = student(max(1.0, total**2 / parts), confidence) * math.sqrt(total / data.size)
    return Interval(max(-1.0, float(mean) - half), min(1.0, float(mean) + half))


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
    data = finite(differences)
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


@lru_cache(maxsize=4096)
def student(df: float, confidence: float) -> float:
    """How far from 0 Student's t lies at most, with this confidence.

    With t = sqrt(df)·tan(angle) its density is that of cos(angle)^(df - 1), which is added up here.
    """
    z = _quantile(confidence) if confidence else 0.0
    if df > 2_000 or not z:
        return z + (z**3 + z) / (4 * df)
    angles = np.linspace(0, math.pi / 2, 20_001)
    density = np.cos(angles) ** (df - 1)
    shares = np.concatenate(([0.0], np.cumsum(density[1:] + density[:-1])))
    return math.sqrt(df) * math.tan(float(np.interp(confidence, shares / shares[-1], angles)))


def _quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence should be within 0..1, not {confidence}")
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _score(p: float, n: float, z: float) -> tuple[float, float]:
    """The ends of Wilson's interval for a share p of n, which need not be whole."""
    centre = p + z * z / (2 * n)
    spread = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return (centre - spread) / scale, (centre + spread) / scale


def _demand_within(data: NDArray[np.float64], bounds: tuple[float, float]) -> None:
    if data.min() < bounds[0] or data.max() > bounds[1]:
        raise ValueError(f"values should be within {bounds[0]}..{bounds[1]}, not {data.min()}..{data.max()}")


def finite(values: Sequence[float]) -> NDArray[np.float64]:
    """The values in an array.

    Raises:
        ValueError: there are none, or one is not finite.
    """
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1 or len(data) == 0:
        raise ValueError("no values")
    if not np.all(np.isfinite(data)):
        raise ValueError("a value is not finite")
    return data
