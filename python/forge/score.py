"""From verdicts to scores, paired differences, and the sentences that may be said about them.

Holds what stands between the judge and the report: tallies of outcomes per problem, scores with intervals,
paired differences between arms with tests, and a conclusion in plain words.

Promises: `error` verdicts leave every denominator and stay visible in the tally; arms are compared only on
problems that both have scored; a sentence claims nothing that was not measured, and says *not
distinguishable* where the test does. Reads and writes nothing, and knows no domain, model or backend.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from forge import power, stats
from forge.errors import DataError
from forge.types import Attempt, Delta, Outcome, Score, Verdict

BASE = "base"
ADAPTER = "adapter"
CONTROL = "control: "
TEACHER = "teacher"
"""The names of arms: every name that starts with `CONTROL` is a control. `TEACHER` learned from true
references of the same kind of problem, so it is a yardstick and never a control."""

GREEDY = "greedy pass@1"
SAMPLED = "pass@1"
KS = (1, 2, 4, 8, 16)
ALPHA = 0.05
_MINUS = "\u2212"


@dataclass(frozen=True, slots=True)
class Tally:
    """The outcomes of each problem's attempts, by problem id, in the order of the attempts' indices."""

    outcomes: Mapping[str, tuple[Outcome, ...]]

    @property
    def errors(self) -> int:
        """How many attempts are not scored, since forge or the host failed on them."""
        return ledger(self)[Outcome.ERROR]

    def counts(self, least: int = 1) -> dict[str, tuple[int, int]]:
        """(scored, passed) of each problem with at least `least` scored attempts."""
        found = {}
        for problem_id, outcomes in self.outcomes.items():
            scored = len(outcomes) - outcomes.count(Outcome.ERROR)
            if scored >= max(1, least):
                found[problem_id] = (scored, outcomes.count(Outcome.PASS))
        return found

    def firsts(self) -> dict[str, bool]:
        """Whether the first scored attempt of each problem passed; problems without one are left out."""
        scored = {i: [o for o in outcomes if o is not Outcome.ERROR] for i, outcomes in self.outcomes.items()}
        return {i: outcomes[0] is Outcome.PASS for i, outcomes in scored.items() if outcomes}


@dataclass(frozen=True, slots=True)
class ArmTallies:
    """What one arm did: one greedy attempt per problem, and several sampled ones."""

    greedy: Tally
    sampled: Tally


def tally(attempts: Iterable[Attempt], verdicts: Iterable[Verdict]) -> Tally:
    """The outcomes of `attempts`; where an attempt has several verdicts, the latest one given counts.

    Verdicts of other attempts are ignored, and an attempt given twice counts once.

    Raises:
        DataError: an attempt has no verdict.
    """
    latest = {verdict.attempt_id: verdict.outcome for verdict in verdicts}
    by_problem: dict[str, list[Attempt]] = {}
    for attempt in {attempt.id: attempt for attempt in attempts}.values():
        if attempt.id not in latest:
            raise DataError(
                f"attempt {attempt.id!r} of problem {attempt.problem_id!r} has no verdict",
                hint="run forge eval, which judges what is owed",
            )
        by_problem.setdefault(attempt.problem_id, []).append(attempt)
    return Tally(
        {
            problem_id: tuple(latest[attempt.id] for attempt in sorted(group, key=lambda a: a.index))
            for problem_id, group in by_problem.items()
        }
    )


def ledger(tally: Tally) -> dict[Outcome, int]:
    """How many attempts ended in each outcome: every outcome is listed, in the order of the closed list."""
    counts = Counter(outcome for outcomes in tally.outcomes.values() for outcome in outcomes)
    return {outcome: counts[outcome] for outcome in Outcome}


def scores(
    greedy: Tally, sampled: Tally, *, split: str, model: str, adapter: str, format: str = "", ks: Sequence[int] = KS
) -> list[Score]:
    """The scores of one arm, as fractions with 95% intervals: greedy pass@1, then pass@k for each k.

    Greedy pass@1 has a Wilson interval. pass@k is the mean over problems of the unbiased estimate (Chen et
    al. 2021), its interval that of a mean over problems. A problem enters pass@k only with k scored samples;
    `n` counts the problems that entered. What nothing was measured for is left out.
    """
    found: list[Score] = []

    def add(metric: str, value: float, interval: stats.Interval, n: int) -> None:
        found.append(Score(metric, split, model, adapter, value, interval.low, interval.high, n, format))

    firsts = greedy.firsts()
    if firsts:
        passes = sum(firsts.values())
        add(GREEDY, passes / len(firsts), stats.wilson(passes, len(firsts)), len(firsts))
    for k in ks:
        values = list(_pass_at(sampled, k).values())
        if values:
            add(f"pass@{k}", math.fsum(values) / len(values), stats.mean_interval(values), len(values))
    return found


def deltas(
    arms: Mapping[str, ArmTallies], comparisons: Sequence[tuple[str, str]], *, split: str, k: int, seed: int = 0,
    format: str = "",
) -> list[Delta]:  # fmt: skip
    """The paired differences arm - against, for each comparison: greedy pass@1, pass@1 and pass@`k`.

    Only problems that both arms have scored enter; `n` counts them, and without any the difference is left
    out. Intervals are paired by problem. p is McNemar's exact one for greedy pass@1 and that of
    the sign-flip test otherwise; `p_holm` corrects it within a metric, over the comparisons given. `smallest` is
    that of a test at `ALPHA` over their number, the strictest that Holm's correction can ask for.

    Raises:
        DataError: a comparison names an arm that is not there.
    """
    for name in (name for pair in comparisons for name in pair):
        if name not in arms:
            raise DataError(f"no arm {name!r} to compare", hint=f"the arms are {', '.join(sorted(arms))}")
    found: list[Delta] = []
    for metric in dict.fromkeys((GREEDY, SAMPLED, f"pass@{k}")):
        rates = {name: _rates(arm, metric) for name, arm in arms.items()}
        family = []
        for arm, against in comparisons:
            shared = [i for i in rates[arm] if i in rates[against]]
            if shared:
                after, before = ([rates[name][i] for i in shared] for name in (arm, against))
                family.append((arm, against, after, before))
        tested = [_difference(after, before, metric, seed) for _, _, after, before in family]
        corrected = stats.holm([p for _, _, p in tested])
        for (arm, against, after, before), (value, interval, p), p_holm in zip(family, tested, corrected, strict=True):
            change = (value, *interval, p, p_holm, len(after))
            smallest = power.smallest_gain(after, before, single=metric == GREEDY, alpha=ALPHA / len(family))
            found.append(Delta(metric, split, arm, against, *change, format, format, smallest))
    return found


def _rates(arm: ArmTallies, metric: str) -> dict[str, float]:
    if metric == GREEDY:
        return {i: float(passed) for i, passed in arm.greedy.firsts().items()}
    return _pass_at(arm.sampled, width(metric))


def _pass_at(sampled: Tally, k: int) -> dict[str, float]:
    return {i: stats.pass_at_k(n, c, k) for i, (n, c) in sampled.counts(k).items()}


def _difference(
    after: Sequence[float], before: Sequence[float], metric: str, seed: int
) -> tuple[float, stats.Interval, float]:
    changes = [a - b for a, b in zip(after, before, strict=True)]
    if metric == GREEDY:
        p = stats.mcnemar(sum(c > 0 for c in changes), sum(c < 0 for c in changes))
    else:
        p = stats.sign_flip(changes, seed=seed)
    return math.fsum(changes) / len(changes), stats.paired_interval(after, before), p


def width(metric: str) -> int:
    """The k of a metric called pass@k."""
    return int(metric.rpartition("@")[2])


def conclusion(
    scores: Mapping[str, Sequence[Score]], deltas: Sequence[Delta], *, pairs: int | None = None, errors: int = 0
) -> list[str]:
    """What the run showed, one finding after another in plain sentences, for a reader who never saw the numbers.

    `scores` are those of each arm by its name, `deltas` the differences made between them. `pairs` is how
    many were mined (None: not known), `errors` how many attempts nobody could judge. Whether a difference
    counts is decided by its corrected p at 0.05; whether pass@k fell is decided by its interval.
    """
    sentences = []
    if pairs == 0:
        sentences.append("No pair was mined, so there was nothing to train on and there is no gain to report.")
    by_arm = {name: {score.metric: score for score in found} for name, found in scores.items()}
    over_base = {delta.metric: delta for delta in deltas if (delta.arm, delta.against) == (ADAPTER, BASE)}
    for metric, words in (
        (GREEDY, "With one greedy answer per problem"),
        (SAMPLED, "With one sampled answer per problem, on average"),
    ):
        sentences += _before_and_after(metric, words, by_arm, over_base.get(metric))
    if pairs:
        sentences.append(f"The run mined {_count(pairs, 'pair')} of a rejected and a chosen answer.")
    if not by_arm.get(BASE):
        sentences.append("The base model was not measured, so there is no before to compare with.")
    if not by_arm.get(ADAPTER):
        if pairs != 0:
            sentences.append("No adapter was measured, so there is no after.")
    else:
        sentences += _breadth(over_base)
        sentences += _controls(deltas, over_base)
    teacher = by_arm.get(TEACHER, {}).get(GREEDY)
    if teacher:
        sentences.append(
            f"Trained on true references instead, the model solves {_value(teacher)} with one greedy answer:"
            " a yardstick for what training can give here, not a control."
        )
    if errors:
        sentences.append(
            f"{_count(errors, 'attempt')} could not be judged, since forge or the host failed;"
            f" {'it is' if errors == 1 else 'they are'} in no score."
        )
    return sentences


def _before_and_after(
    metric: str, words: str, by_arm: Mapping[str, Mapping[str, Score]], delta: Delta | None
) -> list[str]:
    base, adapter = (by_arm.get(name, {}).get(metric) for name in (BASE, ADAPTER))
    if base is None and adapter is None:
        return []
    if base is None or adapter is None:
        name, score = (BASE, base) if base else (ADAPTER, adapter)
        assert score is not None
        text = f"{words}, the {_title(name)} solves {_value(score)} of {_count(score.n, 'problem')}"
        seen = power.detectable_gain(score.n, score.value) if metric == GREEDY else math.inf
        return [f"{text}; the smallest gain they could show is about {_points(seen)}." if seen <= 1 else f"{text}."]
    others = "" if adapter.n == base.n else f" of {adapter.n}"
    text = (
        f"{words}, the base model solves {_value(base)} of {_count(base.n, 'problem')},"
        f" the adapter {_value(adapter)}{others}. "
    )
    if delta is None:
        return [text + "The two were not compared by a test, so nothing is said about the difference."]
    if _distinguishable(delta):
        kind = "gain" if delta.value > 0 else "loss"
        return [text + f"That is a {kind} of {_points(abs(delta.value))} {_brackets(delta)}: {_odds(delta.p_holm)}."]
    text += f"The difference, {_signed(delta.value)} points {_brackets(delta)}, is not distinguishable from chance"
    if delta.smallest is None:
        text += f"; {_count(delta.n, 'problem')} cannot reliably show a gain of any size here"
    else:
        text += f"; the smallest gain this could have shown is about {_points(delta.smallest)}"
    return [text + "."]


def _breadth(over_base: Mapping[str, Delta]) -> list[str]:
    wide = [delta for metric, delta in over_base.items() if metric not in (GREEDY, SAMPLED)]
    if not wide:
        return []
    delta = max(wide, key=lambda d: width(d.metric))
    k = width(delta.metric)
    if delta.high < 0:
        return [
            f"{delta.metric} fell by {_points(-delta.value)} {_brackets(delta)}, and its whole interval lies"
            f" below no change: with {k} tries the adapter solves fewer problems than the base model."
        ]
    if delta.low > 0:
        return [
            f"{delta.metric} rose by {_points(delta.value)} {_brackets(delta)}, and its whole interval lies"
            " above no change."
        ]
    return [
        f"{delta.metric} moved by {_signed(delta.value)} points {_brackets(delta)}: the interval includes no change,"
        f" so it did not measurably fall, and a fall of more than {_points(-delta.low)} is unlikely."
    ]


def _controls(deltas: Sequence[Delta], over_base: Mapping[str, Delta]) -> list[str]:
    against = [
        d for d in deltas if d.arm == ADAPTER and d.against.startswith(CONTROL) and d.metric in (GREEDY, SAMPLED)
    ]
    if not against:
        return ["No control was compared, so this run cannot say how much of any difference comes from repair."]
    sentences = []
    for name in dict.fromkeys(delta.against for delta in against):
        parts = [_standing(delta) for delta in against if delta.against == name]
        sentences.append(f"Learning minus control ({name.removeprefix(CONTROL)}): {'; '.join(parts)}.")
    gained = [metric for metric in (GREEDY, SAMPLED) if metric in over_base and _gain(over_base[metric])]
    for metric in gained:
        met = [delta for delta in against if delta.metric == metric]
        unbeaten = [delta.against.removeprefix(CONTROL) for delta in met if not _gain(delta)]
        if unbeaten:
            sentences.append(
                f"So for {metric} this run does not show that the gain comes from repair:"
                f" the adapter does not measurably beat the control {' or '.join(unbeaten)}."
            )
        elif met:
            each = "the control" if len(met) == 1 else f"each of the {len(met)} controls"
            sentences.append(f"So for {metric} the gain is more than {each} gives.")
    return sentences


def _standing(delta: Delta) -> str:
    if not _distinguishable(delta):
        return f"not distinguishable in {delta.metric}, {_signed(delta.value)} points {_brackets(delta)}"
    word = "ahead" if delta.value > 0 else "behind"
    return f"{word} by {_points(abs(delta.value))} in {delta.metric} {_brackets(delta)}"


def _distinguishable(delta: Delta) -> bool:
    return delta.p_holm < ALPHA


def _gain(delta: Delta) -> bool:
    return _distinguishable(delta) and delta.value > 0


def _brackets(delta: Delta) -> str:
    p = "p < 0.001" if delta.p_holm < 0.001 else f"p = {delta.p_holm:.2g}"
    # Intervals are not corrected, so one may exclude zero where the corrected p says nothing was found.
    p += " after correction" if delta.p_holm != delta.p else ""
    return f"(95% interval {_signed(delta.low)} to {_signed(delta.high)}, {p})"


def _odds(p: float) -> str:
    often = "less than once in 1,000" if p < 0.001 else f"about once in {round(1 / p):,}"
    return f"if the two were equally good, a difference this large would come up {often} such runs"


def _value(score: Score) -> str:
    return f"{score.value * 100:.1f}% (95% interval {score.low * 100:.1f} to {score.high * 100:.1f})"


def _points(value: float) -> str:
    return f"{value * 100:.1f} points"


def _signed(value: float) -> str:
    text = f"{value * 100:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", _MINUS)


def _title(name: str) -> str:
    return "base model" if name == BASE else name


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" + ("" if n == 1 else "s")
