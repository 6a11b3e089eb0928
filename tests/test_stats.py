"""The statistics against scipy, statsmodels and brute force; how often intervals hold is in `test_coverage`."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as oracle
from statsmodels.stats import contingency_tables as tables
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from forge import stats


@given(st.integers(1, 400), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_agrees_with_scipy(n, data, confidence):
    passes = data.draw(st.integers(0, n))
    wanted = oracle.binomtest(passes, n).proportion_ci(confidence, method="wilson")
    got = stats.wilson(passes, n, confidence)
    assert got.low == pytest.approx(wanted.low, abs=1e-12)
    assert got.high == pytest.approx(wanted.high, abs=1e-12)


@pytest.mark.parametrize(("passes", "n"), [(0, 9), (3, 40), (57, 164), (1319, 1319)])
def test_wilson_agrees_with_statsmodels(passes, n):
    assert stats.wilson(passes, n) == pytest.approx(proportion_confint(passes, n, method="wilson"), abs=1e-9)


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


def test_an_interval_of_all_or_nothing_is_wilsons_own():
    for passes, n in ((1, 7), (30, 40), (163, 164)):
        got = stats.mean_interval([1.0] * passes + [0.0] * (n - passes))
        assert got == pytest.approx(stats.wilson(passes, n), abs=1e-12)


def test_an_interval_agrees_with_scipys_bootstrap_where_there_are_many_problems():
    values = np.random.default_rng(5).beta(0.5, 0.8, 400)
    got = stats.mean_interval(list(values))
    wanted = oracle.bootstrap((values,), np.mean, n_resamples=10_000, rng=2).confidence_interval
    assert got.low == pytest.approx(wanted.low, abs=0.003)
    assert got.high == pytest.approx(wanted.high, abs=0.003)


@pytest.mark.parametrize("df", [1, 2.5, 11, 163, 5_000])
@pytest.mark.parametrize("confidence", [0.6, 0.95, 0.99])
def test_students_quantile_is_scipys(df, confidence):
    assert stats.student(df, confidence) == pytest.approx(oracle.t.ppf((1 + confidence) / 2, df), rel=2e-5)


def test_an_interval_stays_within_the_bounds_and_around_the_mean():
    for values in ([0.0, 0.0, 0.0, 1 / 16], [1.0, 1.0, 15 / 16], [0.5, 0.501], [0.0, 1.0, 0.5]):
        low, high = stats.mean_interval(values)
        assert 0 <= low < sum(values) / len(values) < high <= 1


def test_an_interval_of_equal_values_is_as_wide_as_the_rule_of_three_says():
    assert stats.mean_interval([0.0] * 100) == pytest.approx((0.0, 1 - 0.05**0.01))
    assert stats.mean_interval([1.0] * 100) == pytest.approx((0.05**0.01, 1.0))
    low, high = stats.mean_interval([0.25] * 50, bounds=(-1, 1))
    assert (low, high) == pytest.approx((0.25 - 1.25 * 0.058, 0.25 + 0.75 * 0.058), abs=1e-3)


@pytest.mark.parametrize("values", [[], [0.1, 1.2], [float("nan")], [float("inf"), 0.0]])
def test_an_interval_refuses_values_that_cannot_be_rates(values):
    with pytest.raises(ValueError, match="value"):
        stats.mean_interval(values)


def test_a_difference_of_single_answers_has_bonetts_and_prices_interval_and_never_no_width():
    """By the formula as printed, for 44 problems of which 9 were gained and 2 lost."""
    low, high = stats.difference_interval([1.0] * 9 + [-1.0] * 2 + [0.0] * 33)
    p, q, n = 10 / 46, 3 / 46, 46
    half = 1.959964 * math.sqrt((p + q - (p - q) ** 2) / n)
    assert (low, high) == pytest.approx((p - q - half, p - q + half), abs=1e-6)
    low, high = stats.paired_interval([1.0] * 50, [1.0] * 50)
    assert low == pytest.approx(-high)
    assert 0.04 < high < 0.07


def test_pairing_narrows_the_interval_of_a_difference():
    random = np.random.default_rng(2)
    before = random.beta(0.4, 0.6, 150) * 0.9
    after = before + 0.05 + random.normal(0, 0.01, 150)
    low, high = stats.paired_interval(list(np.clip(after, 0, 1)), list(before))
    alone = stats.mean_interval(list(before))
    assert 0.04 < low < high < 0.06
    assert high - low < (alone.high - alone.low) / 5
    with pytest.raises(ValueError, match="equal lengths"):
        stats.paired_interval([0.5], [0.5, 0.5])


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_two_sided_binomial_test(gained, lost):
    wanted = oracle.binomtest(gained, gained + lost, 0.5).pvalue if gained + lost else 1.0
    assert stats.mcnemar(gained, lost) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (1, 6), (30, 11), (7, 7), (400, 300)])
def test_mcnemar_agrees_with_statsmodels(gained, lost):
    wanted = tables.mcnemar([[5, gained], [lost, 9]], exact=True).pvalue
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


@pytest.mark.parametrize("ps", [[0.2], [0.01, 0.04, 0.03, 0.005], [0.5, 0.0, 1.0, 0.5], [0.02] * 6])
def test_holm_agrees_with_statsmodels(ps):
    assert stats.holm(ps) == pytest.approx(list(multipletests(ps, method="holm")[1]), abs=1e-12)


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_rejects_exactly_what_the_step_down_procedure_rejects(ps):
    rejected = set()
    for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        if ps[i] * (len(ps) - rank) > 0.05:
            break
        rejected.add(i)
    assert {i for i, p in enumerate(stats.holm(ps)) if p <= 0.05} == rejected


def test_one_run_is_an_interval_over_problems_and_runs_that_agree_do_not_narrow_it():
    values = [0.0, 1.0, 0.0, 0.5, -0.5, 1.0]
    alone = stats.difference_interval(values)
    assert stats.crossed_interval([values]) == alone
    low, high = stats.crossed_interval([values] * 5)
    assert alone.high - alone.low < high - low < 1.4 * (alone.high - alone.low)
    assert stats.crossed_interval([[0.5], [0.0], [1.0]]) == stats.difference_interval([0.5, 0.0, 1.0])
    with pytest.raises(ValueError, match="as long as each other"):
        stats.crossed_interval([[0.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match="within"):
        stats.crossed_interval([[0.0, 0.0], [3.0, 0.0]])


def test_runs_that_differ_widen_the_interval_and_problems_that_differ_do_too():
    flat = [[0.1, 0.12, 0.08, 0.1], [0.12, 0.1, 0.1, 0.08], [0.08, 0.1, 0.12, 0.1]]
    shifted = [[value + shift for value in row] for row, shift in zip(flat, (0, 0.1, 0.2), strict=True)]
    uneven = [[row[0], row[1] + 0.3, row[2], row[3] + 0.5] for row in flat]
    widths = [high - low for low, high in map(stats.crossed_interval, (flat, shifted, uneven))]
    assert widths[0] < min(widths[1:]) / 3
