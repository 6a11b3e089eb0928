"""Where couples come from: what the model did itself, the controls, and the teacher."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from forge import controls, mine
from forge.config import MineConfig
from forge.decontaminate import Heldout
from forge.mine import Couple
from forge.nano import foreign, heldout
from forge.protocols import Domain
from forge.stream import Advance
from forge.types import Outcome, Problem, Verdict, to_row

_AT_ONCE = 256
"""How many failures are looked at before progress is told."""

Stage = Callable[[str, int], Advance]


def mined(
    domain: Domain,
    problems: Sequence[Problem],
    verdicts: Mapping[str, Sequence[Verdict]],
    settings: MineConfig,
    held: Heldout,
    seed: int,
    stage: Stage,
) -> tuple[list[Couple], dict[str, Any]]:
    """At most `limit` couples of own failures by the settings' policy, and what became of all the others."""
    found, failures = mine.couples(problems, verdicts, settings)
    told = _with_flaws(domain, found, verdicts, stage("find out what is wrong with failures", len(found)))
    wanted = [couple for couple in told if couple.flaw in settings.classes]
    clean, hits = mine.clean(wanted, held)
    used = mine.ranked(clean, verdicts, settings, seed)[: settings.limit]
    facts = {
        "couples": len(used),
        "edge": to_row(mine.edge(verdicts)),
        "failures": failures,
        "merged": failures - len(found),
        "flaws": dict(Counter(couple.flaw for couple in told).most_common()),
        "beyond quota": len(clean) - len(used),
        "hits": hits,
    }
    return used, facts


def corrupted(wanted: int, seed: int) -> list[controls.Triple]:
    """Clean programs of a foreign family, broken mechanically."""
    return list(foreign.foreign_pairs(seed, wanted))


def taught(wanted: int, seed: int) -> list[Couple]:
    """True references of the held-out problems' own family."""
    return [
        Couple(p, controls.verdict(p, "", Outcome.INVALID), controls.verdict(p, p.reference, Outcome.PASS))
        for p in heldout.training_problems(seed, wanted)
    ]


def judged(domain: Domain, triples: Sequence[controls.Triple], advance: Advance) -> list[Couple]:
    """Couples of the programs that fail, as said, and those that pass, as said."""
    items = [(problem, controls.stated(problem, text)) for problem, *texts in triples for text in texts]
    verdicts = []
    for verdict in domain.judge(items):
        verdicts.append(verdict)
        advance(1)
    unfit = (Outcome.PASS, Outcome.ERROR)
    return [
        Couple(problem, rejected, chosen)
        for (problem, _, _), rejected, chosen in zip(triples, verdicts[::2], verdicts[1::2], strict=True)
        if chosen.outcome is Outcome.PASS and rejected.outcome not in unfit
    ]


def _with_flaws(
    domain: Domain, couples: Sequence[Couple], verdicts: Mapping[str, Sequence[Verdict]], advance: Advance
) -> list[Couple]:
    """The same couples, with what is wrong with each rejected answer."""
    right = {
        name: list({row.answer: None for row in rows if row.outcome is Outcome.PASS}) for name, rows in verdicts.items()
    }
    told = []
    for start in range(0, len(couples), _AT_ONCE):
        part = couples[start : start + _AT_ONCE]
        flaws = domain.flaws([(c.problem, c.rejected, right[c.problem.id]) for c in part])
        told += [replace(couple, flaw=flaw) for couple, flaw in zip(part, flaws, strict=True)]
        advance(len(part))
    return told
