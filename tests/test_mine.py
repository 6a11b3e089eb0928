"""Mining: which failures become pairs, with which passing answer, in which order, and what never does."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from forge import mine
from forge.config import MineConfig
from forge.decontaminate import Heldout
from forge.domains.python import PythonDomain
from forge.mine import Couple
from forge.prompts import NANO
from forge.types import Outcome, Problem, Verdict

LETTERS = {"p": Outcome.PASS, "f": Outcome.FAIL, "e": Outcome.ERROR, "r": Outcome.REFUSED, "t": Outcome.TRUNCATED}
OTHERS = ("return x - 1", "raise ValueError", "print(x)\n    return 7", "while x:\n        x -= 2\n    return []")


def problem(name: str = "p") -> Problem:
    stub = f'def {name}(x):\n    """Do {name}."""\n'
    tests = {"entry_point": name, "asserts": [f"assert {name}(1) == 1"]}
    return Problem(name, "python", "train", stub, tests, stub + "    return x")


def verdict(name: str, outcome: Outcome, answer: str = "", behaviour: str = "b") -> Verdict:
    return Verdict(name, outcome, answer or f"def f(x):\n    return {name!r}", 0, 1, behaviour, "wrong", 0.0, "j")


def mined(outcomes: dict[str, str], policy: MineConfig | None = None) -> list[tuple[str, str]]:
    """Attempts (rejected, chosen) of the couples, from each problem's outcomes written as letters."""
    rows = {
        name: [verdict(f"{name}{i}", LETTERS[letter], behaviour=f"{i}") for i, letter in enumerate(letters)]
        for name, letters in outcomes.items()
    }
    return [(c.rejected.attempt_id, c.chosen.attempt_id) for c in ranked(rows, policy or MineConfig())]


def ranked(rows: dict[str, list[Verdict]], policy: MineConfig) -> list[Couple]:
    found, _ = mine.couples([problem(name) for name in rows], rows, policy)
    return mine.ranked(found, rows, policy, seed=0)


def test_couples_come_from_the_edge_only() -> None:
    first = MineConfig(partner="first")
    assert mined({"a": "ppp", "b": "fff", "c": "fpf"}, first) == [("c0", "c1"), ("c2", "c1")]


def test_errors_and_refusals_teach_nothing() -> None:
    assert mined({"a": "pere"}) == []


def test_every_problem_gives_one_before_any_gives_two_and_hard_ones_come_first() -> None:
    found = mined({"a": "ppff", "b": "pffff", "c": "pppf"}, MineConfig(per_problem=2))
    assert [pair[0][0] for pair in found] == ["b", "a", "c", "b", "a"]
    drawn = mined({"a": "ppff", "b": "pffff", "c": "pppf"}, MineConfig(per_problem=1, order="drawn"))
    assert sorted(pair[0][0] for pair in drawn) == ["a", "b", "c"]


def test_failures_merge_only_where_they_are_alike_in_what_they_do_and_how() -> None:
    body = "def f(x):\n    for item in x:\n        if item > 3 and item % 2:\n            return {}\n    return None\n"
    renamed = body.format("item").replace("item", "value")
    other = "def f(x):\n    return next((y for y in x if y > 3 and y % 2), None) or [y * y for y in x]\n"
    rows = [
        verdict("right", Outcome.PASS),
        verdict("first", Outcome.FAIL, body.format("item"), "same"),
        verdict("renamed", Outcome.FAIL, renamed + "# a remark\n", "same"),
        verdict("does something else", Outcome.FAIL, body.format("-item"), "different"),
        verdict("another way", Outcome.FAIL, other, "same"),
        verdict("ends otherwise", Outcome.TIMEOUT, body.format("item"), "same"),
    ]
    found, failures = mine.couples([problem()], {"p": rows}, MineConfig())
    assert failures == 5
    assert [c.rejected.attempt_id for c in found] == ["first", "does something else", "another way", "ends otherwise"]
    one = ranked({"p": rows}, MineConfig(per_behaviour=1, per_problem=9))
    assert [c.rejected.attempt_id for c in one] == ["first", "does something else", "ends otherwise"]
    assert len(mine.couples([problem()], {"p": rows}, MineConfig(merge="none"))[0]) == 5
    assert len(mine.couples([problem()], {"p": rows}, MineConfig(merge="text"))[0]) == 4


