"""What the benches' own tables rely on: turns are counted, and a document keeps what is not theirs."""

from __future__ import annotations

import pytest
from contest import Contest, Turn, placed, quantile, spread


def test_a_table_goes_between_its_own_marks_and_nowhere_else() -> None:
    once = placed("# Promises\n\ntext\n", "a", "one")
    assert once == "# Promises\n\ntext\n\n<!-- measured: a -->\none\n<!-- end: a -->\n"
    both = placed(once, "b", "two") + "\nafter\n"
    again = placed(both, "a", "three")
    assert again == both.replace("\none\n", "\nthree\n")


@pytest.mark.parametrize(
    "document", ["<!-- measured: a -->\n", "<!-- measured: a --><!-- measured: a --><!-- end: a -->"]
)
def test_broken_marks_are_left_to_a_person(document: str) -> None:
    with pytest.raises(ValueError, match="not one pair"):
        placed(document, "a", "text")


def test_every_contestant_has_a_turn_in_every_round(contest: Contest) -> None:
    contest.measure, contest.rounds = True, 5
    order: list[str] = []

    def second() -> Turn:
        order.append("b")
        return Turn(7)

    found = contest.run({"a": lambda: order.append("a"), "b": second})
    assert "".join(order) == "abbaabbaabba"
    assert [len(turns) for turns in found.values()] == [5, 5]
    assert found["b"][0].count == 7
    assert all(turn.wall > 0 for turn in found["b"])


def test_spread_and_quantile_say_what_they_should() -> None:
    assert spread([3.0, 1.0, 2.0]) == "2.00 (1.00 to 3.00)"
    assert quantile([float(value) for value in range(100)], 0.5) == 50
    assert quantile([1.0, 2.0], 0.99) == 2
