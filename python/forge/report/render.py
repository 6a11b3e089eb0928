"""A run's report: one HTML file that opens anywhere, and the table a terminal shows at the end.

Holds how a `Report` looks; what is in one is in `report.content`. Promises: nothing is computed here, only
shown; the file refers to nothing outside itself, and its policy forbids it to; whatever a model or a
benchmark wrote is escaped wherever it appears. What a run did not measure is left out or said not to have
been measured. Writes no file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

from rich.table import Table
from rich.text import Text

from forge.diversity import Diversity
from forge.report import page, plots
from forge.report.content import Arm, Example, Panel, ProblemRate, Report, Step
from forge.report.plots import Bar, Bubble, Curve, Mark, percent
from forge.report.texts import block, escape
from forge.types import Delta, Outcome, Score

_GREEDY = "greedy pass@1"
_CHANGE = ("points", "95% interval", "p corrected", "p", "smallest gain", "problems")
_PASS_AT = re.compile(r"pass@(\d+)")


def html(content: Report) -> str:
    """The report as one self-contained HTML document, to be written as UTF-8."""
    sections = (
        _scores(content.arms),
        _differences(content.deltas),
        _formats(content.panel),
        _breadth(content.arms),
        _variety(content.varieties),
        _outcomes(content.arms),
        _problems(content.problems),
        _funnel(content.funnel),
        _training(content.losses),
        _decontamination(content),
        _examples(content.examples),
    )
    body = f"{_head(content)}<main>\n{''.join(sections)}</main>\n{_made(content)}"
    return page.document(content.title, body)


def table(content: Report) -> Table:
    """The scores as a terminal table: each arm's first answer, its widest pass@k, its gain over the base."""
    widest = max((_width(score.metric) for arm in content.arms for score in arm.scores), default=1)
    metrics = list(dict.fromkeys((_GREEDY, f"pass@{widest}")))
    gains = {d.arm: d for d in content.deltas if d.metric == _GREEDY and d.against == "base"}
    shown = Table(title=Text(content.title), title_justify="left", caption="95% intervals; p after Holm's correction")
    shown.add_column("arm, prompt format")
    for name in (*metrics, "gain over base (greedy)"):
        shown.add_column(name, justify="right")
    rows = []
    for arm in content.arms:
        found = {score.metric: score for score in arm.scores}
        name = "\n".join(filter(None, (arm.name, *{score.format for score in arm.scores})))
        rows.append((name, *(_cell(found.get(metric)) for metric in metrics), _gain(gains.get(arm.name))))
    for row in rows + _split(content.panel, len(metrics)):
        # Text, not str: square brackets in a name are no style here.
        shown.add_row(*map(Text, row))
    return shown


def _split(panel: Panel | None, metrics: int) -> list[tuple[str, ...]]:
    """The rows of the base in other formats, and of the two parts of the adapter's gain."""
    if panel is None:
        return []
    ahead = {delta.format: delta for delta in panel.deltas}
    rest = [""] * (metrics - 1)
    rows = [(f"base\n{s.format}", _cell(s), *rest, _gain(ahead.get(s.format))) for s in panel.scores[1:]]
    if panel.learning is not None:
        elicited = _gain(panel.elicitation) or f"0.0, {panel.own} is best"
        rows.append(("elicitation", "", *rest, elicited))
        rows.append((f"learning, over\nbase {panel.best}", "", *rest, _gain(panel.learning)))
    return rows


def _cell(score: Score | None) -> str:
    return "not measured" if score is None else f"{percent(score.value)}%\n{_range(score)}"


def _gain(delta: Delta | None) -> str:
    if delta is None:
        return ""
    return f"{percent(delta.value, signed=True)}, p {_p(delta.p_holm)}\n{_range(delta, signed=True)}"


def _range(found: Score | Delta, *, signed: bool = False) -> str:
    return f"{percent(found.low, signed=signed)} to {percent(found.high, signed=signed)}"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def _head(content: Report) -> str:
    first, *others = content.conclusion or ("Nothing was concluded.",)
    byline = "".join(f"<span>{escape(v)}</span>" for k, v in content.facts.items() if k in ("model", "seed", "date"))
    findings = "".join(f"<li>{escape(sentence)}</li>" for sentence in others)
    return (
        f'<header>\n<p class="kicker">Run report</p>\n<h1>{escape(content.title)}</h1>\n'
        f'<p class="byline">{byline}</p>\n<p class="standfirst">{escape(first)}</p>\n'
        f'<ul class="findings">{findings}</ul>\n</header>\n'
    )


