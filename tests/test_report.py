"""The report: whole, self-contained, safe whatever a model wrote, and true to what it was given."""

from __future__ import annotations

import base64
import hashlib
import html
import html.parser
import io
import itertools
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from forge import report
from forge.report import Arm, Example, Hit, Panel, ProblemRate, Report, Step, plots, texts
from forge.types import Delta, Outcome, Score

EVIL = (
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'`&<!-- ]]> \x00\u202e\ud800</style></pre></svg>"
)


def score(metric: str, value: float) -> Score:
    return Score(metric, "heldout", "m", "", value, max(0.0, value - 0.07), min(1.0, value + 0.08), 164, "completion")


def arm(name: str, value: float, **ledgers: dict[Outcome, int]) -> Arm:
    scores = [score("greedy pass@1", value), score("pass@1", value)]
    return Arm(name, [*scores, score("pass@4", value + 0.1), score("pass@16", value + 0.2)], **ledgers)


def panel(text: str = "plain") -> Panel:
    """The base in three formats, of which `chat` is the best."""
    ahead = Delta("greedy pass@1", "heldout", "base", "base", 0.09, 0.02, 0.16, 0.01, 0.02, 164, "chat", "completion")
    behind = replace(ahead, value=-0.05, low=-0.1, high=0.01, p=0.2, p_holm=0.2, format=f"odd {text}")
    learning = replace(ahead, arm="adapter", value=0.025, low=-0.03, high=0.08, p=0.4, p_holm=0.4,
                       format="completion", against_format="chat")  # fmt: skip
    scores = [
        replace(score("greedy pass@1", value), format=name)
        for name, value in (("completion", 0.31), ("chat", 0.4), (f"odd {text}", 0.26))
    ]
    return Panel("completion", "chat", scores, [ahead, behind], ahead, learning, 0.07, f"chosen {text}")


def filled(text: str = "plain") -> Report:
    """A report with every part, `text` in every place that a model, a benchmark or a user can write to."""
    ledger = {Outcome.PASS: 60, Outcome.FAIL: 90, Outcome.INVALID: 12, Outcome.ERROR: 2}
    return Report(
        title=f"title {text}",
        conclusion=[f"first {text}", f"second {text}"],
        facts={"model": f"model {text}", "seed": "seed 7", f"fact {text}": "value"},
        config=f"config {text}",
        arms=[
            arm("base", 0.31, greedy=ledger, sampled=ledger),
            arm("adapter", 0.425, greedy=ledger),
            arm("control: corrupted", 0.3),
            arm("control: format-only", 0.33),
            arm(f"odd {text}", 0.1),
        ],
        deltas=[
            Delta("greedy pass@1", "heldout", "adapter", "base", 0.115, 0.03, 0.2, 0.004, 0.008, 164),
            Delta("greedy pass@1", "heldout", "adapter", f"odd {text}", -0.02, -0.06, 0.01, 0.3, 0.3, 164),
        ],
        panel=panel(text),
        problems=[ProblemRate(f"p1 {text}", 0.25, 0.5), ProblemRate("p2", 0.25, 0.5), ProblemRate("p3", 1.0, 0.0)],
        funnel=[Step(f"proposed {text}", 40), Step("parsed", 33, {f"no code {text}": 7})],
        losses=[(1, 1.5), (2, float("nan")), (3, 0.75)],
        compared=33,
        hits=[Hit(f"h {text}", "heldout/1", f"one {text}", "two", f"fate {text}")],
        examples=[
            Example(f"e {text}", f"kind {text}", Outcome.FAIL, f"stub {text}", f"said {text}", f"bad {text}", "good"),
            Example("e2", "plain", Outcome.CRASH, "", "", "", "x = 1\n"),
        ],
    )


class Page(html.parser.HTMLParser):
    """What a browser would see: tags with their attributes, the text, and what lies in each element."""

    void = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.inside: dict[str, str] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.void:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack.pop() == tag

    def handle_data(self, data):
        for tag in {*self.stack}:
            self.inside[tag] = self.inside.get(tag, "") + data


def test_the_page_is_well_formed_and_every_plot_is_valid_xml():
    page = Page(report.html(filled()))
    assert page.stack == []
    plots = re.findall(r"<svg.*?</svg>", report.html(filled()), re.DOTALL)
    assert len(plots) >= 12
    for plot in plots:
        ElementTree.fromstring(plot)


