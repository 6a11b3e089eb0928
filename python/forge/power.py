"""What a paired evaluation of a given size can see: its power, and the smallest gain that it would report.

Plain numbers in, plain numbers out, as in `stats`; nothing is drawn at random.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from forge import stats


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
    n: int,
    base_rate: float,
    *,
    overlap: float = 0.0,
    changed: float | None = None,
    power: float = 0.8,
    alpha: float = 0.05,
) -> float:
    """The smallest gain in pass rate that a paired comparison of `n` problems would report, as a fraction.

    "Would report": the exact McNemar test gives p < `alpha` with at least the chance `power`
    (`mcnemar_power`). The answer depends on how many problems change in either direction. Once that is known it is
    `changed`, their share, of which a gain of g is taken to lose (changed - g)/2, or nothing where g is more. Before,
    a base of rate b and an arm of rate b + g are taken to lose b·(1-b-g)·(1-overlap) of the problems: `overlap` 0
    says that the arms solve problems independently of each other, the most churn there is unless one undoes the
    other, so the answer is cautious; `overlap` 1 says that nothing solved is ever lost.

    Degenerate: infinity where not even solving every problem would be reported (few problems, high base).

    Raises:
        ValueError: a rate, `overlap`, `changed`, `power` or `alpha` is out of range, or `n` is negative.
    """
    if not (0 <= base_rate <= 1 and 0 <= overlap <= 1 and 0 <= (changed or 0) <= 1 and 0 < power < 1 and 0 < alpha < 1):
        given = f"base_rate {base_rate}, overlap {overlap}, changed {changed}, power {power} or alpha {alpha}"
        raise ValueError(f"{given} is out of range")

    def reported(gain: float) -> bool:
        if changed is None:
            losses = base_rate * max(0.0, 1 - base_rate - gain) * (1 - overlap)
        else:
            losses = max(0.0, changed - gain) / 2
        return mcnemar_power(n, gain + losses, losses, alpha=alpha) >= power

    low, high = 0.0, 1.0 - base_rate
    if not reported(high):
        return math.inf
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if reported(middle) else (middle, high)
    return high


def detectable_shift(differences: Sequence[float], *, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest mean difference that a paired test would report with at least the chance `power`, where differences
    spread as these do: their standard deviation by sqrt(n), times Student's quantiles of 1 - alpha/2 and `power`.

    Source: G. W. Snedecor and W. G. Cochran, "Statistical Methods" (1967).

    Degenerate: infinity where the spread is not known: fewer than two differences, or all of them equal.

    Raises:
        ValueError: a difference is not finite, `power` is not within 0.5..1, or `alpha` not within 0..1.
    """
    data = stats.finite(differences)
    if not (0.5 <= power < 1 and 0 < alpha < 1):
        raise ValueError(f"power {power} or alpha {alpha} is out of range")
    n = len(data)
    if n < 2 or np.ptp(data) == 0:
        return math.inf
    quantiles = stats.student(n - 1, 1 - alpha) + stats.student(n - 1, 2 * power - 1)
    return quantiles * float(data.std(ddof=1)) / math.sqrt(n)


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