def _scores(arms: Sequence[Arm]) -> str:
    widest = max((_width(score.metric) for arm in arms for score in arm.scores), default=0)
    metrics = dict.fromkeys((_GREEDY, "pass@1", f"pass@{widest}"))
    rows = {m: [_mark(arm.name, s) for arm in arms for s in arm.scores if s.metric == m] for m in metrics}
    panels = [(_words(metric), marks) for metric, marks in rows.items() if marks]
    if not panels:
        return page.section("How many problems are solved", "<p>Nothing was measured.</p>")
    lines = [
        (arm.name, s.format or "not recorded", s.metric, percent(s.value), _range(s), f"{s.n:,}")
        for arm in arms
        for s in arm.scores
    ]
    return page.section(
        "How many problems are solved",
        "<p>Each dot is a measured share of held-out problems, its line the 95% interval."
        f" The dotted line marks {escape(arms[0].name)}.</p>"
        + page.figure(lambda width: plots.intervals("Share of problems solved, by arm and measure", panels, width))
        + page.table(("arm", "prompt format", "measure", "%", "95% interval", "problems"), lines, 3),
    )


def _differences(deltas: Sequence[Delta]) -> str:
    if not deltas:
        return ""
    groups: dict[str, list[Mark]] = {}
    for d in deltas:
        over_base = d.against == "base"
        row = Mark(d.arm if over_base else d.against, _tone(d.arm), d.value, d.low, d.high)
        title = f"{d.metric}, gain over base" if over_base else f"{d.metric}, {d.arm} minus \u2026"
        groups.setdefault(title, []).append(row)
    lines = [(d.arm, d.against, d.metric, *_change(d)) for d in deltas]
    return page.section(
        "What changed",
        "<p>Differences on the same problems, in percentage points. An interval that crosses the dotted line"
        " includes no change.</p>"
        + page.figure(
            lambda width: plots.intervals("Differences between arms", list(groups.items()), width, signed=True)
        )
        + page.table(("arm", "minus", "measure", *_CHANGE), lines, 3, shown=True)
        + '<p class="note">p: exact McNemar test for greedy pass@1, sign-flip test otherwise;'
        " corrected by Holm\u2019s method within each measure. Smallest gain: the smallest that this could have shown,"
        " with a chance of four in five, where problems differ as much as these.</p>",
    )


def _formats(panel: Panel | None) -> str:
    if panel is None:
        return ""
    solved = [Mark(s.format, "base", s.value, s.low, s.high) for s in panel.scores]
    body = (
        "<p>The base model with one greedy answer per problem, asked in each prompt format that its tokenizer allows."
        f" The dotted line marks the run\u2019s own format, {escape(panel.own)}.</p>"
        + page.figure(lambda width: plots.intervals("Share solved by the base model, by format", [("", solved)], width))
    )
    parts = [("elicitation", panel.elicitation), ("learning", panel.learning)]
    marks = [Mark(name, "adapter", d.value, d.low, d.high) for name, d in parts if d is not None]
    if marks:
        body += (
            f"<p>Elicitation: the base in its best format, {escape(panel.best)}, minus the base in {escape(panel.own)}."
            f" Learning: the adapter minus the base in {escape(panel.best)}.</p>"
            + page.figure(lambda width: plots.intervals("The two parts of a gain", [("", marks)], width, signed=True))
        )
    rows = [(f"base in {d.format}", f"base in {d.against_format}", *_change(d)) for d in panel.deltas]
    if panel.learning is not None:
        rows.append(("adapter", f"base in {panel.best}", *_change(panel.learning)))
    note = f'<p class="note">{escape(panel.note)}</p>'
    return page.section(
        "What the prompt format gives", body + page.table(("", "minus", *_CHANGE), rows, 2, shown=True) + note
    )


def _change(d: Delta) -> tuple[str, ...]:
    smallest = "none" if d.smallest is None else percent(d.smallest)
    return percent(d.value, signed=True), _range(d, signed=True), _p(d.p_holm), _p(d.p), smallest, f"{d.n:,}"


