"""What a run has measured: the outcomes of every arm, and of the base in every prompt format.

Reads the run's rows and computes nothing but their tallies; scores are `score`'s.
"""

from __future__ import annotations

from collections.abc import Sequence

from forge import score
from forge.errors import CheckFailed, DataError
from forge.folder import Judged
from forge.pipeline import Run
from forge.prompts import FORMATS
from forge.types import Attempt

MOST_ERRORS = 0.01
"""The largest share of attempts that may end in `error` before a score is withheld."""


def arms(run: Run) -> dict[str, score.ArmTallies]:
    """The outcomes of every arm that was measured in full.

    Raises:
        CheckFailed: more attempts than `MOST_ERRORS` could not be judged.
        DataError: an arm is not measured in full.
    """
    found = {}
    for arm in run.arms():
        kinds = []
        for kind, samples in (("greedy", 1), ("sampled", run.config.eval.samples)):
            attempts = run.files.served(arm, kind)
            kinds.append(_tally(run, arm, run.files.measured(arm, kind), attempts, samples))
        found[arm] = score.ArmTallies(*kinds)
    return found


def formats(run: Run) -> dict[str, score.Tally]:
    """The greedy outcomes of the base in each prompt format in which it was measured, the run's own first.

    Raises:
        CheckFailed, DataError: as `arms`.
    """
    found = {run.format.name: run.files.measured(score.BASE, "greedy")}
    found |= {name: run.files.asked(name) for name in FORMATS if name not in found}
    attempts = {name: judged.attempts.read() for name, judged in found.items()}
    return {
        name: _tally(run, f"{score.BASE} in {name}", found[name], rows, 1) for name, rows in attempts.items() if rows
    }


def _tally(run: Run, name: str, judged: Judged, attempts: Sequence[Attempt], samples: int) -> score.Tally:
    tally, total = score.tally(attempts, judged.verdicts.read()), samples * len(run.held)
    if sum(map(len, tally.outcomes.values())) < total:
        raise DataError(f"{name} is not measured in full", "run forge eval")
    if tally.errors > MOST_ERRORS * total:
        raise CheckFailed(f"{tally.errors} attempts of {name} could not be judged", "run forge check")
    return tally
