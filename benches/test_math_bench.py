"""How fast answers are compared: where their characters tell, and where algebra must, in full isolation."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from contest import Contest, Turn, rate, wall_ratio

from forge.domains.math import MathDomain
from forge.types import Attempt, Outcome, Problem

WORKERS = 2


def identical(number: int) -> tuple[str, str]:
    """A whole number, written alike."""
    return f"{number}", f"{number}"


def numbers(number: int) -> tuple[str, str]:
    """A number in two writings, as answers to questions with numbers are."""
    return f"\\${number:,}.50", f"\\frac{{{2 * number + 1}}}{{2}}"


def roots(number: int) -> tuple[str, str]:
    """A constant in two forms."""
    return f"\\frac{{\\sqrt{{{4 * number}}}}}{{6}}", f"\\frac13\\sqrt{{{number}}}"


def polynomials(number: int) -> tuple[str, str]:
    """An expression in one unknown, expanded and not."""
    return f"(x+{number})(x-2)", f"x^2+{number - 2}x-{2 * number}"


def wrong(number: int) -> tuple[str, str]:
    """Expressions that are not equal."""
    return f"(x+{number})(x-2)", f"x^2+{number}x-{2 * number}"


KINDS: dict[str, tuple[Callable[[int], tuple[str, str]], int]] = {
    "identical text": (identical, 20_000),
    "one number in two writings": (numbers, 10_000),
    "algebra: constants with roots": (roots, 400),
    "algebra: polynomials": (polynomials, 400),
    "algebra: polynomials that differ": (wrong, 400),
}


@pytest.mark.timeout(900)
def test_comparing_answers(contest: Contest) -> None:
    fresh = count(100_003)

    with MathDomain(workers=WORKERS) as domain:

        def turn(kind: str) -> Turn:
            make, many = KINDS[kind]
            items = []
            for _ in range(many if contest.measure else 4):
                # Every answer is new, so that nothing is remembered.
                answer, reference = make(next(fresh))
                problem = Problem("p", "math", "heldout", "", {"answer": reference})
                items.append((problem, Attempt("a", "p", 0, f"So it is $\\boxed{{{answer}}}$.", "stop", "")))
            expected = Outcome.FAIL if make is wrong else Outcome.PASS
            assert {verdict.outcome for verdict in domain.judge(items)} == {expected}
            return Turn(len(items))

        found = contest.run({kind: lambda kind=kind: turn(kind) for kind in KINDS})  # type: ignore[misc]
    contest.compare(
        "math-answers",
        f"Answers from a completion to its verdict, {WORKERS} workers, full isolation",
        found,
        [("answers/s", rate), ("time: times the first's", wall_ratio)],
    )
