"""The task family of the embedded model: source x filter x map x reducer, over integers.

Holds what each primitive says (its words in a docstring and in a name), means (a Python function, the
independent evaluation) and looks like in code, right and wrong. A primitive's wrong form is a `trap`
where careless authors of the corpus usually fall for it. Nothing here is random or renders a program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Constants = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Where the numbers come from; `wrong` is empty where there is no natural slip."""

    name: str
    weight: float
    parameter: str
    noun: str
    place: str
    values: Callable[[Any], list[int]]
    code: str
    wrong: str = ""
    trap: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """Which numbers stay. `before` and `after` surround the noun; each of `after` is one phrasing."""

    name: str
    weight: float
    word: str
    before: str
    after: tuple[str, ...]
    keeps: Callable[[int, Constants], bool]
    code: str
    wrong: str
    trap: bool = False
    constants: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Map:
    """What becomes of each number; `phrase` holds `{of}` for what it applies to and `{k}` for its constant."""

    name: str
    weight: float
    word: str
    phrase: str
    applied: Callable[[int, int], int]
    code: str
    wrong: str = ""
    trap: bool = False
    constants: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reducer:
    """What is returned. `short` works on a comprehension, `named` on a list `ys`; each has its wrong form.

    `empty` is the tail of the docstring where an empty list needs an answer of its own.
    """

    name: str
    weight: float
    word: str
    phrase: str
    reduced: Callable[[list[int]], Any]
    named: str
    wrong_named: str
    short: str = ""
    wrong_short: str = ""
    trap: bool = False
    empty: str = ""


def _product(values: Sequence[int]) -> int:
    result = 1
    for value in values:
        result *= value
    return result


def _dict_values(argument: Mapping[str, int]) -> list[int]:
    return list(argument.values())


SOURCES: tuple[Source, ...] = (
    Source("list", 40, "xs", "numbers", "in xs", list, "xs"),
    Source(
        "range", 22, "n", "numbers", "from 1 to n", lambda n: [i + 1 for i in range(n)], "range(1, n + 1)",
        "range(1, n)", True,
    ),
    Source("digits", 20, "n", "digits", "of n", lambda n: [ord(c) - 48 for c in str(n)], "map(int, str(n))"),
    Source("dict", 18, "d", "values", "of d", _dict_values, "d.values()", "d"),
)  # fmt: skip

_ONE_TO_NINE = tuple(range(1, 10))
_TWO_TO_FIVE = (2, 3, 4, 5)
_NONE_ZERO = ", or 0 if there are none"
_NONE_NONE = ", or None if there are none"

FILTERS: tuple[Filter, ...] = (
    Filter("all", 14, "", "", ("",), lambda x, k: True, "", ""),
    Filter("even", 11, "even", "even ", ("",), lambda x, k: x % 2 == 0, "x % 2 == 0", "x % 2 == 1"),
    Filter("odd", 9, "odd", "odd ", ("",), lambda x, k: x % 2 == 1, "x % 2 == 1", "x % 2 == 0"),
    Filter("positive", 10, "positive", "positive ", ("",), lambda x, k: x > 0, "x > 0", "x >= 0", True),
    Filter("negative", 5, "negative", "negative ", ("",), lambda x, k: x < 0, "x < 0", "x <= 0"),
    Filter(
        "over", 9, "over", "", (" greater than {a}", " over {a}"), lambda x, k: x > k[0], "x > {a}", "x >= {a}",
        constants=_ONE_TO_NINE,
    ),
    Filter(
        "under", 7, "under", "", (" less than {a}", " under {a}"), lambda x, k: x < k[0], "x < {a}", "x <= {a}",
        constants=_ONE_TO_NINE,
    ),
    Filter(
        "least", 9, "from", "", (" that are at least {a}",), lambda x, k: x >= k[0], "x >= {a}", "x > {a}", True,
        _ONE_TO_NINE,
    ),
    Filter(
        "most", 7, "upto", "", (" that are at most {a}",), lambda x, k: x <= k[0], "x <= {a}", "x < {a}", True,
        _ONE_TO_NINE,
    ),
    Filter(
        "divisible", 6, "multiples", "", (" divisible by {a}",), lambda x, k: x % k[0] == 0, "x % {a} == 0",
        "x % {a} != 0", constants=_TWO_TO_FIVE,
    ),
    Filter(
        "between", 5, "between", "", (" between {a} and {b} inclusive",), lambda x, k: k[0] <= x <= k[1],
        "{a} <= x <= {b}", "{a} < x < {b}", True, _ONE_TO_NINE,
    ),
    Filter(
        "other", 1.0, "other", "", (" other than {a}",), lambda x, k: x != k[0], "x != {a}", "x == {a}",
        constants=_ONE_TO_NINE,
    ),
    Filter(
        "indivisible", 0.8, "rest", "", (" not divisible by {a}",), lambda x, k: x % k[0] != 0, "x % {a} != 0",
        "x % {a} == 0", constants=_TWO_TO_FIVE,
    ),
)  # fmt: skip

