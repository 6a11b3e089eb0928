"""What an evaluation can see: by simulation, and against scipy and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as oracle
from statsmodels.stats.power import TTestPower

from forge import power, stats


def test_power_is_what_a_simulation_of_the_test_finds():
    n, gains, losses = 80, 0.25, 0.08
    random = np.random.default_rng(6)
    draws = random.multinomial(n, [gains, losses, 1 - gains - losses], size=4_000)
    found = np.mean([stats.mcnemar(int(g), int(x)) < 0.05 for g, x, _ in draws])
    assert power.mcnemar_power(n, gains, losses) == pytest.approx(found, abs=0.025)


def test_power_under_no_effect_stays_below_alpha():
    assert 0.0 < power.mcnemar_power(150, 0.1, 0.1) < 0.05
    assert power.mcnemar_power(0, 0.5, 0.1) == 0.0
    assert power.mcnemar_power(40, 0.0, 0.0) == 0.0
    assert power.mcnemar_power(40, 1.0, 0.0) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="not possible"):
        power.mcnemar_power(10, 0.8, 0.4)


def test_the_detectable_gain_is_where_the_power_crosses_its_target():
    base, n = 0.3, 164
    gain = power.detectable_gain(n, base)
    for shift, above in ((0.005, True), (-0.005, False)):
        losses = base * (1 - base - gain - shift)
        assert (power.mcnemar_power(n, gain + shift + losses, losses) >= 0.8) is above


def test_the_detectable_gain_shrinks_with_problems_and_with_overlap():
    gains = [power.detectable_gain(n, 0.3) for n in (50, 200, 1_000)]
    assert gains == sorted(gains, reverse=True)
    assert gains[2] < 0.07
    assert power.detectable_gain(164, 0.3, overlap=1.0) < power.detectable_gain(164, 0.3) / 2


def test_no_gain_is_detectable_with_too_few_problems():
    assert power.detectable_gain(5, 0.3) == math.inf
    assert power.detectable_gain(500, 1.0) == math.inf
    with pytest.raises(ValueError, match="out of range"):
        power.detectable_gain(10, 1.3)


@pytest.mark.parametrize(("n", "gains", "losses"), [(24, 0.3, 0.05), (164, 0.12, 0.04), (500, 0.05, 0.02)])
def test_power_is_the_sum_over_all_tables_by_scipy(n, gains, losses):
    found = 0.0
    for m in range(n + 1):
        among = oracle.binom.pmf(np.arange(m + 1), m, gains / (gains + losses))
        seen = [oracle.binomtest(g, m).pvalue < 0.05 if m else False for g in range(m // 2 + 1)]
        low = among[: len(seen)] @ seen + among[::-1][: len(seen)] @ seen
        found += oracle.binom.pmf(m, n, gains + losses) * low
        if oracle.binom.sf(m, n, gains + losses) < 1e-9:
            break
    assert power.mcnemar_power(n, gains, losses) == pytest.approx(found, abs=1e-6)


@pytest.mark.parametrize("changed", [0.06, 0.1, 0.25, 0.5])
def test_the_detectable_gain_at_a_known_share_of_changes_is_where_the_power_crosses_its_target(changed):
    n = 164
    gain = power.detectable_gain(n, 0.3, changed=changed)
    for shift, above in ((0.005, True), (-0.005, False)):
        losses = max(0.0, changed - gain - shift) / 2
        assert (power.mcnemar_power(n, gain + shift + losses, losses) >= 0.8) is above


def test_the_more_problems_change_the_larger_a_gain_has_to_be():
    gains = [power.detectable_gain(164, 0.3, changed=changed) for changed in (0.0, 0.1, 0.2, 0.4)]
    assert gains == sorted(gains)
    assert 6 / 164 < gains[0] < 10 / 164
    with pytest.raises(ValueError, match="out of range"):
        power.detectable_gain(10, 0.3, changed=1.5)


@pytest.mark.parametrize("n", [12, 40, 164, 1319])
def test_the_detectable_shift_agrees_with_statsmodels(n):
    differences = np.random.default_rng(n).normal(0.1, 0.3, n)
    wanted = TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8) * differences.std(ddof=1)
    assert power.detectable_shift(list(differences)) == pytest.approx(wanted, rel=0.03 if n < 40 else 0.01)


def test_a_shift_of_the_detectable_size_is_found_four_times_in_five():
    random = np.random.default_rng(3)
    spread = random.normal(0, 0.25, 60)
    shift = power.detectable_shift(list(spread))
    ps = [stats.sign_flip(list(random.normal(shift, spread.std(ddof=1), 60)), seed=i, draws=999) for i in range(300)]
    assert 0.72 <= np.mean(np.array(ps) < 0.05) <= 0.88


def test_no_shift_is_known_to_be_detectable_where_nothing_varies():
    assert power.detectable_shift([0.0] * 9) == math.inf
    assert power.detectable_shift([0.5]) == math.inf
    with pytest.raises(ValueError, match="out of range"):
        power.detectable_shift([0.1, 0.2], power=1.0)
