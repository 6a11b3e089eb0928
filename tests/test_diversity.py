"""How different answers are, and when that is said to have collapsed."""

from __future__ import annotations

import math

from forge.diversity import collapse, diversity
from forge.mine import by_problem
from forge.types import Attempt, Outcome, Verdict

PROGRAMS = [f"def f(x):\n    return {body}\n" for body in ("x", "x + 1", "[x]", "-x")]


def judged(problem: str, rows: list[tuple[Outcome, str, str]]) -> tuple[list[Attempt], list[Verdict]]:
    attempts = [Attempt(f"{problem}{i}", problem, i, "", "stop", "g") for i in range(len(rows))]
    verdicts = [
        Verdict(attempt.id, outcome, answer, 0, 1, behaviour, "", 0.0, "j")
        for attempt, (outcome, answer, behaviour) in zip(attempts, rows, strict=True)
    ]
    return attempts, verdicts


def test_distinct_behaviours_and_programs_are_counted() -> None:
    passing = (Outcome.PASS, PROGRAMS[0], "right")
    renamed = (Outcome.PASS, "def f(number):  # the same\n  return number", "right")
    wrong = [(Outcome.FAIL, program, "wrong") for program in PROGRAMS[1:3]]
    found = diversity(by_problem(*judged("p", [passing, renamed, *wrong])))
    assert found is not None
    assert (found.problems, found.samples, found.behaviours, found.programs) == (1, 4, 2, 3)
    assert math.isclose(found.entropy, 1.0)
    assert found.widest == 1.0
    assert math.isclose(found.slope, 0.25)


def test_errors_do_not_count_and_a_single_sample_says_nothing() -> None:
    row = (Outcome.PASS, PROGRAMS[0], "right")
    assert diversity(by_problem(*judged("p", [row, (Outcome.ERROR, PROGRAMS[1], "?")]))) is None
    assert diversity({}) is None


def test_giving_one_answer_for_ever_is_a_collapse_unless_more_is_solved_by_it() -> None:
    before = diversity(by_problem(*judged("p", [(Outcome.FAIL, program, program) for program in PROGRAMS])))
    stuck = diversity(by_problem(*judged("p", [(Outcome.FAIL, PROGRAMS[0], "b")] * 4)))
    learned = diversity(by_problem(*judged("p", [(Outcome.PASS, PROGRAMS[0], "b")] * 4)))
    assert before
    assert stuck
    assert learned
    assert "1.0 different programs a problem where there were 4.0" in collapse(before, stuck)
    assert collapse(before, learned) == ""
    assert collapse(before, before) == ""
