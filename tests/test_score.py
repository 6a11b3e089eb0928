"""Scoring: what counts, what leaves the denominator, what is compared with what, and what may be said."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from forge import score, stats
from forge.errors import DataError
from forge.score import ADAPTER, BASE, GREEDY, SAMPLED, TEACHER, ArmTallies, Tally
from forge.types import Attempt, Delta, Outcome, Score, Verdict

CORRUPTED = "control: corrupted"
FORMAT = "control: format-only"
P, F, E = Outcome.PASS, Outcome.FAIL, Outcome.ERROR


def attempt(problem_id: str, index: int) -> Attempt:
    return Attempt(f"{problem_id}/{index}", problem_id, index, "text", "stop", "replay")


def verdict(attempt_id: str, outcome: Outcome) -> Verdict:
    return Verdict(attempt_id, outcome, "", 0, 1, "", "", 0.1, "judge 1 full")


def tallied(rates: dict[str, tuple[Outcome, ...]]) -> Tally:
    return Tally(rates)


def arm(seed: int, rate: float, problems: int = 120, samples: int = 16) -> ArmTallies:
    """An arm whose problems differ in difficulty in the same way for every seed."""
    hardness = np.random.default_rng(0).normal(0, 1, problems)
    chance = 1 / (1 + np.exp(hardness - math.log(rate / (1 - rate))))
    random = np.random.default_rng(seed)
    rows = random.random((problems, samples + 1)) < chance[:, None]
    outcomes = [[P if x else F for x in row] for row in rows]
    return ArmTallies(
        Tally({f"p{i}": (row[0],) for i, row in enumerate(outcomes)}),
        Tally({f"p{i}": tuple(row[1:]) for i, row in enumerate(outcomes)}),
    )


def test_a_tally_orders_by_index_and_keeps_the_latest_verdict():
    attempts = [attempt("a", 10), attempt("a", 2), attempt("b", 0), attempt("a", 2)]
    verdicts = [verdict("a/2", E), verdict("a/10", F), verdict("b/0", P), verdict("a/2", P), verdict("z/0", P)]
    assert score.tally(attempts, verdicts).outcomes == {"a": (P, F), "b": (P,)}


def test_an_attempt_without_a_verdict_is_refused_by_name():
    with pytest.raises(DataError, match="attempt 'a/1' of problem 'a' has no verdict") as caught:
        score.tally([attempt("a", 0), attempt("a", 1)], [verdict("a/0", P)])
    assert "forge eval" in caught.value.hint


def test_errors_leave_the_denominator_and_stay_in_the_ledger():
    tally = tallied({"a": (E, P, F), "b": (E,), "c": (Outcome.TRUNCATED, Outcome.TIMEOUT)})
    assert tally.errors == 2
    assert tally.counts() == {"a": (2, 1), "c": (2, 0)}
    assert tally.firsts() == {"a": True, "c": False}
    counted = score.ledger(tally)
    assert list(counted) == list(Outcome)
    assert {o: n for o, n in counted.items() if n} == {P: 1, F: 1, Outcome.TRUNCATED: 1, Outcome.TIMEOUT: 1, E: 2}


def test_scores_carry_metric_interval_and_number_of_problems():
    greedy = tallied({"a": (P,), "b": (F,), "c": (E,), "d": (P,)})
    sampled = tallied({"a": (P, F, F, F), "b": (F, F, F, F), "c": (P, E, E, E), "d": (P, P, F, F)})
    found = score.scores(greedy, sampled, split="heldout", model="m", adapter="x", ks=(1, 2, 4, 8))
    assert [s.metric for s in found] == [GREEDY, SAMPLED, "pass@2", "pass@4"]
    assert found[0] == Score(GREEDY, "heldout", "m", "x", 2 / 3, *stats.wilson(2, 3), 3)
    assert found[1].value == pytest.approx((0.25 + 0 + 1 + 0.5) / 4)
    assert found[1].n == 4
    assert found[2].value == pytest.approx((0.5 + 0 + 5 / 6) / 3)
    assert found[2].n == 3
    assert all(0 <= s.low <= s.value <= s.high <= 1 for s in found)


def test_nothing_scored_gives_no_score():
    nothing = tallied({"a": (E,)})
    assert score.scores(nothing, nothing, split="heldout", model="m", adapter="") == []
    assert score.scores(tallied({}), tallied({}), split="heldout", model="m", adapter="") == []


def test_a_delta_is_made_on_shared_problems_with_the_tests_that_fit():
    after = ArmTallies(
        tallied({"a": (P,), "b": (P,), "c": (P,), "only": (P,), "err": (E,)}),
        tallied({"a": (P, P), "b": (P, F), "c": (F, F)}),
    )
    before = ArmTallies(
        tallied({"c": (P,), "b": (F,), "a": (F,), "err": (P,), "other": (P,)}),
        tallied({"a": (P, F), "b": (F, F), "c": (F, F), "only": (P, P)}),
    )
    greedy, sampled, wide = score.deltas({"x": after, BASE: before}, [("x", BASE)], split="heldout", k=2, seed=4)
    assert (greedy.metric, greedy.n, greedy.value) == (GREEDY, 3, pytest.approx(2 / 3))
    assert greedy.p == greedy.p_holm == stats.mcnemar(2, 0)
    assert (sampled.metric, sampled.n, sampled.value) == (SAMPLED, 3, pytest.approx(1 / 3))
    assert sampled.p == 0.5
    assert (wide.metric, wide.n, wide.value) == ("pass@2", 3, pytest.approx(1 / 3))
    assert (sampled.arm, sampled.against, sampled.split) == ("x", BASE, "heldout")
    assert sampled.low <= sampled.value <= sampled.high


def test_swapping_the_arms_swaps_the_sign_and_keeps_p():
    arms = {ADAPTER: arm(1, 0.5), BASE: arm(2, 0.3)}
    forth = score.deltas(arms, [(ADAPTER, BASE)], split="heldout", k=16)
    back = score.deltas(arms, [(BASE, ADAPTER)], split="heldout", k=16)
    for one, other in zip(forth, back, strict=True):
        assert one.value == pytest.approx(-other.value)
        assert one.p == pytest.approx(other.p)


def test_holm_is_applied_within_a_metric_and_over_the_comparisons():
    arms = {ADAPTER: arm(1, 0.5), BASE: arm(2, 0.4), CORRUPTED: arm(3, 0.42)}
    found = score.deltas(arms, [(ADAPTER, BASE), (ADAPTER, CORRUPTED), (CORRUPTED, BASE)], split="heldout", k=16)
    for metric in (GREEDY, SAMPLED, "pass@16"):
        family = [delta for delta in found if delta.metric == metric]
        assert len(family) == 3
        assert [d.p_holm for d in family] == stats.holm([d.p for d in family])
    assert any(d.p_holm > d.p for d in found)


def test_deltas_leave_out_what_was_not_measured_and_refuse_unknown_arms():
    arms = {ADAPTER: arm(1, 0.5, samples=4), BASE: arm(2, 0.4, samples=4)}
    assert {d.metric for d in score.deltas(arms, [(ADAPTER, BASE)], split="s", k=16)} == {GREEDY, SAMPLED}
    assert len(score.deltas(arms, [(ADAPTER, BASE)], split="s", k=1)) == 2
    arms["empty"] = ArmTallies(tallied({}), tallied({}))
    assert score.deltas(arms, [("empty", BASE)], split="s", k=2) == []
    with pytest.raises(DataError, match="no arm 'nobody'"):
        score.deltas(arms, [(ADAPTER, "nobody")], split="s", k=2)


def test_two_equal_arms_are_rarely_told_apart():
    found = [
        delta
        for i in range(40)
        for delta in score.deltas(
            {"x": arm(2 * i + 1, 0.4, 60, 4), "y": arm(2 * i + 2, 0.4, 60, 4)}, [("x", "y")], split="s", k=4, seed=i
        )
    ]
    assert sum(d.p < 0.05 for d in found) <= 0.12 * len(found)


def scored(value: float, metric: str = GREEDY, n: int = 164) -> Score:
    return Score(metric, "heldout", "m", "", value, value - 0.05, value + 0.05, n)


def delta(value: float, p: float, against: str = BASE, metric: str = GREEDY, n: int = 164) -> Delta:
    return Delta(metric, "heldout", ADAPTER, against, value, value - 0.06, value + 0.06, p / 2, p, n, smallest=0.08)


def said(scores: dict[str, list[Score]], deltas: list[Delta], pairs: int | None = 40, errors: int = 0) -> str:
    return "\n".join(score.conclusion(scores, deltas, pairs=pairs, errors=errors))


BOTH = {BASE: [scored(0.3)], ADAPTER: [scored(0.42)]}


def test_a_gain_is_told_with_before_after_interval_and_p_in_words():
    text = said(BOTH, [delta(0.12, 0.004)])
    assert "the base model solves 30.0% (95% interval 25.0 to 35.0) of 164 problems, the adapter 42.0%" in text
    assert "That is a gain of 12.0 points (95% interval +6.0 to +18.0, p = 0.004 after correction)" in text
    assert "about once in 250 such runs" in text
    assert "p < 0.001" in said(BOTH, [delta(0.12, 0.0004)])
    assert "That is a loss of 12.0 points" in said(BOTH, [delta(-0.12, 0.004)])
    assert "after correction" not in said(BOTH, [replace(delta(0.12, 0.004), p=0.004)])


def test_a_difference_the_test_does_not_see_is_called_not_distinguishable():
    text = said(BOTH, [delta(0.02, 0.3)])
    assert (
        "The difference, +2.0 points (95% interval \u22124.0 to +8.0, p = 0.3 after correction), is not distinguishable"
        in text
    )
    assert "the smallest gain this could have shown is about 8.0 points" in text
    assert "a gain" not in text
    assert "cannot reliably show a gain of any size" in said(BOTH, [replace(delta(0.2, 0.3, n=5), smallest=None)])


def test_the_corrected_p_decides_and_not_the_raw_one():
    near = replace(delta(0.1, 0.06), p=0.01)
    assert "not distinguishable" in said(BOTH, [near])


def test_a_gain_that_a_control_gives_too_is_not_put_down_to_repair():
    text = said(BOTH, [delta(0.12, 0.004), delta(0.01, 0.8, CORRUPTED), delta(0.1, 0.01, FORMAT)])
    assert "Learning minus control (corrupted): not distinguishable in greedy pass@1, +1.0 points" in text
    assert "Learning minus control (format-only): ahead by 10.0 points in greedy pass@1" in text
    assert "does not show that the gain comes from repair" in text
    assert "beat the control corrupted." in text
    assert "is more than" not in text


def test_a_gain_beyond_every_control_is_said_to_be_so():
    text = said(BOTH, [delta(0.12, 0.004), delta(0.09, 0.02, CORRUPTED), delta(0.1, 0.01, FORMAT)])
    assert "So for greedy pass@1 the gain is more than each of the 2 controls gives." in text
    assert "does not show" not in text


def test_beating_a_control_without_a_gain_over_the_base_claims_nothing():
    text = said(BOTH, [delta(0.01, 0.9), delta(0.2, 0.001, CORRUPTED)])
    assert "more than" not in text.replace("a fall of more than", "")
    assert "ahead by 20.0 points" in text


def test_an_adapter_behind_its_control_is_said_to_be_behind():
    assert "behind by 9.0 points in greedy pass@1" in said(BOTH, [delta(-0.09, 0.01, CORRUPTED)])


def test_the_teacher_is_a_yardstick_and_never_a_control():
    text = said({**BOTH, TEACHER: [scored(0.6)]}, [delta(0.12, 0.004), delta(-0.18, 0.001, TEACHER)])
    assert "No control was compared" in text
    assert "not a control" in text
    assert "minus control" not in text
    assert "behind" not in text


def test_pass_at_k_fell_only_if_its_whole_interval_is_below_zero():
    assert "pass@16 fell by 9.0 points" in said(BOTH, [delta(-0.09, 0.2, metric="pass@16")])
    level = said(BOTH, [delta(-0.04, 0.01, metric="pass@16")])
    assert "pass@16 moved by \u22124.0 points" in level
    assert "did not measurably fall, and a fall of more than 10.0 points is unlikely" in level
    assert "pass@16 rose by 9.0 points" in said(BOTH, [delta(0.09, 0.2, metric="pass@16")])
    assert "pass@16" not in said(BOTH, [delta(0.1, 0.01)])


def test_nothing_mined_is_said_first_and_no_gain_is_claimed():
    sentences = score.conclusion({BASE: [scored(0.0)]}, [], pairs=0)
    assert sentences[0].startswith("No pair was mined, so there was nothing to train on")
    assert "the base model solves 0.0%" in sentences[1]
    assert not any("adapter" in sentence or "control" in sentence.lower() for sentence in sentences)


def test_what_was_not_measured_is_said_not_to_be():
    assert "No adapter was measured" in said({BASE: [scored(0.3)]}, [])
    assert "The base model was not measured" in said({ADAPTER: [scored(0.3)]}, [])
    assert "not compared by a test" in said(BOTH, [])
    assert "mined" not in said(BOTH, [], pairs=None)


def test_attempts_nobody_could_judge_are_mentioned():
    assert "1 attempt could not be judged" in said(BOTH, [], errors=1)
    assert "2,000 attempts could not be judged" in said(BOTH, [], errors=2000)
    assert "could not be judged" not in said(BOTH, [])


def test_the_whole_chain_finds_a_real_gain_over_base_and_control():
    arms = {BASE: arm(1, 0.25), ADAPTER: arm(2, 0.55), CORRUPTED: arm(3, 0.25)}
    found = {
        name: score.scores(a.greedy, a.sampled, split="heldout", model="m", adapter=name) for name, a in arms.items()
    }
    deltas = score.deltas(arms, [(ADAPTER, BASE), (ADAPTER, CORRUPTED)], split="heldout", k=16)
    text = "\n".join(score.conclusion(found, deltas, pairs=12))
    assert "That is a gain of" in text
    assert "So for pass@1 the gain is more than the control gives." in text
