"""Test-time sampling: several attempts at each held-out problem, a vote among them, and what either is worth.

Below `eval/ARM/` of its folder: `sampled/` with attempts and verdicts, `choices.jsonl` with one row a problem, and
`scores.json` with the curves. Whatever is there is not done again. How votes are counted is in `vote`, which answers
are the same in the domain.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from forge import models, power, score, stats, vote
from forge.errors import CheckFailed, ConfigError
from forge.measured import MOST_ERRORS
from forge.pipeline import Run
from forge.store import Rows, write_whole
from forge.types import Attempt, Choice, Delta, Outcome, Problem, Score, Verdict, to_row

Judged = tuple[Attempt, Verdict]

SHOWN = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""The sizes that are told; all of them are in `scores.json`."""


def best_of(run: Run, adapter: str = "", stop_early: bool = False) -> list[str]:
    """Sample, vote, write, and return what to tell: `eval.samples` attempts at most at each held-out problem.

    With `stop_early`, no more are drawn for a problem once its vote is decided.

    Raises:
        CheckFailed: the grader misjudged a known answer, or too many attempts could not be judged.
        ConfigError: the domain has no votes.
    """
    if not hasattr(run.domain, "classes"):
        raise ConfigError(f"the domain {run.domain.name!r} cannot put answers to a vote", "it has no `classes`")
    run.check_grader()
    arm = _arm(adapter)
    planned = run.config.eval.samples
    rows = Rows(_folder(run, arm) / "choices.jsonl", Choice)
    known = {row.problem_id: row for row in rows.read() if _is_current(row, run, planned, stop_early)}
    if len(known) < len(rows.read()):
        rows.replace(list(known.values()))
    since, open_problems = 0, list(run.held)
    for until in vote.checkpoints(planned) if stop_early else [planned]:
        # Whoever was decided at an earlier look is not asked again, in a resumed run neither.
        open_problems = [p for p in open_problems if p.id not in known or known[p.id].samples > since]
        run.sample(arm, open_problems, until, adapter, since)
        _choose(run, rows, known, _judged(run, arm, adapter), open_problems, until)
        since = until
    return _summary(run, arm, adapter, known)


def _arm(adapter: str) -> str:
    """What the model is called: the base, or its adapter with the digest."""
    if not adapter:
        return score.BASE
    marker = models.read_marker(Path(adapter))
    if marker is None:
        raise ConfigError(f"no finished adapter in {adapter}", "give the adapter folder of a run")
    return f"{Path(adapter).name}-{marker['digest']}"


def _folder(run: Run, arm: str) -> Path:
    return run.files.measured(arm, "sampled").attempts.path.parent.parent


def _is_current(row: Choice, run: Run, planned: int, stop_early: bool) -> bool:
    return row.judge == run.domain.version and row.best_of == planned and (stop_early or row.samples == planned)


def _judged(run: Run, arm: str, adapter: str) -> dict[str, list[Judged]]:
    """The attempts at each problem with their latest verdicts, in the order of their indices."""
    judged = run.files.measured(arm, "sampled")
    verdicts = {verdict.attempt_id: verdict for verdict in judged.latest()}
    marker = models.read_marker(Path(adapter)) if adapter else None
    found: dict[str, dict[int, Judged]] = {}
    for attempt in judged.made_with(marker):
        found.setdefault(attempt.problem_id, {})[attempt.index] = attempt, verdicts[attempt.id]
    return {name: [by_index[i] for i in sorted(by_index)] for name, by_index in found.items()}


def _choose(
    run: Run,
    rows: Rows[Choice],
    known: dict[str, Choice],
    judged: Mapping[str, list[Judged]],
    problems: Sequence[Problem],
    until: int,
) -> None:
    """Count the votes on each of these problems; store those that are decided."""
    planned = run.config.eval.samples
    owed = [problem for problem in problems if problem.id not in known]
    advance = run.progress.stage(f"vote, {until} answers", len(owed))
    for problem in owed:
        cast = judged[problem.id][:until]
        ballots = run.domain.classes(problem, [verdict.answer for _, verdict in cast], run.seed("vote"))
        if until == planned or vote.is_decided(ballots, planned):
            known[problem.id] = _choice(problem, cast, ballots, planned, run.domain.version)
            rows.append([known[problem.id]])
        advance(1)


def _stored(choice: Choice) -> list[int | None]:
    """The ballots that a choice was made of."""
    by_place = {place: int(first) for first, places in choice.classes.items() for place in places}
    return [by_place.get(place) for place in range(choice.samples)]


def _choice(
    problem: Problem, cast: Sequence[Judged], ballots: Sequence[int | None], planned: int, judge: str
) -> Choice:
    found = vote.tally(ballots)
    attempt, verdict = cast[found.chosen]
    classes = {str(first): places for first, places in found.classes.items()}
    decided = vote.decided_after(ballots, planned)
    return Choice(
        problem.id, attempt.id, verdict.answer, verdict.outcome, found.votes, found.voters, classes, len(cast),
        decided, planned, judge,
    )  # fmt: skip