MAPS: tuple[Map, ...] = (
    Map("same", 18, "", "{of}", lambda x, k: x, "x"),
    Map("square", 14, "squares", "the squares of {of}", lambda x, k: x**2, "x * x", "x + x"),
    Map("double", 12, "doubles", "the doubles of {of}", lambda x, k: x + x, "x * 2", "x ** 2"),
    Map("plus", 10, "plus", "{of}, each plus {k}", lambda x, k: x + k, "x + {k}", "x - {k}", constants=_ONE_TO_NINE),
    Map("times", 9, "times", "{of}, each times {k}", lambda x, k: x * k, "x * {k}", "x + {k}", constants=(3, 4, 5, 6)),
    Map("half", 8, "halves", "the halves, rounded down, of {of}", lambda x, k: x >> 1, "x // 2", "x / 2", True),
    Map("units", 6, "units", "the last digits of {of}", lambda x, k: int(str(x)[-1]), "abs(x) % 10", "x % 10", True),
    Map("negate", 5, "negated", "the negatives of {of}", lambda x, k: 0 - x, "-x", "abs(x)"),
    Map("abs", 4, "sizes", "the absolute values of {of}", lambda x, k: max(x, -x), "abs(x)", "-x"),
    Map(
        "modulo", 1.0, "remainders", "the remainders modulo {k} of {of}", lambda x, k: x - x // k * k, "x % {k}",
        "x // {k}", constants=(3, 4, 5, 6, 7),
    ),
    Map("cube", 0.8, "cubes", "the cubes of {of}", lambda x, k: x * x * x, "x ** 3", "x * 3"),
)  # fmt: skip

REDUCERS: tuple[Reducer, ...] = (
    Reducer("sum", 14, "sum", "the sum of {of}", sum, "sum(ys)", "len(ys)", "sum({g})", "len([{g}])"),
    Reducer("number", 11, "count", "the number of {of}", len, "len(ys)", "sum(ys)", "len([{g}])", "sum({g})"),
    Reducer("list", 11, "list", "a list of {of}", list, "ys", "ys[::-1]", "[{g}]", "[{g}][::-1]"),
    Reducer("sorted", 8, "sort", "a sorted list of {of}", sorted, "sorted(ys)", "ys", "sorted({g})", "[{g}]"),
    Reducer(
        "largest", 10, "max", "the largest of {of}", lambda ys: max([*ys] or [0]), "max(ys, default=0)", "max(ys)",
        "max([{g}], default=0)", "max([{g}])", True, _NONE_ZERO,
    ),
    Reducer(
        "first", 8, "first", "the first of {of}", lambda ys: [*ys, None][0], "ys[0] if ys else None", "ys[0]",
        trap=True, empty=_NONE_NONE,
    ),
    Reducer(
        "smallest", 7, "min", "the smallest of {of}", lambda ys: min([*ys] or [0]), "min(ys, default=0)", "min(ys)",
        "min([{g}], default=0)", "min([{g}])", True, _NONE_ZERO,
    ),
    Reducer(
        "mean", 7, "mean", "the integer mean of {of}", lambda ys: sum(ys) // (len(ys) or 1),
        "sum(ys) // len(ys) if ys else 0", "sum(ys) // len(ys)", trap=True, empty=_NONE_ZERO,
    ),
    Reducer(
        "descending", 6, "descend", "a descending list of {of}", lambda ys: [-y for y in sorted(-y for y in ys)],
        "sorted(ys, reverse=True)", "sorted(ys)", "sorted([{g}], reverse=True)", "sorted([{g}])", True,
    ),
    Reducer(
        "last", 6, "last", "the last of {of}", lambda ys: [None, *ys][-1], "ys[-1] if ys else None", "ys[-1]",
        trap=True, empty=_NONE_NONE,
    ),
    Reducer(
        "unique", 5, "unique", "a sorted list without duplicates of {of}", lambda ys: sorted(dict.fromkeys(ys)),
        "sorted(set(ys))", "sorted(ys)", "sorted(set({g}))", "sorted([{g}])", True,
    ),
    Reducer(
        "distinct", 4, "distinct", "the number of distinct values among {of}", lambda ys: len(dict.fromkeys(ys)),
        "len(set(ys))", "len(ys)", "len(set({g}))", "len([{g}])", True,
    ),
    Reducer("product", 1.0, "product", "the product of {of}", _product, "", ""),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Structure:
    """One composition of primitives, without constants."""

    source: Source
    filter: Filter
    map: Map
    reducer: Reducer

    @property
    def key(self) -> str:
        """The structure's name, for example `list|even|square|sum`."""
        return f"{self.source.name}|{self.filter.name}|{self.map.name}|{self.reducer.name}"

    @property
    def traps(self) -> int:
        """How many of its sites are traps."""
        return sum(part.trap for part in (self.source, self.filter, self.map, self.reducer))


@dataclass(frozen=True, slots=True)
class Task:
    """A structure with its constants and one of its phrasings: what a docstring states."""

    structure: Structure
    bounds: Constants = ()
    factor: int = 0
    phrasing: int = 0

    @property
    def name(self) -> str:
        """The function's name."""
        shape = self.structure
        words = [word for word in (shape.reducer.word, shape.map.word, shape.filter.word) if word]
        return "_".join(words if len(words) > 1 else [*words, shape.source.noun])

    @property
    def docstring(self) -> str:
        """The one line that says what the function returns."""
        shape = self.structure
        after = shape.filter.after[self.phrasing].format(**self.named_bounds())
        of = f"the {shape.filter.before}{shape.source.noun} {shape.source.place}{after}"
        of = shape.map.phrase.format(of=of, k=self.factor)
        return f"Return {shape.reducer.phrase.format(of=of)}{shape.reducer.empty}."

    @property
    def stub(self) -> str:
        """The `def` line and the docstring, as a problem states them."""
        return f'def {self.name}({self.structure.source.parameter}):\n    """{self.docstring}"""\n'

    def named_bounds(self) -> dict[str, int]:
        """The filter's constants by the letters that its texts use."""
        return dict(zip("ab", self.bounds, strict=False))

    def evaluate(self, argument: Any) -> Any:
        """What the function should return, computed from the meaning of the parts and not from any code."""
        shape = self.structure
        kept = [x for x in shape.source.values(argument) if shape.filter.keeps(x, self.bounds)]
        return shape.reducer.reduced([shape.map.applied(x, self.factor) for x in kept])