def test_the_published_rule_drops_what_another_problem_showed_already() -> None:
    rows = {
        "a": [
            verdict("a1", Outcome.PASS),
            verdict("a2", Outcome.FAIL, "Def X"),
            verdict("a3", Outcome.FAIL, "def  x\n"),
        ],
        "b": [verdict("b1", Outcome.FAIL, "def x"), verdict("b2", Outcome.PASS)],
    }
    found, _ = mine.couples([problem("a"), problem("b")], rows, MineConfig(merge="text"))
    assert [c.rejected.attempt_id for c in found] == ["a2"]


def test_a_failure_is_paired_with_the_passing_answer_nearest_to_it() -> None:
    wrong = "def f(xs):\n    total = 0\n    for x in xs:\n        total += x\n    return total - 1\n"
    rows = [
        verdict("far", Outcome.PASS, "def f(xs):\n    return sum(xs)\n"),
        verdict("near", Outcome.PASS, wrong.replace(" - 1", "")),
        verdict("wrong", Outcome.FAIL, wrong),
    ]
    for partner, chosen in (("nearest", "near"), ("first", "far")):
        [couple], _ = mine.couples([problem()], {"p": rows}, MineConfig(partner=partner))
        assert couple.chosen.attempt_id == chosen


def test_both_targets_give_a_repair_and_a_plain_row_for_each_failure() -> None:
    p = problem()
    good, bad, worse = (p.prompt + body for body in ("    return x", "    return 0", "    return 2"))
    rows = [
        verdict("1", Outcome.FAIL, bad, "0"),
        verdict("2", Outcome.FAIL, worse, "2"),
        verdict("3", Outcome.PASS, good),
    ]
    couples, _ = mine.couples([p], {"p": rows}, MineConfig())
    made = mine.pairs(couples, NANO, "both")
    assert sorted(row.kind for row in made) == ["plain", "plain", "repair", "repair"]
    plain = next(row for row in made if row.kind == "plain")
    assert (plain.prompt, plain.chosen) == ("# solve\n" + p.prompt, "    return x")
    repair = next(row for row in made if row.kind == "repair")
    assert repair.prompt == f"# repair\n{bad}\n# error: wrong\n# fixed\n"
    assert {row.kind for row in mine.pairs(couples, NANO, "repair")} == {"repair"}
    assert {row.kind for row in mine.pairs(couples, NANO, "plain")} == {"plain"}


HELD = Problem(
    "held/1",
    "python",
    "test",
    "def middle(values):\n"
    '    """Return the element that stands exactly in the middle of a sorted list of numbers."""\n',
    {"entry_point": "middle", "asserts": ["assert middle([1]) == 1"]},
    "def middle(values):\n    ordered = sorted(values)\n    half, odd = divmod(len(ordered), 2)\n    if odd:\n"
    "        return ordered[half]\n    return (ordered[half - 1] + ordered[half]) / 2\n",
)
RENAMED = HELD.reference.replace("ordered", "row").replace("values", "xs").replace("middle", "g")
INSIDE = f"import math\n\ndef helper(n):\n    return math.sqrt(n) * 2\n\n{RENAMED}\nprint(g([3, 1, 2]))\n"
RETOLD = (
    "# return the element that stands exactly in the middle of a sorted list of NUMBERS, please!\ndef h(a): return a"
)
UNLIKE = (
    "def total(values):\n    found = 0\n    for value in values:\n        found += value * value\n    return found\n"
)


