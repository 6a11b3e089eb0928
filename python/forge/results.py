"""What a run's rows add up to: scores, differences and the content of its report.

Reads a run and computes nothing itself that `score` does not; shows nothing itself that `report` does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from forge import diversity, header, measured, panel, propose, report, score
from forge.config import to_toml, to_tree
from forge.diversity import Diversity
from forge.generators.live import UNPROVEN
from forge.mine import by_problem
from forge.pipeline import Run
from forge.prompts import NANO
from forge.report import Arm, Example, Hit, Panel, ProblemRate, Report, Step
from forge.store import write_whole
from forge.types import Delta, Outcome, Score, to_row

_SHOWN = 60
"""How many pairs the report carries: enough to browse, and the file stays small."""


def finish(run: Run) -> Report:
    """Score the run, write `scores.json` and `report.html`, and return what they hold.

    Raises:
        CheckFailed: too many attempts could not be judged.
        DataError: an arm is not measured in full.
    """
    run.check_grader()
    tallies = measured.arms(run)
    split = run.config.eval.benchmark
    ks = [k for k in (1, 2, 4, 8, 16, 32, 64) if k <= run.config.eval.samples]
    seed = run.seed("bootstrap")
    asked = run.format.name
    scores = {
        arm: score.scores(
            found.greedy, found.sampled, split=split, model=run.config.model.name, adapter=_adapter(run, arm),
            format=asked, ks=ks,
        )
        for arm, found in tallies.items()
    }  # fmt: skip
    deltas = score.deltas(tallies, _comparisons(tallies), split=split, k=ks[-1], seed=seed, format=asked)
    errors = sum(found.greedy.errors + found.sampled.errors for found in tallies.values())
    pairs = len(run.files.pairs.read()) if run.invents else None
    varieties = _varieties(run, tallies)
    formats = _panel(run, tallies, seed)
    sentences = [
        *score.conclusion(scores, deltas, pairs=pairs, errors=errors),
        *panel.sentences(formats, asked, score.ADAPTER in tallies), *_collapse(varieties), *_caveats(run),
    ]  # fmt: skip
    rows: dict[str, Any] = {"scores": {arm: [to_row(s) for s in found] for arm, found in scores.items()}}
    rows |= {"deltas": [to_row(d) for d in deltas], "panel": _panel_rows(formats), "conclusion": sentences}
    write_whole(run.files.path / "scores.json", json.dumps(rows, indent=1) + "\n")
    content = replace(_content(run, tallies, scores, deltas, sentences, varieties), panel=formats)
    write_whole(run.files.path / "report.html", report.html(content))
    return content


def _panel(run: Run, tallies: Mapping[str, score.ArmTallies], seed: int) -> Panel | None:
    """The base in every format in which it was measured, and what that says about the adapter."""
    adapter = tallies[score.ADAPTER].greedy if score.ADAPTER in tallies else None
    benchmark, model = run.config.eval.benchmark, run.config.model.name
    return panel.parts(run.format.name, measured.formats(run), adapter, split=benchmark, model=model, seed=seed)


def _panel_rows(found: Panel | None) -> dict[str, Any]:
    """The panel as `scores.json` holds it; empty where there is none."""
    if found is None:
        return {}
    both = {"elicitation": found.elicitation, "learning": found.learning}
    return {
        "own": found.own,
        "best": found.best,
        "scores": [to_row(each) for each in found.scores],
        "deltas": [to_row(each) for each in found.deltas],
        **{name: None if each is None else to_row(each) for name, each in both.items()},
        "elicitation_by_halves": found.halves,
        "note": found.note,
    }


def _comparisons(arms: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every arm against the base, and the adapter against every other arm."""
    others = [arm for arm in arms if arm != score.BASE]
    against = [(score.ADAPTER, arm) for arm in others if arm != score.ADAPTER and score.ADAPTER in arms]
    return [(arm, score.BASE) for arm in others] + against


def _adapter(run: Run, arm: str) -> str:
    marker = run.files.marker(arm)
    return "" if marker is None else f"{arm}@{marker['digest']}"


def _caveats(run: Run) -> list[str]:
    unproven = [arm for arm in run.arms() if any(UNPROVEN in a.generator for a in run.files.served(arm, "greedy"))]
    told = [
        f"The server that answered for {', '.join(unproven)} gives no log-probabilities of prompts: nothing shows that "
        "it used the adapter that was trained."
    ] * bool(unproven)
    if not run.invents:
        return [
            *told,
            f"Problems of the domain {run.domain.name!r} cannot be invented, so this run only measured the model.",
        ]
    if run.format is not NANO:
        return told
    return [
        *told,
        "The embedded model is a model organism: it was trained on code by careful and careless authors, so that "
        "there is something to gain. Its gain shows that the method works, not what another model would gain.",
    ]


def _content(
    run: Run,
    tallies: Mapping[str, score.ArmTallies],
    scores: Mapping[str, Sequence[Score]],
    deltas: Sequence[Delta],
    sentences: Sequence[str],
    varieties: Sequence[tuple[str, Diversity]],
) -> Report:
    arms = [
        Arm(arm, scores[arm], score.ledger(found.greedy), score.ledger(found.sampled)) for arm, found in tallies.items()
    ]
    marker = run.files.marker(score.ADAPTER)
    hits = _hits(run)
    return Report(
        title=f"{run.config.model.name} on {run.config.eval.benchmark}",
        conclusion=sentences,
        facts=_facts(run),
        config=to_toml(to_tree(run.config)),
        arms=arms,
        deltas=deltas,
        problems=_rates(tallies),
        funnel=_funnel(run),
        losses=list(enumerate(marker["losses"], start=1)) if marker else (),
        compared=len(run.files.kept()) + 2 * int(run.files.record("pairs").get("couples", 0)) + len(hits),
        hits=hits,
        examples=_examples(run),
        varieties=varieties,
    )