def _breadth(arms: Sequence[Arm]) -> str:
    lines: list[Curve] = []
    for arm in arms:
        found = sorted((s for s in arm.scores if _PASS_AT.fullmatch(s.metric)), key=lambda s: _width(s.metric))
        marks = [_mark(arm.name, s, _width(s.metric)) for s in found]
        again = any(line.tone == _tone(arm.name) for line in lines)
        if marks:
            lines.append(
                Curve(
                    arm.name.removeprefix("control: "),
                    _tone(arm.name),
                    marks,
                    band=arm.name in ("base", "adapter"),
                    dash=again,
                )
            )
    if not lines or max(len(line.marks) for line in lines) < 2:
        return ""
    rows = [
        (line.label, f"{m.x:g}", percent(m.value), f"{percent(m.low)} to {percent(m.high)}")
        for line in lines
        for m in line.marks
    ]
    return page.section(
        "What more tries would find",
        "<p>pass@k: the chance that at least one of k sampled answers passes, averaged over problems. Training"
        " often lifts the left end and lowers the right. Bands are 95% intervals.</p>"
        + page.figure(
            lambda width: plots.curves("pass@k by number of tries and arm", lines, width, "tries per problem, k")
        )
        + page.table(("arm", "k", "%", "95% interval"), rows, 1),
    )


def _variety(rounds: Sequence[tuple[str, Diversity]]) -> str:
    if not rounds:
        return ""
    lines = [
        (
            name,
            f"{d.problems:,} x {d.samples}",
            f"{d.behaviours:.2f}",
            f"{d.programs:.2f}",
            f"{d.entropy:.2f}",
            percent(d.slope, signed=True),
        )
        for name, d in rounds
    ]
    heads = ("round", "problems x samples", "behaviours", "programs", "entropy, bits", "points for twice the tries")
    return page.section(
        "How different the answers are",
        "<p>Of the samples at one problem: how many behave differently, and how many are different programs, names"
        " and layout aside. A model that has learned to solve a problem needs fewer; one that gives up variety without"
        " solving more has collapsed.</p>" + page.table(heads, lines, 1, shown=True),
    )


def _outcomes(arms: Sequence[Arm]) -> str:
    ledgers = [
        ("First, greedy answers", [(arm.name, arm.greedy) for arm in arms if sum(arm.greedy.values())]),
        ("All sampled answers", [(arm.name, arm.sampled) for arm in arms if sum(arm.sampled.values())]),
    ]
    used = [o for o in Outcome if any(ledger.get(o) for _, rows in ledgers for _, ledger in rows)]
    if not used:
        return ""
    body = "<p>Every attempt ends in exactly one outcome; none is dropped.</p>"
    body += page.legend((o, f"o-{o}") for o in used)
    for name, rows in ledgers:
        if rows:
            bars = [Bar(arm, [(o, ledger.get(o, 0), f"o-{o}") for o in used]) for arm, ledger in rows]
            lines = [(arm, *(f"{ledger.get(o, 0):,}" for o in used)) for arm, ledger in rows]
            body += f"<h3>{name}</h3>" + page.figure(_stacks(f"Outcomes of attempts by arm: {name}", bars))
            body += page.table(("arm", *used), lines, 1)
    errors = sum(ledger.get(Outcome.ERROR, 0) for _, rows in ledgers for _, ledger in rows)
    body += (
        f'<p class="note">error: forge or its host failed on {errors:,} attempts; they are in no score.</p>'
        if errors
        else '<p class="note">No attempt was lost to an error of forge or its host.</p>'
    )
    return page.section("How attempts end", body)


def _problems(rates: Sequence[ProblemRate]) -> str:
    if not rates:
        return ""
    places: dict[tuple[float, float], list[str]] = {}
    for rate in rates:
        places.setdefault((rate.base, rate.adapter), []).append(rate.problem_id)
    points = [Bubble(x, y, len(ids), _who(ids, x, y)) for (x, y), ids in places.items()]
    better, worse = sum(r.adapter > r.base for r in rates), sum(r.adapter < r.base for r in rates)
    lines = [(r.problem_id, percent(r.base), percent(r.adapter)) for r in rates]
    return page.section(
        "Problem by problem",
        f"<p>Of {len(rates):,} problems, {better:,} are solved more often with the adapter, {worse:,} less often and"
        f" {len(rates) - better - worse:,} as often. The larger a bubble, the more problems lie there.</p>"
        + page.figure(
            lambda width: plots.bubbles(
                "Share of passing attempts per problem, base against adapter",
                points,
                min(width, 480),
                "base: attempts that pass",
                "adapter: attempts that pass",
            )
        )
        + page.table(("problem", "base %", "adapter %"), lines, 1),
    )


def _funnel(steps: Sequence[Step]) -> str:
    if not steps:
        return ""
    most = max(1, *(step.count for step in steps))
    items = "".join(
        f'<li><div class="head"><b>{escape(step.name)}</b><span>{step.count:,}</span></div>'
        f'{page.meter(step.count / most)}<ul class="lost">{_lost(step)}</ul></li>'
        for step in steps
    )
    return page.section(
        "Where the pairs come from",
        "<p>What each step let through, and why it rejected the rest.</p>" + f'<ol class="funnel">{items}</ol>',
    )