def test_a_planted_leak_is_found_however_it_is_dressed(humaneval: list[Problem]) -> None:
    with PythonDomain(workers=1) as domain:
        held = Heldout([*humaneval, HELD], domain.overlap_keys)
        for planted in (HELD.reference, RENAMED, INSIDE, RETOLD):
            hit = held.find("", planted)
            assert hit is not None, planted
            assert hit.problem.id == "held/1"
        assert held.find(HELD.prompt.upper(), "") is not None
        assert held.find("", UNLIKE) is None
        for planted in humaneval:
            hit = held.find("", planted.reference + "\n# the end\n")
            assert hit is not None, planted.id


def test_a_couple_with_a_held_out_answer_is_left_out_and_shown() -> None:
    rows = [
        verdict("leak", Outcome.FAIL, RENAMED, "1"),
        verdict("own", Outcome.FAIL, UNLIKE, "2"),
        verdict("right", Outcome.PASS),
    ]
    couples, _ = mine.couples([problem()], {"p": rows}, MineConfig())
    kept, hits = mine.clean(couples, Heldout([HELD], lambda prompt, answer: frozenset()))
    assert [couple.rejected.attempt_id for couple in kept] == ["own"]
    [hit] = hits
    assert (hit["id"], hit["heldout"], hit["text"], hit["heldout_text"]) == ("leak", "held/1", RENAMED, HELD.reference)


@pytest.fixture(scope="module")
def humaneval() -> list[Problem]:
    from forge import benchmarks

    if not os.environ.get("FORGE_DATA"):
        return []
    return list(benchmarks.load("humaneval"))


def test_released_pairs_have_the_flaws_that_were_counted_by_hand() -> None:
    folder = Path(os.environ.get("FORGE_DATA") or "/nowhere") / "tinyforge-zero"
    if not folder.is_dir():
        pytest.skip("FORGE_DATA names no folder with tinyforge-zero: the released pairs are NOT classified")
    counts = {}
    with PythonDomain() as domain:
        for name in ("pairs_7b_40", "pairs_14b_multi_new60"):
            rows = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
            problems = [released(row, number) for number, row in enumerate(rows)]
            for side, passing in (("fixed", len(rows)), ("broken", 0)):
                found = domain._executions([(p, row[side]) for p, row in zip(problems, rows, strict=True)])
                assert sum(execution.outcome is Outcome.PASS for execution in found) == passing
            items = [
                (p, Verdict("", Outcome.FAIL, row["broken"], 0, 1, "", "", 0.0, ""), [row["fixed"]])
                for p, row in zip(problems, rows, strict=True)
            ]
            counts[name] = Counter(domain.flaws(items))
    # By hand: 15 junk around right code, 7 empty, 7 docstrings alone, 6 of another function or of calls alone,
    # 4 answers too precise for the test, and 1 mistake.
    assert counts["pairs_7b_40"] == {"format": 15, "empty": 14, "other": 6, "logic": 5}
    # By hand: 54 that do not parse (two of them cut off, and two cut off behind junk), 1 empty, 3 incomplete (a body
    # that stops, asserts alone, a docstring alone), and 2 mistakes.
    assert counts["pairs_14b_multi_new60"] == {"format": 50, "truncated": 3, "other": 3, "empty": 2, "logic": 2}


def test_a_statement_that_stops_early_does_not_make_a_failure_truncated() -> None:
    p = problem("largest")
    right = "def largest(xs):\n    found = max(xs, default=0)\n    return found + 0\n"
    wrong = (right.replace(", default=0", ""), right.replace(" + 0", ""))
    cut = (right[: right.index("default")], right[: right.index("    return")])
    with PythonDomain(workers=1) as domain:
        items = [(p, verdict("", Outcome.FAIL, text), [right]) for text in (*wrong, *cut)]
        items.append((p, verdict("", Outcome.TRUNCATED, wrong[0]), [right]))
        assert domain.flaws(items) == ["logic", "logic", "truncated", "truncated", "truncated"]


def released(row: dict[str, object], number: int) -> Problem:
    tests = [str(test) for test in row["tests"]]  # type: ignore[attr-defined]
    match = re.search(r"(\w+)\(", tests[0].removeprefix("assert "))
    assert match
    return Problem(f"released/{number}", "python", "train", "", {"entry_point": match[1], "asserts": tests})
