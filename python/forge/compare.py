"""Two files of judged rows over the same problems: the difference, its interval, a paired test, what changed.

Rows are those of `forge judge`, the choices of `forge sample`, or results of human-eval (`passed`) and EvalPlus
(`base_status`, `plus_status`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from forge import power, stats
from forge.errors import DataError
from forge.lines import Source, parsed_row
from forge.tally import SEED, Count
from forge.types import Outcome

SHOWN = 20
"""How many problems of a kind are named in words; all are in the value."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a file holds: the counts of each problem, rows that were not judged, and rows that are none."""

    name: str
    counts: dict[str, Count]
    errors: int
    faults: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Pass rates of two files over the problems that both have; `value` is B's minus A's, as a fraction.

    `p` is of the exact McNemar test where both have one sample of each problem, else of the paired sign flip.
    `smallest` is the smallest gain that this test would have shown four times in five, where problems differ as much as
    these; infinite where no gain would have been.
    """

    before: float
    after: float
    value: float
    low: float
    high: float
    test: str
    p: float
    smallest: float
    gained: list[str]
    lost: list[str]
    only_before: list[str]
    only_after: list[str]
    n: int


def read(name: str, say: Say) -> Judged:
    """The judged rows of a file; what is no such row is told with its line and left out.

    Raises:
        DataError: it cannot be read, or holds no judged row.
    """
    counts: dict[str, Count] = {}
    errors = faults = 0
    with Source(name) as source:
        for number, line in source:
            try:
                task, passed = _read(parsed_row(line))
            except (ValueError, RecursionError) as failure:
                faults += 1
                say(f"{name}, {source.unit} {number}: {failure}")
                continue
            if passed is None:
                errors += 1
            else:
                counts[task] = counts.get(task, Count()).more(passed)
    if source.failure:
        raise source.failure
    if not counts:
        raise DataError(f"{name} holds no judged row", "give what forge judge wrote to --out")
    return Judged(name, counts, errors, faults)


def _read(row: Mapping[str, Any]) -> tuple[str, bool | None]:
    """The problem of a row and whether it passed; None where it was not judged."""
    task = row.get("task_id", row.get("problem_id"))
    if not isinstance(task, str | int) or isinstance(task, bool):
        raise ValueError("has no task_id")
    if row.get("outcome") == Outcome.ERROR:
        return str(task), None
    if isinstance(row.get("passed"), bool):
        return str(task), row["passed"]
    if "problem_id" in row and row.get("outcome") in list(Outcome):
        return str(task), row["outcome"] == Outcome.PASS
    statuses = [row[key] for key in ("base_status", "plus_status") if row.get(key) is not None]
    if not statuses:
        raise ValueError("does not say whether it passed")
    return str(task), all(status == "pass" for status in statuses)


def compare(before: Judged, after: Judged) -> Comparison:
    """B against A over the problems that both have.

    Raises:
        DataError: they have none in common.
    """
    both = [task for task in before.counts if task in after.counts]
    if not both:
        hint = f"{_first(before)} is in {before.name}, {_first(after)} in {after.name}"
        raise DataError(f"{before.name} and {after.name} have no task_id in common", hint)
    old = [before.counts[task].passes / before.counts[task].samples for task in both]
    new = [after.counts[task].passes / after.counts[task].samples for task in both]
    low, high = stats.paired_interval(new, old)
    gained = [task for task, a, b in zip(both, old, new, strict=True) if b > a]
    lost = [task for task, a, b in zip(both, old, new, strict=True) if b < a]
    differences = [b - a for a, b in zip(old, new, strict=True)]
    n = len(both)
    single = all(judged.counts[task].samples == 1 for judged in (before, after) for task in both)
    if single:
        test, p = "exact McNemar", stats.mcnemar(len(gained), len(lost))
        smallest = power.detectable_gain(n, sum(old) / n, changed=(len(gained) + len(lost)) / n)
    else:
        smallest = power.detectable_shift(differences)
        test, p = "paired sign flip", stats.sign_flip(differences, seed=SEED)
    return Comparison(
        before=sum(old) / n,
        after=sum(new) / n,
        value=(sum(new) - sum(old)) / n,
        low=low,
        high=high,
        test=test,
        p=p,
        smallest=smallest,
        gained=gained,
        lost=lost,
        only_before=[task for task in before.counts if task not in after.counts],
        only_after=[task for task in after.counts if task not in before.counts],
        n=n,
    )


def told(found: Comparison, before: Judged, after: Judged) -> list[str]:
    """The comparison in words, one line for each fact."""
    could = f"{100 * found.smallest:.1f} points" if found.smallest <= 1 else "none of any size"
    finding = "distinguishable" if found.p < 0.05 else "not distinguishable"
    lines = [
        f"A: {100 * found.before:.1f} % of {found.n} problems, {before.name}",
        f"B: {100 * found.after:.1f} % of {found.n} problems, {after.name}",
        f"B - A: {100 * found.value:+.1f} points ({100 * found.low:+.1f} to {100 * found.high:+.1f}), "
        f"{found.test} p = {found.p:.3g}: {finding}",
        f"the smallest gain this could have shown: {could}",
        _listed("gained", found.gained),
        _listed("lost", found.lost),
    ]
    lines += [_listed(f"only in {name}", tasks) for name, tasks in
              ((before.name, found.only_before), (after.name, found.only_after)) if tasks]  # fmt: skip
    for judged in (before, after):
        if judged.errors:
            lines.append(f"{judged.errors} rows of {judged.name} were not judged and count nowhere")
    return lines


def _listed(what: str, tasks: list[str]) -> str:
    shown = ", ".join(tasks[:SHOWN])
    more = f" and {len(tasks) - SHOWN} more" if len(tasks) > SHOWN else ""
    return f"{what}: {len(tasks)}" + (f" ({shown}{more})" if tasks else "")


def _first(judged: Judged) -> str:
    return repr(next(iter(judged.counts)))