def _training(losses: Sequence[tuple[int, float]]) -> str:
    points = [(float(step), loss) for step, loss in losses if math.isfinite(loss)]
    if not points:
        return ""
    lost = len(losses) - len(points)
    lines = [(f"{step:,}", f"{loss:.4g}") for step, loss in losses]
    return page.section(
        "Training",
        "<p>Loss on the training pairs, per step. It says that training ran, not that the model got better.</p>"
        + page.figure(lambda width: plots.series("Training loss per step", points, width, "step"))
        + (f'<p class="note">{lost:,} steps without a finite loss are not drawn.</p>' if lost else "")
        + page.table(("step", "loss"), lines, 0),
    )


def _decontamination(content: Report) -> str:
    if content.compared is None:
        found = "Training texts were not compared with the held-out problems in this run."
    else:
        close = f"{len(content.hits):,} came too close" if content.hits else "none came too close"
        found = f"{content.compared:,} training texts were compared with the held-out problems; {close}."
    hits = "".join(
        f'<details class="hit"><summary>{escape(hit.text_id)} and {escape(hit.heldout_id)}'
        f"{page.tags(*filter(None, (hit.how, hit.fate)))}</summary>"
        f"{page.sides(('Training', 'Held out'), (hit.text, hit.heldout_text))}</details>"
        for hit in content.hits
    )
    return page.section("Overlap with the held-out problems", f"<p>{found}</p>{hits}")


def _examples(examples: Sequence[Example]) -> str:
    if not examples:
        return ""
    choices = page.choice("kind", "kind", [e.kind for e in examples])
    choices += page.choice("outcome", "rejected for", [e.outcome for e in examples])
    choices += page.choice("flaw", "what was wrong", [e.flaw for e in examples if e.flaw])
    pairs = "".join(
        f'<details class="pair" data-kind="{escape(e.kind)}" data-outcome="{escape(e.outcome)}"'
        f' data-flaw="{escape(e.flaw)}">'
        f"<summary>{escape(e.problem_id)}{page.tags(*filter(None, (e.kind, e.outcome, e.flaw)))}</summary>"
        f"<h4>Problem</h4>{block(e.problem)}<h4>Feedback</h4>{block(e.feedback)}"
        f"{page.sides(('Rejected', 'Chosen'), (e.rejected, e.chosen))}</details>"
        for e in examples
    )
    return page.section(
        "Pairs, one by one",
        "<p>What the model was taught from: its own rejected answer, what the tests said, the answer that passed.</p>"
        f'<div id="pairs"><div class="controls" hidden>{choices}<button type="button">Previous</button>'
        f'<button type="button">Next</button><span class="where" role="status"></span></div>{pairs}</div>',
    )


def _made(content: Report) -> str:
    config = page.folded("Configuration", content.config) if content.config else ""
    return f"<footer>\n<h2>How this was made</h2>\n{page.facts(content.facts.items())}\n{config}\n</footer>\n"


def _stacks(title: str, bars: Sequence[Bar]) -> Callable[[int], str]:
    return lambda width: plots.stacks(title, bars, width)


def _mark(label: str, score: Score, x: float = 0.0) -> Mark:
    return Mark(label, _tone(label), score.value, score.low, score.high, x)


def _tone(arm: str) -> str:
    kind = arm.partition(":")[0]
    return kind if kind in ("base", "adapter", "control", "teacher") else "other"


def _width(metric: str) -> int:
    """The k of pass@k, 0 for any other metric."""
    found = _PASS_AT.fullmatch(metric)
    return int(found[1]) if found else 0


def _words(metric: str) -> str:
    if metric == _GREEDY:
        return "Greedy pass@1 (one answer, the most likely)"
    if metric == "pass@1":
        return "pass@1 (one sampled answer)"
    return f"{metric} (any of {_width(metric)} sampled answers)" if _width(metric) else metric


def _who(ids: Sequence[str], base: float, adapter: float) -> str:
    names = ", ".join(ids[:6]) + (", \u2026" if len(ids) > 6 else "")
    return f"base {percent(base)}%, adapter {percent(adapter)}%: {len(ids):,} ({names})"


def _lost(step: Step) -> str:
    return "".join(f"<li>{plots.MINUS}{count:,} {escape(reason)}</li>" for reason, count in step.rejected.items())
