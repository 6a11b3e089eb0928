"""Votes counted by hand, and votes over programs and answers whose right classes are known."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge import vote
from forge.domains.math import MathDomain
from forge.domains.python import PythonDomain
from forge.types import Problem

BALLOTS = st.lists(st.none() | st.integers(0, 3), max_size=9)


def test_the_class_with_the_most_votes_wins_and_its_first_answer_stands_for_it():
    found = vote.tally([0, 1, None, 1, 2, 1, 0])
    assert (found.chosen, found.votes, found.voters) == (1, 3, 6)
    assert found.classes == {0: [0, 6], 1: [1, 3, 5], 4: [4]}


def test_equal_votes_go_to_the_class_seen_first_and_no_votes_to_the_first_answer():
    assert vote.tally([None, 7, 3, 3, 7]).chosen == 1
    silent = vote.tally([None, None])
    assert (silent.chosen, silent.votes, silent.voters) == (0, 0, 0)


@given(BALLOTS, st.integers(0, 4))
def test_a_vote_is_decided_exactly_if_no_further_ballots_can_change_the_winner(ballots, left):
    planned = len(ballots) + left
    winner = vote.tally(ballots)
    endings = itertools.product([None, *range(5)], repeat=left)
    changed = any(vote.tally([*ballots, *ending]).chosen != winner.chosen for ending in endings)
    assert vote.is_decided(ballots, planned) is (not changed and (winner.votes > 0 or left == 0))


@given(st.integers(1, 40))
def test_looks_begin_when_a_vote_can_first_be_decided_and_end_with_the_last_answer(planned):
    looks = vote.checkpoints(planned)
    assert looks == sorted(set(looks))
    assert looks[-1] == planned
    assert vote.is_decided([0] * looks[0], planned)
    assert not vote.is_decided([0] * (vote.least(planned) - 1), planned)
    assert vote.decided_after([0] * planned, planned) == vote.least(planned)


def test_the_curve_of_a_vote_is_what_all_orders_of_the_answers_give():
    ballots, passed = [0, 0, 1, None, 2], [True, True, False, False, False]
    exact = []
    for n in range(1, 6):
        wins = [passed[p[vote.tally([ballots[i] for i in p[:n]]).chosen]] for p in itertools.permutations(range(5))]
        exact.append(sum(wins) / len(wins))
    assert vote.passes_by_size(ballots, passed, seed=1) == pytest.approx(exact, abs=0.2)
    many = [vote.passes_by_size(ballots, passed, seed=seed) for seed in range(60)]
    assert [sum(column) / 60 for column in zip(*many, strict=True)] == pytest.approx(exact, abs=0.03)


def test_curves_start_at_a_single_answer_and_the_oracle_is_never_below_the_vote():
    problems = [([0, 0, 1, 0], [True, True, False, True]), ([0, 1, 1, 2], [True, False, False, False])]
    points = vote.curve(problems, seed=0)
    assert [point.k for point in points] == [1, 2, 3, 4]
    assert points[0].oracle == points[0].vote == pytest.approx((0.75 + 0.25) / 2)
    assert all(point.vote <= point.oracle for point in points)
    assert points[-1].oracle == 1.0
    assert points[-1].vote == 0.5
    with pytest.raises(ValueError, match="equally many"):
        vote.curve([([0], [True]), ([0, 0], [True, True])], seed=0)


SQUARES = Problem(
    "t/squares", "python", "heldout", 'def f(xs):\n    """Return the sum of the squares of xs."""\n',
    {"entry_point": "f", "asserts": ["assert f([9, 9]) == 162"]},
)  # fmt: skip
RIGHT = "def f(xs):\n    return sum(x * x for x in xs)\n"
PROGRAMS = [
    (RIGHT, 0),
    ("def f(numbers):\n    total = 0\n    for x in numbers:\n        total += x ** 2\n    return float(total)\n", 0),
    ("def f(xs):\n    xs.sort()\n    return sum(map(lambda x: x * x, xs))\n", 0),
    ("def f(xs):\n    return sum(xs)\n", 1),
    ("def f(xs):\n    if not xs:\n        raise ValueError\n    return sum(x * x for x in xs)\n", 2),
    ("def f(xs):\n    while not xs:\n        pass\n    return sum(x * x for x in xs)\n", 3),
    ("n = 0\ndef f(xs):\n    global n\n    n += 1\n    return sum(x * x for x in xs) if n == 1 else 0\n", None),
    ("import random\ndef f(xs):\n    return random.random()\n", None),
    ("import os\ndef f(xs):\n    os._exit(0)\n", None),
    ("def f(xs):\n    while True:\n        pass\n", None),
    ("def f(xs):\n    while len(xs) > 1:\n        pass\n    return sum(x * x for x in xs)\n", None),
    ("def f(xs):\n    raise ValueError\n", None),
    ("def f(xs):\n    return (x for x in xs)\n", None),
    ("def g(xs):\n    return 0\n", None),
    ("def f(xs:\n", None),
    ("", None),
]  # fmt: skip


@pytest.fixture(scope="module")
def python() -> PythonDomain:
    with PythonDomain(2) as opened:
        yield opened


def test_programs_that_behave_alike_are_one_class_and_what_cheats_or_fails_has_no_vote(python: PythonDomain):
    programs, classes = zip(*PROGRAMS, strict=True)
    assert python.classes(SQUARES, programs, 0) == list(classes)
    assert python.classes(SQUARES, programs[:5], 0) == list(classes[:5])


def test_the_inputs_do_not_depend_on_the_tests_or_the_reference(python: PythonDomain):
    """A program that is wrong only where the tests look is with the right ones: no test's input is asked."""
    wrong = "def f(xs):\n    return -1 if xs == [9, 9] else sum(x * x for x in xs)\n"
    assert python.classes(SQUARES, [RIGHT, wrong], 0) == [0, 0]
    other = Problem(SQUARES.id, "python", "heldout", SQUARES.prompt, {"entry_point": "f", "asserts": []}, "def f")
    assert python._inputs(SQUARES, 0) == python._inputs(other, 0)
    assert python._inputs(SQUARES, 0) != python._inputs(SQUARES, 1)


