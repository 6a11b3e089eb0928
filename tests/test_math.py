r"""Answers in mathematics: which are equal, where a completion states one, and what no answer may do."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge import selftest
from forge.domains import math, normal
from forge.domains.comparison import LIMITS
from forge.domains.math import MathDomain
from forge.domains.stated import last_number, stated
from forge.errors import ConfigError
from forge.types import Attempt, Outcome, Problem, Verdict
from math_cases import EQUAL, UNEQUAL


@pytest.fixture(scope="module")
def domain(mathematics: MathDomain) -> MathDomain:
    return mathematics


@pytest.fixture(scope="module")
def guessing() -> Iterator[MathDomain]:
    with MathDomain(workers=1, fallback="last number") as opened:
        yield opened


def problem(answer: str, prompt: str = "What is it?") -> Problem:
    return Problem(f"p/{answer[:50]}", "math", "heldout", prompt, {"answer": answer}, f"It is $\\boxed{{{answer}}}$.")


def verdicts(domain: MathDomain, items: list[tuple[str, str]], finish: str = "stop") -> list[Verdict]:
    tried = [
        (problem(reference), Attempt(str(i), "p", 0, text, finish, "")) for i, (text, reference) in enumerate(items)
    ]
    return list(domain.judge(tried))


@pytest.mark.parametrize("convention", EQUAL)
def test_answers_that_are_equal_by_convention(domain: MathDomain, convention: str) -> None:
    found = domain.findings(EQUAL[convention])
    assert [pair for pair, finding in zip(EQUAL[convention], found, strict=True) if not finding.equal] == []


@pytest.mark.parametrize("convention", [name for name in UNEQUAL if name != "pathological"])
def test_answers_that_are_not(domain: MathDomain, convention: str) -> None:
    found = domain.findings(UNEQUAL[convention])
    assert [pair for pair, finding in zip(UNEQUAL[convention], found, strict=True) if finding.equal] == []


def test_the_table_is_large_and_balanced() -> None:
    yes, no = (sum(map(len, table.values())) for table in (EQUAL, UNEQUAL))
    assert yes + no >= 250
    assert abs(yes - no) < 60


def test_a_pathological_answer_ends_in_a_verdict_and_leaves_its_neighbours_alone(domain: MathDomain) -> None:
    bad = UNEQUAL["pathological"]
    good = [(f"\\sqrt{{{4 * n}}}+x", f"x+2\\sqrt{{{n}}}") for n in range(101, 101 + len(bad))]
    found = domain.findings([pair for both in zip(bad, good, strict=True) for pair in both])
    assert {finding.equal for finding in found[::2]} == {False}
    assert {finding.outcome for finding in found[::2]} <= {Outcome.FAIL, Outcome.TIMEOUT, Outcome.MEMORY}
    assert max(finding.seconds for finding in found) < 2 * LIMITS.wall + 1
    assert {finding.outcome for finding in found[1::2]} == {Outcome.PASS}


def test_running_into_a_limit_is_told_apart_from_being_wrong(domain: MathDomain) -> None:
    endless = ("\\sum_{k=1}^{10^{12}} \\frac{1}{k^2+1}", "\\sqrt{2}")
    [verdict] = verdicts(domain, [(f"\\boxed{{{endless[0]}}}", endless[1])])
    assert verdict.outcome in (Outcome.TIMEOUT, Outcome.MEMORY)
    assert verdict.feedback.startswith("stopped at the")


def test_numbers_and_texts_of_any_length_are_judged(domain: MathDomain) -> None:
    texts = [
        "9" * 5000,
        "1" + "0" * 4000,
        "9" * 4000 + "\\times 10^{300}",
        "\\boxed{" * 1000,
        "x" * 100_000,
        "\ud800" * 99,
    ]
    found = verdicts(domain, [(f"\\boxed{{{text}}}" + text, "1") for text in texts])
    assert not {verdict.outcome for verdict in found} & {Outcome.PASS, Outcome.ERROR}


def test_text_that_would_do_something_if_it_were_evaluated_does_nothing(domain: MathDomain, tmp_path: Path) -> None:
    path = tmp_path / "made"
    texts = [f"open({str(path)!r},'w')", f"__import__('os').mkdir({str(path)!r})", "(lambda: 1/0)()", "exit()"]
    found = domain.findings([(text, "\\sqrt{7}") for text in texts])
    assert {finding.outcome for finding in found} == {Outcome.FAIL}
    assert not path.exists()


STATED = {
    "so $\\boxed{5}$.": "5",
    "\\boxed{1} is wrong; it is \\boxed{\\frac{1}{2}}": "\\frac{1}{2}",
    "\\boxed{\\{1, 2\\}}": "\\{1, 2\\}",
    "\\fbox{7}": "7",
    "\\boxed 9 then": "9",
    "work\n#### 1,234\n": "1,234",
    "#### Step 1: add\n1 + 1\n#### 2": "2",
    "#### 1. Find the cost\n\n#### 42\n\nmore": "42",
    "#### blue": "blue",
    "The answer is 5.": "5",
    "So the answer is: $\\frac{1}{2}$. I hope it is correct.": "$\\frac{1}{2}$",
    "Final Answer: The final answer is $12$. I hope it is correct.": "$12$",
    "**Answer:** 42": "42",
    "**Final Answer**\n\n$x = 3$": "$x = 3$",
    "Answer: (B)": "(B)",
    "The answer is 3.5 because 7/2 = 3.5.": "3.5",
    "the answer is 5. Wait. The answer is 6.": "6",
    "The correct answer is therefore 18 dollars.": "18 dollars",
    "The answer to the question is **Paris**.": "Paris",
    "\\boxed{3}\n#### 4": "3",
    "#### 4\nThe answer is 5.": "4",
    "\\boxed{5}<|im_end|>\n\\boxed{6}": "5",
    "#### 18\n\nQuestion: How many?\n#### 20": "18",
    "<think>maybe \\boxed{1}</think>The answer is 2.": "2",
    "$$\\boxed{\n 8 \n}$$": "8",
    "put it in \\boxed{}. The answer is 4": "4",
}


@pytest.mark.parametrize("completion", STATED)
def test_the_stated_answer_is_found(completion: str) -> None:
    assert stated(completion) == STATED[completion]


UNSTATED = [
    "",
    "\n \n",
    "We get 5.",
    "5",
    "x = 5",
    "That makes 18 in all.",
    "\\boxed{}",
    "\\boxed{\\frac{1}{2}",
    "#### ",
    "Answer me!",
]


@pytest.mark.parametrize("completion", UNSTATED)
def test_an_answer_that_is_not_stated_is_not_guessed(domain: MathDomain, completion: str) -> None:
    [verdict] = verdicts(domain, [(completion, "5")])
    assert (verdict.outcome, verdict.feedback) == (Outcome.INVALID, "no answer is stated")
    [verdict] = verdicts(domain, [(completion, "5")], finish="length")
    assert verdict.outcome is Outcome.TRUNCATED


def test_the_last_number_counts_only_where_it_is_asked_for_and_the_judge_says_so(guessing: MathDomain) -> None:
    assert last_number("first 3, then 1,234.5.") == "1,234.5"
    [guessed, said] = verdicts(guessing, [("That makes 18 in all.", "18"), ("The answer is 5, not 18", "18")])
    assert (guessed.outcome, said.outcome) == (Outcome.PASS, Outcome.FAIL)
    assert "+last-number+" in guessed.judge
    with pytest.raises(ConfigError, match="no fall-back 'any'"):
        MathDomain(fallback="any")


def test_feedback_names_the_answer_and_never_the_reference(domain: MathDomain) -> None:
    [wrong, right] = verdicts(domain, [("\\boxed{0.7}", "\\frac{3}{4}"), ("\\boxed{0.75}", "\\frac{3}{4}")])
    assert wrong.feedback == "the answer 0.7 is not right"
    assert (right.outcome, right.feedback, right.tests_passed) == (Outcome.PASS, "", 1)


def test_equal_answers_behave_alike_however_they_are_written(domain: MathDomain) -> None:
    written = ["\\boxed{0.5}", "#### \\frac12", "The answer is 1/2.", "\\boxed{0.6}"]
    found = [verdict.behaviour for verdict in verdicts(domain, [(text, "3") for text in written])]
    assert found[0] == found[1] == found[2] != found[3]


def test_verdicts_come_in_order_however_they_were_found(domain: MathDomain) -> None:
    items = [(f"\\boxed{{{n}+\\sqrt{{x^2}}-|x|}}" if n % 3 else f"#### {n}", str(n)) for n in range(300)]
    # |x| is the root of its square wherever x is real.
    found = verdicts(domain, items)
    assert [verdict.attempt_id for verdict in found] == [str(n) for n in range(300)]
    assert {verdict.outcome for verdict in found} == {Outcome.PASS}


def test_a_missing_parser_is_an_error_and_never_a_comparison_of_strings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "antlr4", None)
    with pytest.raises(ConfigError, match="antlr4-python3-runtime") as caught:
        MathDomain()
    assert caught.value.hint == "pip install forge[math]"


def test_equivalent_needs_nothing_to_be_opened() -> None:
    assert math.equivalent("\\frac{\\sqrt{3}}{3}", "\\frac{1}{\\sqrt{3}}")
    assert math.equivalent("50\\%", "50")
    began = time.monotonic()
    assert not math.equivalent("10^{10^{10}}", "\\sqrt{5}")
    assert time.monotonic() - began < 60
    assert not math.equivalent("", "5")


numbers = st.one_of(st.integers(-(10**9), 10**9).map(str), st.decimals(-9999, 9999, places=3).map(str))
forms = st.sampled_from(
    ["{}", "\\frac{{{}}}{{7}}", "x+{}", "({}, 2)", "\\{{{}, 1\\}}", "[{}, \\infty)", "\\text{{{} cm}}", "y={}"]
)
answers = st.builds(lambda form, number: form.format(number), forms, numbers)
layouts = st.sampled_from(
    ["${}$", " {} ", "\\[ {} \\]", "\\boxed{{{}}}", "{}.", "\\left. {} \\right.", "\\,{}\\;", "**{}**"]
)
any_text = st.text(st.sampled_from("0123456789.,+-/*^_()[]{}\\|<>=%$ abxyπ√½°\ue000"), max_size=40)


@given(answers, layouts)
def test_layout_does_not_matter(answer: str, layout: str) -> None:
    assert normal.decided(layout.format(answer), answer) is True


@given(any_text)
def test_every_text_that_is_not_blank_equals_itself(text: str) -> None:
    assert normal.behaviour(text) == normal.behaviour(text)
    assert normal.decided(text, text) is bool(text.strip())


@given(any_text, any_text)
@settings(max_examples=300)
def test_what_characters_decide_they_decide_both_ways(one: str, other: str) -> None:
    assert normal.decided(one, other) == normal.decided(other, one)


@given(st.fractions(max_denominator=999))
def test_a_fraction_is_equal_to_all_its_writings_and_not_to_the_next(value) -> None:  # type: ignore[no-untyped-def]
    text = f"\\frac{{{value.numerator}}}{{{value.denominator}}}"
    assert normal.decided(f"{value.numerator}/{value.denominator}", text) is True
    assert normal.decided(f"{2 * value.numerator}/{2 * value.denominator}", text) is True
    assert normal.decided(f"{value.numerator + 1}/{value.denominator}", text) is False


def test_algebra_is_reflexive_and_symmetric(domain: MathDomain) -> None:
    """What the table says of a pair it says of the pair turned round, but for readings of labelled choices."""
    pairs = [(b, a) for table in (EQUAL, UNEQUAL) for name in table if name != "pathological" for a, b in table[name]]
    wanted = [True] * sum(map(len, EQUAL.values())) + [False] * (len(pairs) - sum(map(len, EQUAL.values())))
    found = [finding.equal for finding in domain.findings(pairs)]
    assert [pair for pair, got, want in zip(pairs, found, wanted, strict=True) if got != want] == []


def test_the_self_test_holds_and_catches_a_judge_that_guesses(domain: MathDomain, guessing: MathDomain) -> None:
    problems = [
        problem(answer, f"Of 7 and {n}, what?") for n, answer in enumerate(["12", "1234", "\\frac{3}{4}", "x+1"], 40)
    ]
    assert selftest.run(domain, problems, 0).misses == []

    class Careless:
        version = "careless"
        known = domain.known
        mutants = domain.mutants
        judge = guessing.judge

    misses = selftest.run(Careless(), problems, 0).misses
    assert any("never stated" in miss for miss in misses)


def test_invented_problems_are_read_and_vetted(domain: MathDomain) -> None:
    text = "Problem: What is the sum of 3 and 4?\nSolution: 3 + 4 = 7, so the answer is $\\boxed{7}$."
    found = domain.parse(text)
    assert isinstance(found, Problem)
    assert (found.prompt, found.tests, found.split) == ("What is the sum of 3 and 4?", {"answer": "7"}, "train")
    assert domain.parse("What is 3 + 4?") == "no problem and solution"
    assert domain.parse("Problem: What is the sum of it?\nSolution: It is 7.") == "no answer is stated"
    unread = problem("\\foo[[+")
    assert list(domain.vet([found, problem("\\sqrt{2}"), unread], 0)) == [
        found,
        problem("\\sqrt{2}"),
        "answer cannot be compared",
    ]


def test_questions_that_differ_in_their_numbers_only_share_a_key(domain: MathDomain) -> None:
    one, other = "Tom has 3 apples and buys 1,200 more.", "Tom has 5 apples,  and buys 7 more!"
    assert domain.overlap_keys(one, "4") & domain.overlap_keys(other, "12")
    assert not domain.overlap_keys(one, "") & domain.overlap_keys("Ann sells 3 pears to 2 friends of hers.", "")
    assert domain.overlap_keys("", "4") == frozenset()
