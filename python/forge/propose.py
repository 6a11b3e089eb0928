"""The model's own problems: which proposals become problems, and why the others do not.

A proposal is an attempt at the one pseudo-problem `PROPOSE`; its verdict says `pass`, or carries the reason
of its rejection as feedback. Rows only: parsing and vetting are the domain's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

from forge.decontaminate import Heldout, Hit
from forge.protocols import UNJUDGED, Domain
from forge.types import Attempt, Outcome, Problem, Verdict

PROPOSE = Problem("propose", "", "train", "", {})
DUPLICATE = "duplicate"
LEAK = "overlaps a held-out problem"


def vetted(
    domain: Domain,
    proposals: Sequence[Attempt],
    known: Iterable[Problem],
    heldout: Heldout,
    seed: int,
) -> Iterator[tuple[Problem | None, Verdict]]:
    """For each proposal, in order, the problem it became (if it did) and its verdict.

    `known` are the problems kept so far.
    """
    seen = {key for problem in known for key in _identity(problem)}
    parsed = [domain.parse(proposal.completion) for proposal in proposals]
    # What is rejected anyway is not executed, and equal proposals are executed once.
    fresh = {found.id: found for found in parsed if isinstance(found, Problem) and not _barred(found, seen, heldout)}
    fit = dict(zip(fresh, domain.vet(list(fresh.values()), seed), strict=True))
    for proposal, found in zip(proposals, parsed, strict=True):
        answer = found.reference if isinstance(found, Problem) else ""
        result: Problem | str = found
        if isinstance(found, Problem):
            result = _barred(found, seen, heldout) or fit[found.id]
        if isinstance(result, Problem):
            seen.update(_identity(result))
        yield (result if isinstance(result, Problem) else None, _verdict(proposal, result, answer, domain.version))


def _barred(found: Problem, seen: Collection[str], heldout: Heldout) -> str:
    """Why a problem cannot be used whatever its reference does; empty where nothing speaks against it."""
    if heldout.find(found.prompt, found.reference) is not None:
        return LEAK
    return DUPLICATE if any(key in seen for key in _identity(found)) else ""


def leaks(verdicts: Iterable[Verdict], heldout: Heldout) -> list[tuple[Verdict, Hit]]:
    """Each proposal rejected for an overlap, with the held-out problem that it states again."""
    # An answer begins with its problem's stub, so that it stands for the prompt as well.
    found = ((v, heldout.find(v.answer, v.answer)) for v in verdicts if v.feedback == LEAK)
    return [(verdict, hit) for verdict, hit in found if hit is not None]


def reasons(verdicts: Iterable[Verdict]) -> Counter[str]:
    """How many proposals were rejected for each reason."""
    return Counter(verdict.feedback for verdict in verdicts if verdict.outcome is not Outcome.PASS)


def _identity(problem: Problem) -> tuple[str, str]:
    """Two problems are one when they ask for the same thing or have the same reference, layout aside."""
    return ("prompt:" + " ".join(problem.prompt.split()), "reference:" + " ".join(problem.reference.split()))


def _verdict(proposal: Attempt, found: Problem | str, answer: str, judge: str) -> Verdict:
    reason = found if isinstance(found, str) else ""
    outcome = Outcome.PASS if not reason else Outcome.FAIL if answer else Outcome.INVALID
    outcome = Outcome.ERROR if reason == UNJUDGED else outcome
    tests = len(found.tests["asserts"]) if isinstance(found, Problem) else 0
    return Verdict(proposal.id, outcome, answer, tests, tests, "", reason, 0.0, judge)
