"""The statistics against scipy, against brute force, and by simulation of what they promise."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as oracle

from forge import stats


@given(st.integers(1, 400), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_agrees_with_scipy(n, data, confidence):
    passes = data.draw(st.integers(0, n))
    wanted = oracle.binomtest(passes, n).proportion_ci(confidence, method="wilson")
    got = stats.wilson(passes, n, confidence)
    assert got.low == pytest.approx(wanted.low, abs=1e-12)
    assert got.high == pytest.approx(wanted.high, abs=1e-12)


def test_wilson_ends_are_exact_at_none_and_all_and_open_without_data():
    assert stats.wilson(0, 7).low == 0.0
    assert stats.wilson(7, 7).high == 1.0
    assert stats.wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("passes", "n"), [(-1, 3), (4, 3)])
def test_wilson_refuses_impossible_counts(passes, n):
    with pytest.raises(ValueError, match="within 0"):
        stats.wilson(passes, n)


@pytest.mark.parametrize("rate", [0.03, 0.3, 0.9])
def test_wilson_covers_the_true_rate_about_95_times_in_100(rate):
    n = 120
    weights = oracle.binom.pmf(np.arange(n + 1), n, rate)
    covered = [low <= rate <= high for low, high in (stats.wilson(c, n) for c in range(n + 1))]
    assert 0.93 <= float(np.dot(weights, covered)) <= 0.975


@given(st.integers(1, 9), st.data())
def test_pass_at_k_is_the_share_of_choices_of_k_that_hold_a_pass(n, data):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    choices = list(itertools.combinations([True] * c + [False] * (n - c), k))
    assert stats.pass_at_k(n, c, k) == pytest.approx(sum(any(x) for x in choices) / len(choices), abs=1e-12)


def test_pass_at_k_is_unbiased_where_the_plug_in_estimate_is_not():
    n, k, rate = 16, 8, 0.1
    weights = oracle.binom.pmf(np.arange(n + 1), n, rate)
    truth = 1 - (1 - rate) ** k
    unbiased = np.dot(weights, [stats.pass_at_k(n, c, k) for c in range(n + 1)])
    plug_in = np.dot(weights, [1 - (1 - c / n) ** k for c in range(n + 1)])
    assert unbiased == pytest.approx(truth, abs=1e-12)
    assert abs(plug_in - truth) > 0.01


def test_pass_at_k_survives_large_counts_and_has_exact_ends():
    assert stats.pass_at_k(100_000, 99_999, 2) == 1.0
    assert stats.pass_at_k(200, 0, 100) == 0.0
    assert stats.pass_at_k(5, 2, 1) == pytest.approx(0.4)


@pytest.mark.parametrize(("n", "c", "k"), [(4, 5, 1), (4, -1, 1), (4, 1, 5), (4, 1, 0), (0, 0, 1)])
def test_pass_at_k_refuses_what_n_samples_cannot_tell(n, c, k):
    with pytest.raises(ValueError, match="should be within"):
        stats.pass_at_k(n, c, k)


def test_mean_pass_at_k_averages_problems_with_different_numbers_of_samples():
    assert stats.mean_pass_at_k([(4, 1), (2, 2), (8, 0)], 2) == pytest.approx((0.5 + 1 + 0) / 3)
    with pytest.raises(ValueError, match="no problem"):
        stats.mean_pass_at_k([], 1)


def test_bootstrap_agrees_with_scipy_within_its_own_noise():
    values = np.random.default_rng(5).beta(0.5, 0.8, 80)
    got = stats.bootstrap_mean(list(values), seed=1)
    wanted = oracle.bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=2).confidence_interval
    assert got.low == pytest.approx(wanted.low, abs=0.006)
    assert got.high == pytest.approx(wanted.high, abs=0.006)


def test_bootstrap_gives_the_same_interval_for_a_seed_and_another_for_another(monkeypatch):
    values = [0.0, 0.25, 0.5, 1.0, 0.75, 0.125]
    first = stats.bootstrap_mean(values, seed=3)
    assert stats.bootstrap_mean(values, seed=3) == first
    assert any(stats.bootstrap_mean(values, seed=s) != first for s in range(4, 9))
    monkeypatch.setattr(stats, "_CELLS", 7)
    again = stats.bootstrap_mean(values, seed=3, draws=500)
    assert again.low == pytest.approx(first.low, abs=0.1)


def test_bootstrap_interval_covers_the_true_mean_about_95_times_in_100():
    random = np.random.default_rng(11)
    truth = 0.4 / (0.4 + 0.8)
    intervals = [stats.bootstrap_mean(list(random.beta(0.4, 0.8, 100)), seed=i, draws=1_000) for i in range(600)]
    coverage = np.mean([low <= truth <= high for low, high in intervals])
    assert 0.915 <= coverage <= 0.975


def test_bootstrap_of_equal_values_is_as_wide_as_the_rule_of_three_says():
    assert stats.bootstrap_mean([0.0] * 100, seed=0) == pytest.approx((0.0, 1 - 0.05**0.01))
    assert stats.bootstrap_mean([1.0] * 100, seed=0) == pytest.approx((0.05**0.01, 1.0))
    low, high = stats.paired_bootstrap([0.5] * 50, [0.5] * 50, seed=0)
    assert low == -high == pytest.approx(-3 / 50, rel=0.05)


@pytest.mark.parametrize("values", [[], [0.1, 1.2], [float("nan")], [float("inf"), 0.0]])
def test_bootstrap_refuses_values_that_cannot_be_rates(values):
    with pytest.raises(ValueError, match="value"):
        stats.bootstrap_mean(values, seed=0)


def test_pairing_narrows_the_interval_of_a_difference():
    random = np.random.default_rng(2)
    before = random.beta(0.4, 0.6, 150) * 0.9
    after = before + 0.05 + random.normal(0, 0.01, 150)
    low, high = stats.paired_bootstrap(list(np.clip(after, 0, 1)), list(before), seed=0)
    alone = stats.bootstrap_mean(list(before), seed=0)
    assert 0.04 < low < high < 0.06
    assert high - low < (alone.high - alone.low) / 5
    with pytest.raises(ValueError, match="equal lengths"):
        stats.paired_bootstrap([0.5], [0.5, 0.5], seed=0)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_two_sided_binomial_test(gained, lost):
    wanted = oracle.binomtest(gained, gained + lost, 0.5).pvalue if gained + lost else 1.0
    assert stats.mcnemar(gained, lost) == pytest.approx(wanted, rel=1e-9)


def test_mcnemar_handles_thousands_and_refuses_negative_counts():
    assert stats.mcnemar(4_000, 4_000) == 1.0
    assert 0 <= stats.mcnemar(3_000, 10) < 1e-300
    with pytest.raises(ValueError, match="negative"):
        stats.mcnemar(-1, 2)


def test_sign_flip_enumerates_small_sets_as_scipy_does():
    random = np.random.default_rng(8)
    for n in (2, 5, 9):
        values = random.integers(-4, 9, n) / 16
        if not values.any():
            continue
        wanted = oracle.permutation_test(
            (values, np.zeros(n)),
            lambda x, y, axis: np.mean(x - y, axis=axis),
            permutation_type="samples",
            vectorized=True,
        ).pvalue
        assert stats.sign_flip(list(values), seed=0) == pytest.approx(wanted)


def test_sign_flip_counts_ties_in_spite_of_rounding():
    assert stats.sign_flip([0.1, 0.2, 0.3], seed=0) == 0.25
    assert stats.sign_flip([-0.2, 0.2, -0.2, 0.7], seed=0) == 0.875
    assert stats.sign_flip([0.3, -0.1, -0.2], seed=0) == 1.0


def test_sign_flip_is_never_zero_reaches_below_a_thousandth_and_ignores_zeros():
    assert stats.sign_flip([0.25] * 60, seed=0) == 1 / (1 + stats.FLIPS)
    assert stats.sign_flip([0.0] * 9, seed=0) == 1.0
    assert stats.sign_flip([0.5, 0.5, 0.0, 0.0], seed=0) == 0.5


def test_sign_flip_rejects_a_true_null_no_more_often_than_it_says():
    random = np.random.default_rng(21)
    ps = [stats.sign_flip(list(random.integers(-3, 4, 40) / 16), seed=i, draws=999) for i in range(500)]
    assert 0.02 <= np.mean(np.array(ps) <= 0.05) <= 0.085
    shifted = [stats.sign_flip(list(random.integers(-2, 5, 40) / 16), seed=i, draws=999) for i in range(50)]
    assert np.mean(np.array(shifted) <= 0.05) > 0.6


def test_sign_flip_agrees_with_the_normal_approximation_when_it_draws():
    values = np.random.default_rng(4).normal(0.03, 0.2, 200)
    z = values.sum() / math.sqrt((values**2).sum())
    assert stats.sign_flip(list(values), seed=7) == pytest.approx(2 * oracle.norm.sf(abs(z)), abs=0.012)


def test_holm_matches_a_worked_example_and_keeps_the_order_given():
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([0.9, 0.8]) == [1.0, 1.0]
    assert stats.holm([0.2]) == [0.2]
    assert stats.holm([]) == []
    with pytest.raises(ValueError, match="p should be within"):
        stats.holm([1.5])


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_rejects_exactly_what_the_step_down_procedure_rejects(ps):
    rejected = set()
    for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        if ps[i] * (len(ps) - rank) > 0.05:
            break
        rejected.add(i)
    assert {i for i, p in enumerate(stats.holm(ps)) if p <= 0.05} == rejected


def test_power_is_what_a_simulation_of_the_test_finds():
    n, gains, losses = 80, 0.25, 0.08
    random = np.random.default_rng(6)
    draws = random.multinomial(n, [gains, losses, 1 - gains - losses], size=4_000)
    found = np.mean([stats.mcnemar(int(g), int(x)) < 0.05 for g, x, _ in draws])
    assert stats.mcnemar_power(n, gains, losses) == pytest.approx(found, abs=0.025)


def test_power_under_no_effect_stays_below_alpha():
    assert 0.0 < stats.mcnemar_power(150, 0.1, 0.1) < 0.05
    assert stats.mcnemar_power(0, 0.5, 0.1) == 0.0
    assert stats.mcnemar_power(40, 0.0, 0.0) == 0.0
    assert stats.mcnemar_power(40, 1.0, 0.0) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="not possible"):
        stats.mcnemar_power(10, 0.8, 0.4)


def test_the_detectable_gain_is_where_the_power_crosses_its_target():
    base, n = 0.3, 164
    gain = stats.detectable_gain(n, base)
    for shift, above in ((0.005, True), (-0.005, False)):
        losses = base * (1 - base - gain - shift)
        assert (stats.mcnemar_power(n, gain + shift + losses, losses) >= 0.8) is above


def test_the_detectable_gain_shrinks_with_problems_and_with_overlap():
    gains = [stats.detectable_gain(n, 0.3) for n in (50, 200, 1_000)]
    assert gains == sorted(gains, reverse=True)
    assert gains[2] < 0.07
    assert stats.detectable_gain(164, 0.3, overlap=1.0) < stats.detectable_gain(164, 0.3) / 2


def test_no_gain_is_detectable_with_too_few_problems():
    assert stats.detectable_gain(5, 0.3) == math.inf
    assert stats.detectable_gain(500, 1.0) == math.inf
    with pytest.raises(ValueError, match="out of range"):
        stats.detectable_gain(10, 1.3)


@pytest.mark.parametrize(("runs", "between_runs"), [(3, 0.0), (3, 0.01), (8, 0.02)])
def test_an_interval_over_runs_and_problems_covers_the_truth_and_is_not_much_too_wide(runs, between_runs):
    random = np.random.default_rng(3)
    covered = 0
    for turn in range(200):
        run, problem = random.normal(0, between_runs, (runs, 1)), random.normal(0, 0.1, (1, 60))
        values = np.clip(0.1 + run + problem + random.normal(0, 0.1, (runs, 60)), -1, 1)
        low, high = stats.crossed_bootstrap(values.tolist(), seed=turn, draws=200)
        covered += low <= 0.1 <= high
    assert 0.9 <= covered / 200 <= 0.995


def test_one_run_is_a_bootstrap_over_problems_and_runs_that_agree_do_not_narrow_it():
    values = [0.0, 1.0, 0.0, 0.5, -0.5, 1.0]
    alone = stats.bootstrap_mean(values, seed=1, bounds=(-1, 1))
    assert stats.crossed_bootstrap([values], seed=1) == alone
    repeated = stats.crossed_bootstrap([values] * 5, seed=1)
    assert repeated.low == pytest.approx(alone.low, abs=0.05)
    assert repeated.high == pytest.approx(alone.high, abs=0.05)
    with pytest.raises(ValueError, match="as long as each other"):
        stats.crossed_bootstrap([[0.0], [0.0, 1.0]], seed=1)
    with pytest.raises(ValueError, match="within"):
        stats.crossed_bootstrap([[0.0], [3.0]], seed=1)
