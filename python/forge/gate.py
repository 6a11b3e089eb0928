"""The figures that the embedded model's weights must show before they are released.

A base that is too good or too bad, never right in sixteen tries, or unable to invent anything new would
make every run on it pointless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forge import measured, score, stats
from forge.errors import CheckFailed
from forge.nano import structures
from forge.pipeline import Run
from forge.types import Attempt, Outcome, Problem


@dataclass(frozen=True, slots=True)
class Line:
    """One figure in words, and whether it is where it must be."""

    text: str
    held: bool


def lines(run: Run) -> list[Line]:
    """Measure the base and its inventions, and compare them with the gate.

    An invention is valid when it parses and its reference passes its own asserts, and novel when no document
    of the training corpus can hold its docstring, whatever the numbers in it.
    """
    run.check_grader()
    run.measure(score.BASE)
    run.propose()
    tally = measured.arms(run)[score.BASE]
    scores = score.scores(
        tally.greedy,
        tally.sampled,
        split=run.config.eval.benchmark,
        model=run.config.model.name,
        adapter="",
        format=run.format.name,
        ks=(1, 16),
    )
    found = [
        _within("greedy pass@1", scores[0].value, scores[0].low, scores[0].high, scores[0].n, 0.25, 0.45),
        _within("pass@16", scores[-1].value, scores[-1].low, scores[-1].high, scores[-1].n, 0.75, 1.0),
    ]
    proposals = run.files.proposals.attempts.read()
    parsed = [run.domain.parse(proposal.completion) for proposal in proposals]
    stated = [problem for problem in parsed if isinstance(problem, Problem)]
    answers = [Attempt(problem.id, problem.id, 0, problem.reference, "stop", "gate") for problem in stated]
    verdicts = run.domain.judge(zip(stated, answers, strict=True))
    valid = [p for p, v in zip(stated, verdicts, strict=True) if v.outcome is Outcome.PASS]
    novel = [problem for problem in valid if structures.is_novel(problem.prompt)]
    for name, count, least in (("valid inventions", len(valid), 0.20), ("novel valid inventions", len(novel), 0.08)):
        interval = stats.wilson(count, len(proposals))
        found.append(_within(name, count / len(proposals), interval.low, interval.high, len(proposals), least, 1.0))
    return found


def demand(lines: Sequence[Line]) -> None:
    """Pass, or say what was missed.

    Raises:
        CheckFailed: a figure is outside the gate.
    """
    missed = [line.text for line in lines if not line.held]
    if missed:
        raise CheckFailed(f"the weights miss the gate: {'; '.join(missed)}", "train again with another seed or corpus")


def _within(name: str, value: float, low: float, high: float, n: int, least: float, most: float) -> Line:
    bounds = f"at least {100 * least:.0f} %" + (f", at most {100 * most:.0f} %" if most < 1 else "")
    text = f"{name}: {100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}] of {n} ({bounds})"
    return Line(text, least <= value <= most)