def _varieties(run: Run, arms: Iterable[str]) -> list[tuple[str, Diversity]]:
    """How different the samples are: those that were mined, then those at held-out problems, arm by arm."""
    rounds = [("own problems, before training", run.files.tried.by_problem())]
    for arm in arms:
        verdicts = run.files.measured(arm, "sampled").verdicts.read()
        rounds.append((arm, by_problem(run.files.served(arm, "sampled"), verdicts)))
    found = [(name, diversity.diversity(verdicts)) for name, verdicts in rounds]
    return [(name, variety) for name, variety in found if variety is not None]


def _collapse(varieties: Sequence[tuple[str, Diversity]]) -> list[str]:
    named = dict(varieties)
    if score.BASE not in named or score.ADAPTER not in named:
        return []
    warning = diversity.collapse(named[score.BASE], named[score.ADAPTER])
    return [warning] if warning else []


def _facts(run: Run) -> dict[str, str]:
    """What a reader should know of how this run was made."""
    begun = header.read(run.files.path)
    return {
        "model": f"{run.config.model.name} ({begun['inputs']['model']})",
        "seed": str(run.config.run.seed),
        "date": begun["forge"]["begun"],
        "held-out problems": f"{len(run.held)} of {run.config.eval.benchmark}",
        "prompt format": run.format.name,
        "judge": run.domain.version,
        **begun["versions"],
    }


def _rates(tallies: Mapping[str, score.ArmTallies]) -> list[ProblemRate]:
    if score.ADAPTER not in tallies:
        return []
    base, after = (tallies[arm].sampled.counts() for arm in (score.BASE, score.ADAPTER))
    return [ProblemRate(i, base[i][1] / base[i][0], after[i][1] / after[i][0]) for i in base if i in after]


def _funnel(run: Run) -> list[Step]:
    verdicts = run.files.proposals.latest()
    parsing = propose.reasons(v for v in verdicts if v.outcome is Outcome.INVALID)
    why = propose.reasons(v for v in verdicts if v.outcome is Outcome.FAIL)
    unfit = {reason: n for reason, n in why.items() if reason not in (propose.LEAK, propose.DUPLICATE)}
    steps, left = [Step("proposed", len(verdicts))], len(verdicts)
    for name, rejected in (
        ("parsed", parsing),
        ("no overlap with held-out problems", {r: why[r] for r in (propose.LEAK,) if r in why}),
        ("new", {r: why[r] for r in (propose.DUPLICATE,) if r in why}),
        ("reference and tests hold up in the sandbox", unfit),
    ):
        left -= sum(rejected.values())
        steps.append(Step(name, left, rejected))
    mined = run.files.record("pairs")
    if mined:
        edge = mined["edge"]
        steps.append(Step("at the edge", edge["some"], {"always solved": edge["all"], "never solved": edge["none"]}))
        steps += _mined(mined, run.config.mine.classes)
    return steps


def _mined(facts: Mapping[str, Any], wanted: Sequence[str]) -> list[Step]:
    """From failing attempts at problems at the edge to pairs."""
    left = facts["failures"] - facts["merged"]
    flaws: Mapping[str, int] = facts["flaws"]
    unwanted = {f"flaw: {name}": count for name, count in flaws.items() if name not in wanted}
    fit = left - sum(unwanted.values())
    kinds = ", ".join(f"{flaws[name]} {name}" for name in wanted if name in flaws)
    leaked = fit - facts["couples"] - facts["beyond quota"]
    lost = {"an answer overlaps a held-out one": leaked, "beyond the quotas": facts["beyond quota"]}
    return [
        Step("failing attempts at those", facts["failures"]),
        Step("not a near-duplicate that fails alike", left, {"near-duplicate": facts["merged"]}),
        Step(f"of a wanted flaw ({kinds or 'none'})", fit, unwanted),
        Step("couples used", facts["couples"], {reason: count for reason, count in lost.items() if count}),
        Step("pairs", facts["rows"]),
    ]


def _hits(run: Run) -> list[Hit]:
    found = propose.leaks(run.files.proposals.latest(), run.heldout)
    proposed = [
        Hit(verdict.attempt_id, hit.problem.id, verdict.answer, hit.problem.reference or hit.problem.prompt, hit.how)
        for verdict, hit in found
    ]
    mined = run.files.record("pairs").get("hits", ())
    return proposed + [Hit(row["id"], row["heldout"], row["text"], row["heldout_text"], row["how"]) for row in mined]


def _examples(run: Run) -> list[Example]:
    problems = {problem.id: problem for problem in run.files.kept()}
    outcomes = {verdict.attempt_id: verdict.outcome for verdict in run.files.tried.verdicts.read()}
    return [
        Example(
            pair.problem_id, pair.kind, outcomes.get(pair.rejected_id, Outcome.FAIL), problems[pair.problem_id].prompt,
            pair.feedback, pair.rejected, pair.chosen, pair.flaw,
        )
        for pair in run.files.pairs.read()[:_SHOWN]
        if pair.problem_id in problems
    ]  # fmt: skip