def test_the_page_refers_to_nothing_outside_itself():
    page = Page(report.html(filled(EVIL)))
    for tag, attrs in page.tags:
        assert tag not in {"img", "link", "iframe", "object", "embed", "base", "form", "audio", "video", "image", "use"}
        assert not {"src", "href", "xlink:href", "action", "srcset", "style", "poster"} & set(attrs)
        assert not any(name.startswith("on") for name in attrs)
    for word in ("url(", "@import", "http://", "https://", "fetch(", "eval("):
        assert word not in page.inside["style"]
        assert word not in page.inside["script"]


def test_the_policy_allows_exactly_the_style_and_the_script_that_are_there():
    page = Page(report.html(filled(EVIL)))
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    for tag in ("style", "script"):
        assert [name for name, _ in page.tags].count(tag) == 1
        digest = base64.b64encode(hashlib.sha256(page.inside[tag].encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"


def test_hostile_text_changes_no_markup_anywhere():
    calm, hostile = (report.html(filled(text)) for text in ("plain", EVIL))

    def shape(text: str) -> list[tuple[str, list[str]]]:
        # Marks inside a diff depend on the words; everything else must be the same.
        return [(tag, sorted(attrs)) for tag, attrs in Page(text).tags if tag not in {"ins", "del"}]

    assert shape(hostile) == shape(calm)
    assert hostile.count("alert(1)") > 30
    assert "<script>alert" not in hostile
    hostile.encode("utf-8")
    assert "\x00" not in hostile
    assert "\u202e" not in hostile
    assert "\u27e8U+202E\u27e9" in hostile


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=60)
def test_any_text_comes_out_as_text(left, right):
    for markup in (texts.block(left), *texts.difference(left, right)):
        page = Page(markup)
        assert page.stack == []
        assert {tag for tag, _ in page.tags} <= {"pre", "code", "span", "ins", "del", "p"}
        markup.encode("utf-8")


def test_what_cannot_be_seen_is_shown_by_name():
    shown = texts.escape("a\x07b\u200bc\u2066d\ud83de\ufefff\tg\nh\r\ni")
    assert shown == (
        "a\u27e8U+0007\u27e9b\u27e8U+200B\u27e9c\u27e8U+2066\u27e9d\u27e8U+D83D\u27e9e\u27e8U+FEFF\u27e9f\tg\nh\ni"
    )


def test_a_difference_marks_the_words_that_changed_and_keeps_every_line():
    left, right = texts.difference("same\nmiddle = n / 2\ngone\n", "same\nmiddle = n // 2\n")
    assert '<span class="line same">same\n</span>' in left
    assert '<span class="line ins">middle = n /<ins>/</ins> 2\n</span>' in right
    assert '<span class="line del">gone\n</span>' in left
    text = re.sub(r"<[^>]+>", "", left)
    assert text == "same\nmiddle = n / 2\ngone\n"


def test_long_texts_are_cut_and_the_rest_is_counted():
    most = texts.MOST_CHARACTERS
    assert "1,234 more characters are not shown" in texts.block("x" * (most + 1234))
    assert "not shown" not in texts.block("x" * most)
    left, right = texts.difference("a\n" * 900, "b\n" * 900)
    assert 'class="line' not in left + right
    assert "(empty)" in texts.block("")


def test_numbers_arrive_as_given():
    text = report.html(filled())
    for number in ("42.5", "+11.5", "\u22122.0", "+3.0 to +20.0", "0.008", "\u22127 no code", "33 training texts"):
        assert number in text
    assert "2 are solved more often with the adapter, 1 less often and 0 as often" in text
    assert "forge or its host failed on 6 attempts" in text
    assert "1 steps without a finite loss" in text


def test_every_plot_has_a_name_and_a_table_behind_it():
    page = Page(report.html(filled()))
    images = [attrs for tag, attrs in page.tags if tag == "svg" and attrs.get("role") == "img"]
    assert len(images) == 2 * 9
    assert all(attrs["aria-label"] for attrs in images)
    assert [tag for tag, _ in page.tags].count("table") == 8


def test_the_two_parts_of_a_gain_and_how_the_best_was_chosen_are_shown():
    text = html.unescape(report.html(filled()))
    assert "Elicitation: the base in its best format, chat, minus the base in completion." in text
    assert "Learning: the adapter minus the base in chat." in text
    assert "<td>base in chat</td><td>base in completion</td>" in text
    assert "+9.0" in text
    assert "chosen plain" in text
    assert "What the prompt format gives" not in report.html(replace(filled(), panel=None))


def test_every_score_names_its_format():
    text = report.html(filled())
    assert "<td>adapter</td><td>completion</td><td>pass@1</td>" in text
    old = replace(score("pass@1", 0.5), format="")
    assert "<td>base</td><td>not recorded</td>" in report.html(replace(filled(), arms=[Arm("base", [old])]))


def test_a_report_of_a_run_that_mined_nothing_says_so_and_invents_nothing():
    text = report.html(Report(title="empty", conclusion=["No pair was mined."], compared=None))
    assert "No pair was mined." in text
    assert "Nothing was measured." in text
    assert "were not compared with the held-out problems" in text
    for heading in ("What changed", "Problem by problem", "Training</h2>", "Pairs, one by one", "How attempts end"):
        assert heading not in text
    assert "none came too close" in report.html(Report(title="t", conclusion=[], compared=5))


def test_no_errors_are_stated_rather_than_left_out():
    only = Report(title="t", conclusion=[], arms=[arm("base", 0.3, greedy={Outcome.PASS: 3})])
    assert "No attempt was lost to an error" in report.html(only)


@pytest.mark.parametrize("width", [720, 350])
def test_plots_stay_on_their_paper_for_extreme_values(width):
    for value in (0.0, 0.001, 1.0):
        mark = plots.Mark("arm", "base", value, value, value, 1)
        drawn = [
            plots.intervals("t", [("panel", [mark])], width),
            plots.intervals("t", [("panel", [replace(mark, low=-1.0)])], width, signed=True),
            plots.curves("t", [plots.Curve("arm", "base", [mark, replace(mark, x=16)], True)], width, "k"),
            plots.bubbles("t", [plots.Bubble(value, value, 900, "p")], min(width, 480), "x", "y"),
            plots.series("t", [(1, value)], width, "step"),
            plots.stacks("t", [plots.Bar("arm", [("pass", 1, "o-pass"), ("fail", 0, "o-fail")])], width),
        ]
        for plot in drawn:
            root = ElementTree.fromstring(plot)
            for shape in root.iter():
                for name in ("x", "x1", "x2", "cx"):
                    assert -1 <= float(shape.get(name, 0)) <= width + 1
                for name in ("y", "y1", "y2", "cy"):
                    assert -1 <= float(shape.get(name, 0)) <= float(root.get("height")) + 1


@pytest.mark.parametrize("start", [0.0, 0.8])
def test_names_at_the_ends_of_curves_do_not_overlap(start):
    mark = plots.Mark("", "control", 0.0, 0.0, 0.1)
    lines = [
        plots.Curve(f"arm {i}", "control", [replace(mark, x=1, value=0.9), replace(mark, x=2, value=start + i / 500)])
        for i in range(6)
    ]
    root = ElementTree.fromstring(plots.curves("t", lines, 720, "k"))
    places = sorted(float(t.get("y")) for t in root.iter("text") if "name" in t.get("class"))
    assert len(places) == 6
    assert min(b - a for a, b in itertools.pairwise(places)) >= 16.9
    assert all(0 < place < float(root.get("height")) for place in places)


def rows(content: Report, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(report.table(content))
    return out.getvalue()


def test_the_terminal_table_has_every_arm_with_its_intervals_and_gain():
    text = rows(filled("[bold]x[/bold]"), 120)
    assert "42.5%" in text
    assert "35.5 to 50.5" in text
    assert "+11.5, p 0.008" in text
    assert "+3.0 to +20.0" in text
    assert "odd [bold]x[/bold]" in text
    assert "pass@16" in text


def test_the_terminal_table_fits_eighty_columns_and_says_what_is_missing():
    content = replace(filled(), arms=[*filled().arms[:4], Arm("teacher", [])])
    text = rows(content, 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "control: format-only" in text
    assert "not measured" in text
    assert "arm" in rows(Report(title="t", conclusion=[]), 80)


def test_the_terminal_table_names_formats_and_splits_the_gain():
    lines = rows(filled(), 80).splitlines()
    assert max(map(len, lines)) <= 80
    cells = [[cell.strip() for cell in line.split("\u2502")[1:-1]] for line in lines if "\u2502" in line]
    names = [cell[0] for cell in cells]
    assert names[:4] == ["base", "completion", "adapter", "completion"]
    at = {name: cells[place] for place, name in enumerate(names)}
    assert at["chat"][0:2] == ["chat", "33.0 to 48.0"]
    assert cells[names.index("chat") - 1][-1] == "+9.0, p 0.02"
    assert at["elicitation"][-1] == "+9.0, p 0.02"
    assert at["learning, over"][-1] == "+2.5, p 0.4"
    assert "elicitation" not in rows(replace(filled(), panel=None), 80)
    best = replace(panel(), best="completion", elicitation=None)
    assert "0.0, completion is" in " ".join(rows(replace(filled(), panel=best), 120).split())