def _summary(run: Run, arm: str, adapter: str, known: Mapping[str, Choice]) -> list[str]:
    """Score what was sampled, write it down, and say it."""
    planned, seed = run.config.eval.samples, run.seed("curves")
    judged = _judged(run, arm, adapter)
    choices = [known[problem.id] for problem in run.held]
    errors = sum(verdict.outcome is Outcome.ERROR for cast in judged.values() for _, verdict in cast)
    drawn = sum(map(len, judged.values()))
    if errors > MOST_ERRORS * drawn:
        raise CheckFailed(f"{errors} of {drawn} attempts could not be judged", "run forge check")
    # The least that every vote needs is a number that no answer has a say in, so what holds for it is not biased.
    size = planned if all(choice.samples == planned for choice in choices) else vote.least(planned)
    scored: list[tuple[Choice, list[bool]]] = []
    for choice in choices:
        outcomes = [verdict.outcome for _, verdict in judged[choice.problem_id]]
        if Outcome.ERROR not in outcomes:
            scored.append((choice, [outcome is Outcome.PASS for outcome in outcomes[:size]]))
    if not scored:
        raise CheckFailed("every problem has an attempt that could not be judged", "run forge check")
    points = vote.curve([(_stored(choice)[:size], passed) for choice, passed in scored], seed=seed)
    split, model, asked = run.config.eval.benchmark, run.config.model.name, run.format.name
    passes = sum(choice.outcome is Outcome.PASS for choice, _ in scored)
    chosen = stats.wilson(passes, len(scored))
    scores = [Score(f"chosen of {planned}", split, model, arm, passes / len(scored), *chosen, len(scored), asked)]
    for point in points:
        scores.append(Score(f"pass@{point.k}", split, model, arm, point.oracle, *point.oracle_interval, point.n, asked))
        scores.append(Score(f"vote@{point.k}", split, model, arm, point.vote, *point.vote_interval, point.n, asked))
    gain = _gain(scored, planned, split, seed, asked)
    content = {
        "best_of": planned, "problems": len(choices), "attempts": drawn, "errors": errors,
        "scores": [to_row(row) for row in scores], "deltas": [to_row(gain)],
    }  # fmt: skip
    write_whole(_folder(run, arm) / "scores.json", json.dumps(content, indent=1) + "\n")
    return [*_table(points), *_told(scores[0], gain), *_counted(choices, drawn, errors)]


def _gain(scored: Sequence[tuple[Choice, list[bool]]], planned: int, split: str, seed: int, asked: str) -> Delta:
    """What the vote's choice is worth beyond a single answer, problem by problem."""
    chosen = [float(choice.outcome is Outcome.PASS) for choice, _ in scored]
    single = [sum(passed) / len(passed) for _, passed in scored]
    changes = [a - b for a, b in zip(chosen, single, strict=True)]
    p = stats.sign_flip(changes, seed=seed)
    smallest = power.detectable_shift(changes)
    n, interval = len(changes), stats.paired_interval(chosen, single)
    return Delta(
        f"chosen of {planned}", split, "vote", "single", sum(changes) / n, *interval, p, p, n,
        asked, asked, smallest if smallest <= 1 else None,
    )  # fmt: skip


def _table(points: Sequence[vote.Point]) -> list[str]:
    """The curves at the sizes that are shown."""
    lines = [f"{'answers':>7}  {'any passes (oracle)':>24}  {'the vote passes':>24}"]
    for point in (point for point in points if point.k in (*SHOWN, len(points))):
        name = "single" if point.k == 1 else str(point.k)
        oracle, won = _share(point.oracle, point.oracle_interval), _share(point.vote, point.vote_interval)
        lines.append(f"{name:>7}  {oracle:>24}  {won:>24}")
    return lines


def _told(chosen: Score, gain: Delta) -> list[str]:
    """How often the choices pass, and whether that is more than a single answer does."""
    share = _share(chosen.value, stats.Interval(chosen.low, chosen.high))
    finding = "distinguishable" if gain.p < score.ALPHA else "not distinguishable"
    could = "none of any size" if gain.smallest is None else f"{100 * gain.smallest:.1f} points"
    return [
        f"{chosen.metric}: {share} of {chosen.n} problems pass",
        f"minus a single answer: {100 * gain.value:+.1f} points ({100 * gain.low:+.1f} to {100 * gain.high:+.1f}), "
        f"paired sign flip p = {gain.p:.3g}: {finding}",
        f"the smallest gain this could have shown: {could}",
    ]


def _counted(choices: Sequence[Choice], drawn: int, errors: int) -> list[str]:
    """How many answers it took, and what could not be used."""
    needed = sum(choice.decided for choice in choices) / len(choices)
    silent = sum(not choice.voters for choice in choices)
    lines = [f"{drawn / len(choices):.1f} answers drawn a problem; votes were decided after {needed:.1f}"]
    if silent:
        lines.append(f"{silent} problems had no answer with a vote; their first answer was taken")
    if errors:
        lines.append(f"{errors} attempts could not be judged; no score has their problems")
    return lines


def _share(value: float, interval: stats.Interval) -> str:
    return f"{100 * value:.1f} % ({100 * interval.low:.1f} to {100 * interval.high:.1f})"
