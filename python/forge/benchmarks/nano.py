"""The embedded model's own held-out problems, in two halves: `dev` for choices, `final` for claims.

    def sum_squares_even(xs):
        \"\"\"Return the sum of the squares of the even numbers in xs.\"\"\"

No composition of source, filter, map and reduction that occurs here occurs in the model's training corpus.
"""

from __future__ import annotations

from collections.abc import Iterator

from forge.nano import heldout
from forge.types import Problem


def dev() -> Iterator[Problem]:
    """The half on which choices may be made."""
    return heldout.problems("dev")


def final() -> Iterator[Problem]:
    """The half that no choice has seen."""
    return heldout.problems("final")
