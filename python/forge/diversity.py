"""How many different things a model does when it is asked the same thing several times.

A model that is trained on its own answers can come to give one answer only: greedy scores rise while best-of-N
falls. Rows only.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forge import dedup, stats
from forge.types import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Diversity:
    """One round of attempts, as means over its problems.

    `behaviours` and `programs` count, for a problem, the different behaviours and the programs whose code differs
    in more than names and layout. `entropy`, in bits, is that of the behaviours. `widest` is pass@`samples`;
    `slope` how much each doubling of the tries adds to the share of problems solved.
    """

    problems: int
    samples: int
    behaviours: float
    programs: float
    entropy: float
    widest: float
    slope: float


def diversity(verdicts: Mapping[str, Sequence[Verdict]]) -> Diversity | None:
    """The diversity of each problem's verdicts; None without a problem that has two judged attempts.

    Attempts that ended in `error` do not count. Problems with fewer samples than most are left out.
    """
    judged = {name: [row for row in rows if row.outcome is not Outcome.ERROR] for name, rows in verdicts.items()}
    rounds = {name: rows for name, rows in judged.items() if rows}
    sizes = Counter(map(len, rounds.values()))
    samples = max(sizes, key=lambda size: (sizes[size], size), default=0)
    full = [rows for rows in rounds.values() if len(rows) >= samples]
    if samples < 2:
        return None
    passed = [sum(row.outcome is Outcome.PASS for row in rows) for rows in full]
    at = {
        k: _mean([stats.pass_at_k(len(rows), count, k) for rows, count in zip(full, passed, strict=True)])
        for k in (1, samples)
    }
    return Diversity(
        problems=len(full),
        samples=samples,
        behaviours=_mean([len({_behaviour(row) for row in rows}) for rows in full]),
        programs=_mean([len({dedup.fingerprint(row.answer) for row in rows}) for rows in full]),
        entropy=_mean([_entropy(Counter(map(_behaviour, rows))) for rows in full]),
        widest=at[samples],
        slope=(at[samples] - at[1]) / math.log2(samples),
    )


def collapse(before: Diversity, after: Diversity) -> str:
    """A warning if answers have become half as many, and more tries find nothing more than before; else empty."""
    if after.programs > before.programs / 2 or after.widest > before.widest:
        return ""
    return (
        f"Answers have collapsed: {after.programs:.1f} different programs a problem where there were "
        f"{before.programs:.1f}, and pass@{after.samples} went from {100 * before.widest:.1f} % to "
        f"{100 * after.widest:.1f} %."
    )


def _behaviour(row: Verdict) -> tuple[str, str]:
    return (str(row.outcome), row.behaviour)


def _entropy(counts: Mapping[tuple[str, str], int]) -> float:
    total = sum(counts.values())
    return -sum(count / total * math.log2(count / total) for count in counts.values())


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
