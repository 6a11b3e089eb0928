"""The panel: the base model asked in several prompt formats, so that a better grip on one is not taken for learning.

Splits what an adapter gains over the base in the run's own format: *elicitation* is what the base itself gains in its
best format, *learning* what the adapter is ahead of that. The best is chosen on the problems on which it is measured;
`halves` says what is left of elicitation where it is not. Reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from forge import models, score
from forge.config import ALL
from forge.errors import ConfigError
from forge.prompts import FORMATS, Format, render
from forge.report.content import Panel
from forge.report.plots import percent
from forge.score import ADAPTER, ALPHA, BASE, ArmTallies, Tally
from forge.types import Delta, Problem

SPLITS = 200
"""How often the problems are halved at random."""


def other_formats(
    wanted: Sequence[str], model: str, tokenizer: Any, own: Format, problems: Sequence[Problem], max_tokens: int,
    context: int = 0,
) -> tuple[list[Format], list[str]]:  # fmt: skip
    """The formats beside its own in which a model can be asked these problems, and why others are left out.

    `context` is how many tokens a sequence may hold; 0 asks the model's configuration.

    Raises:
        ConfigError: a format that is wanted by name needs another tokenizer.
    """
    if not wanted or tokenizer is None:
        return [], []
    allowed = models.formats(tokenizer)
    for name in wanted:
        if name != ALL and FORMATS[name] not in allowed:
            raise ConfigError(f"the tokenizer of {model!r} does not allow {name!r}", "take it out of eval.panel")
    chosen, left_out = [], []
    context = context or models.context(model)
    for format in allowed:
        if format is own or not (ALL in wanted or format.name in wanted):
            continue
        longest = max(_length(tokenizer, format, problem) for problem in problems)
        if 0 < context < longest + max_tokens:
            room = f"eval.max_tokens = {max_tokens} do not fit the model's {context} tokens"
            left_out.append(f"{format.name}, since a prompt of {longest} tokens and {room}")
        else:
            chosen.append(format)
    return chosen, left_out


def _length(tokenizer: Any, format: Format, problem: Problem) -> int:
    prompt = format.solve(problem)
    return len(models.encode(tokenizer, prompt, render(tokenizer, prompt)))


def parts(
    own: str, base: Mapping[str, Tally], adapter: Tally | None, *, split: str, model: str, seed: int
) -> Panel | None:
    """What the base does in each format, and the adapter's gain in two parts; None with one format only.

    `base` holds the greedy tally of each format, the run's `own` among them. The p of the formats is corrected
    for their number, that of learning stands alone.
    """
    rates = {name: tally.firsts() for name, tally in base.items()}
    shared = [i for i in rates[own] if all(i in found for found in rates.values())]
    if len(base) < 2 or not shared:
        return None
    # The run's own format first: it wins ties.
    names = sorted(base, key=lambda name: name != own)
    passes = {name: [rates[name][i] for i in shared] for name in names}
    best = max(names, key=lambda name: sum(passes[name]))
    nothing = Tally({})
    arms = {name: ArmTallies(tally, nothing) for name, tally in base.items()}
    found = score.deltas(arms, [(name, own) for name in names[1:]], split=split, k=1, seed=seed)
    deltas = {d.arm: replace(d, arm=BASE, against=BASE, format=d.arm, against_format=own) for d in found}
    learning = None
    if adapter is not None:
        pair = {ADAPTER: ArmTallies(adapter, nothing), BASE: arms[best]}
        for delta in score.deltas(pair, [(ADAPTER, BASE)], split=split, k=1, seed=seed):
            learning = replace(delta, format=own, against_format=best)
    scores = [
        each
        for name in names
        for each in score.scores(base[name], nothing, split=split, model=model, adapter="", format=name)
    ]
    halves = _halves([passes[name] for name in names], seed) if len(shared) > 1 else 0.0
    note = _note(len(names), halves)
    return Panel(own, best, scores, list(deltas.values()), deltas.get(best), learning, halves, note)


def _halves(passes: Sequence[Sequence[bool]], seed: int) -> float:
    """What the best row is ahead of the first, chosen on one half of the columns and measured on the other."""
    import numpy

    table = numpy.array(passes, dtype=float)
    source = numpy.random.default_rng(seed)
    middle = table.shape[1] // 2
    found = []
    for _ in range(SPLITS):
        order = source.permutation(table.shape[1])
        for chosen, measured in ((order[:middle], order[middle:]), (order[middle:], order[:middle])):
            best = int(table[:, chosen].sum(1).argmax())
            found.append(table[best, measured].mean() - table[0, measured].mean())
    return float(numpy.mean(found))


def sentences(panel: Panel | None, own: str, adapter: bool) -> list[str]:
    """What the panel says about a gain, in plain words; `adapter` says whether there is any to speak of."""
    if panel is None:
        alone = f"The base model was asked in one prompt format only, {own}: how much of a gain is a better grip on it"
        return [f"{alone}, and not learning, this run cannot say."] if adapter else []
    each = ", ".join(f"{s.format} {percent(s.value)}%" for s in panel.scores)
    told = [f"With one greedy answer the base model solves, by the prompt format in which it is asked: {each}."]
    ahead = panel.elicitation
    if ahead is None:
        gain = " All of the adapter's gain over it counts as learning." if adapter else ""
        return [f"{told[0]} None beats the run's own, {own}.{gain}"]
    if ahead.p_holm < ALPHA:
        told.append(
            f"Asked in {panel.best} the base model is better by {_told(ahead)} than in the run's own format, {own}:"
            f' a fair baseline asks it so (model.format = "{panel.best}").'
        )
    else:
        told.append(f"The best, {panel.best}, is not distinguishable from the run's own, {own}: {_told(ahead)}.")
    if panel.learning is not None:
        told.append(
            f"So the adapter's difference from the base splits into elicitation, {percent(ahead.value, signed=True)}"
            f" points, and learning, the adapter minus the base in {panel.best}: {_told(panel.learning)}."
        )
    return [*told, panel.note]


def _note(formats: int, halves: float) -> str:
    return (
        f"The best of {formats} formats was chosen on the problems that it is measured on, which makes elicitation look"
        " larger and learning smaller than they are, and their intervals do not allow for it. Chosen on one half of the"
        f" problems and measured on the other, elicitation is {percent(halves, signed=True)} points."
    )


def _told(delta: Delta) -> str:
    p = "p < 0.001" if delta.p_holm < 0.001 else f"p = {delta.p_holm:.2g}"
    p += " after correction" if delta.p_holm != delta.p else ""
    bounds = f"{percent(delta.low, signed=True)} to {percent(delta.high, signed=True)}"
    return f"{percent(delta.value, signed=True)} points (95% interval {bounds}, {p})"