@pytest.mark.parametrize(
    ("prompt", "held"),
    [
        ('def f(a: str, b: int = 1):\n    """Repeat."""\n', lambda a: isinstance(a, str)),
        ("def f(m: dict[str, list[float]]):\n", lambda m: all(isinstance(x, float) for v in m.values() for x in v)),
        ("from typing import *\ndef f(p: Optional[Tuple[int, str]]):\n", lambda p: isinstance(p[1], str)),
        ("def f(words):\n", lambda words: all(isinstance(word, str) for word in words)),
        ('"""Count the vowels.\nassert f("banana") == 3\n"""\n', lambda text: set(text) <= set("banana")),
        ("def f(x):\n    '''\n    >>> f((3, 4))\n    5\n    '''\n", lambda x: isinstance(x, tuple) and len(x) == 2),
    ],
)
def test_inputs_have_the_types_that_the_prompt_shows(python: PythonDomain, prompt: str, held):
    problem = Problem("t/f", "python", "heldout", prompt, {"entry_point": "f"})
    found = [eval(f"({text},)") for text in python._inputs(problem, 0)]
    assert len(found) >= 6
    assert all(held(*arguments[:1]) for arguments in found)


def test_answers_of_any_size_and_depth_can_be_compared(python: PythonDomain):
    """Numbers beyond the digits that Python writes, values that no test holds equal, and what equals them."""
    programs = [
        f"def f(xs):\n    return {answer}\n"
        for answer in ("7 ** 9999", "7 ** 9999 + 1", "[True, 2]", "[1, 2.0]", "(1, 2)", "{1, 2}", "{2, 1}", "'1'", "1")
    ]
    assert python.classes(SQUARES, [*programs, "def f(xs):\n    return 7 ** 9999 + 0\n"], 0) == [
        0, 1, 2, 2, 3, 4, 4, 5, 6, 0,
    ]  # fmt: skip


def test_nobody_votes_where_the_prompt_shows_no_inputs(python: PythonDomain):
    problem = Problem("t/cases", "python", "heldout", "Print the sum of two numbers.", {"cases": []})
    assert python.classes(problem, [RIGHT, RIGHT], 0) == [None, None]


def test_answers_that_differ_in_writing_only_count_together(mathematics: MathDomain):
    answers = [
        "1/2",
        "0.5",
        "7",
        "50%",
        "",
        "\\frac{1}{2}",
        "x+1",
        "1 + x",
        "\\frac{\\sqrt{2}}{2}",
        "1/\\sqrt{2}",
        "7.0",
    ]
    problem = Problem("t/m", "math", "heldout", "How much?", {"answer": "8"})
    assert mathematics.classes(problem, answers, 0) == [0, 0, 1, 0, None, 0, 2, 2, 3, 3, 1]


def test_an_answer_that_equals_two_that_differ_joins_only_one_of_them(mathematics: MathDomain):
    problem = Problem("t/m", "math", "heldout", "How much?", {"answer": "8"})
    assert mathematics.classes(problem, ["50%", "0.5", "50", "1/2"], 0) == [0, 0, 1, 0]
