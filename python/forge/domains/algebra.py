r"""Whether two mathematical answers are equal, by algebra. Runs in the sandbox, and nowhere else.

What takes it too long, or too much memory, the sandbox ends. Nothing here evaluates text: `latex` reads it into
a tree, from which expressions are built.
"""

from __future__ import annotations

import itertools
from typing import Any

import sympy

from forge.domains.expressions import Huge, close, value_of
from forge.domains.latex import Node, Unread, bare, read

LARGEST = 64
FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}
OPERATIONS = ("cup", "cap", "minus")


def same(pairs: list[tuple[str, str]]) -> bool:
    """Whether an answer and a reference are equal in one of the pairs of readings."""
    return any(equal(*pair) for pair in pairs)


def equal(answer: str, reference: str) -> bool:
    """Whether two texts in normal form state the same."""
    try:
        one, other = read(answer), read(reference)
    except RecursionError:
        return False
    except Unread:
        return by_larger_grammar(answer, reference)
    try:
        return alike(spread(one), spread(other))
    except (Huge, RecursionError):
        return False
    except Unread:
        return by_larger_grammar(answer, reference)


def by_larger_grammar(answer: str, reference: str) -> bool:
    """The same for integrals, limits and sums, by the grammar of math-verify."""
    from latex2sympy2_extended import latex2sympy

    try:
        values = [scalar_of(latex2sympy(text)) for text in (answer, reference)]
        return None not in values and close(values[0].doit(), values[1].doit())
    except (MemoryError, KeyboardInterrupt, SystemExit):
        raise
    except Exception:
        # What neither grammar reads is equal only to its own writing, and that was seen before.
        return False


def scalar_of(value: Any) -> Any:
    """A value that can be subtracted, or None."""
    return value if isinstance(value, sympy.Expr) else None


def spread(node: Node) -> Node:
    """A tree in which plus-or-minus has become both."""
    if not holds(node, ("pm", "mp")):
        return node
    if node[0] in ("list", "bracket") and (node[0] == "list" or node[1] == "\\{"):
        place = 1 if node[0] == "list" else 3
        parts = [(spread(part)) for part in node[place]]
        flat = [leaf for part in parts for leaf in (part[1] if part[0] == "list" and part[2] == "or" else [part])]
        return (*node[:place], flat, *node[place + 1 :])
    return ("list", [chosen(node, "pm"), chosen(node, "mp")], "or")


def holds(node: Any, kinds: tuple[str, ...]) -> bool:
    """Whether a node of one of these kinds is somewhere in a tree."""
    if isinstance(node, tuple) and node and node[0] in kinds:
        return True
    return isinstance(node, tuple | list) and any(holds(part, kinds) for part in node)


def chosen(node: Any, plus: str) -> Any:
    """A tree with one of the two signs."""
    if isinstance(node, tuple) and node and node[0] in ("pm", "mp"):
        part = chosen(node[1], plus)
        return part if node[0] == plus else ("minus sign", part)
    if isinstance(node, tuple | list):
        return type(node)(chosen(part, plus) for part in node)
    return node


def alike(a: Node, b: Node) -> bool:
    """Whether two trees mean the same: container by container, then value by value."""
    a, b = bare(a), bare(b)
    if a == b:
        return True
    if a[0] == "relation" and b[0] == "relation":
        return relations(a, b)
    if "relation" in (a[0], b[0]):
        relation, other = (a, b) if a[0] == "relation" else (b, a)
        value = stated(relation, other)
        if value is not None:
            return alike(value, other)
    if is_several(a) or is_several(b):
        return lists(a, b) or sets(a, b)
    if a[0] == "bracket" and b[0] == "bracket":
        same_kind = (a[1], a[2]) == (b[1], b[2]) or (rows(a) is not None and rows(b) is not None)
        return (same_kind and in_order(a[3], b[3])) or ((builder(a) or builder(b)) and sets(a, b))
    if rows(a) is not None and rows(b) is not None:
        return matrices(a, b)
    if is_set(a) or is_set(b):
        return sets(a, b)
    if holds((a, b), ("matrix",)):
        one, other = value_of(a), value_of(b)
        shapes = {getattr(value, "shape", None) for value in (one, other)}
        return len(shapes) == 1 and None not in shapes and all(map(close, one, other))
    if a[0] == "ratio" and b[0] == "ratio":
        return in_order(a[1], b[1])
    if "bracket" in (a[0], b[0]):
        return False
    if a[0] == b[0] == "base":
        return bool(a[1].lstrip("0") == b[1].lstrip("0") and a[2] == b[2])
    if "base" in (a[0], b[0]):
        # The base is a unit: left out by one of the two, it is not held against it.
        digits = a[1] if a[0] == "base" else b[1]
        return close(sympy.Integer(digits), value_of(b if a[0] == "base" else a))
    if "dots" in (a[0], b[0]):
        return False
    return close(value_of(a), value_of(b))


def is_several(node: Node) -> bool:
    """Whether a node is several answers: a list, or a set in braces."""
    return node[0] == "list" or (node[0] == "bracket" and node[1] == "\\{" and not builder(node))


def builder(node: Node) -> bool:
    """Whether a node is a set given by a condition."""
    return len(node[3]) == 1 and bool(node[3][0][0] == "builder")


def elements(node: Node) -> list[Node]:
    """The answers in a node, without names that are given to them."""
    if node[0] == "list":
        return [leaf for part in node[1] for leaf in (elements(part) if part[0] == "list" else [part])]
    return list(node[3]) if is_several(node) else [node]


def lists(a: Node, b: Node) -> bool:
    """Whether two lists hold the same, in any order unless something is left out of them."""
    ours, theirs = elements(a), elements(b)
    if len(ours) > LARGEST or len(theirs) > LARGEST:
        return ours == theirs
    for one, other in ((ours, theirs), (theirs, ours)):
        if len(other) == 1 and other[0][0] == "bracket" and other[0][1] == "(" and len(one) == len(other[0][3]) > 1:
            # x = 1, y = 2 is the pair (1, 2).
            values = [value for part in one if part[0] == "relation" and (value := stated(part, ("number", "0")))]
            if len(values) == len(one):
                return in_order(values, other[0][3])
    ours, theirs = once(a, ours), once(b, theirs)
    named = [any(part[0] == "relation" for part in parts) for parts in (ours, theirs)]
    if named[0] != named[1]:
        ours, theirs = ([unnamed(part) for part in parts] for parts in (ours, theirs))
    if len(ours) != len(theirs):
        return False
    if any(part[0] == "dots" for part in (*ours, *theirs)):
        return in_order(ours, theirs)
    left = list(theirs)
    for part in ours:
        found = next((place for place, other in enumerate(left) if alike(part, other)), None)
        if found is None:
            return False
        del left[found]
    return True


def once(node: Node, parts: list[Node]) -> list[Node]:
    """The parts of a list, those of `1/2 or 0.5` without repeating what is equal."""
    if node[0] != "list" or node[2] != "or":
        return parts
    kept: list[Node] = []
    for part in parts:
        if not any(alike(part, other) for other in kept):
            kept.append(part)
    return kept


def unnamed(node: Node) -> Node:
    """The value of x = value; anything else as it is."""
    value = stated(node, ("number", "0")) if node[0] == "relation" else None
    return node if value is None else value


def in_order(ours: list[Node], theirs: list[Node]) -> bool:
    """Whether two sequences are equal one by one."""
    return len(ours) == len(theirs) and all(itertools.starmap(alike, zip(ours, theirs, strict=True)))


def is_name(node: Node) -> bool:
    """Whether a node can stand before an equals sign to say what is being stated."""
    node = bare(node)
    if node[0] == "product" and len(node[1]) == 2 and node[1][1][0] == "group":
        return bool(node[1][0][0] == "name" and node[1][1][1][0] in ("name", "number"))
    if node[0] == "bracket":
        return node[1] == "(" and all(is_name(part) for part in node[3])
    return node[0] in ("name", "call")


def stated(relation: Node, other: Node) -> Node | None:
    """What an equation says that something is, where the other answer is no equation: of x = 5, that is 5."""
    _, parts, signs = relation
    if signs == ["in"] and is_name(parts[0]):
        return bare(parts[1])
    if set(signs) != {"="}:
        return None
    if is_name(parts[0]):
        return bare(parts[-1])
    if is_name(parts[-1]) and len(parts) == 2:
        return bare(parts[0])
    if other[0] in ("list", "bracket") or any(bare(part)[0] in ("bracket", "list") for part in parts):
        return None
    values = [value_of(part) for part in parts]
    return bare(parts[-1]) if all(close(value, values[-1]) for value in values) else None


def relations(a: Node, b: Node) -> bool:
    """Whether two equations or inequalities say the same: as written, turned, or times a constant."""
    (_, ours, signs), (_, theirs, others) = a, b
    turned = [FLIPPED.get(sign, "") for sign in reversed(signs)]
    if signs == others and in_order(ours, theirs):
        return True
    if turned == others and in_order(ours[::-1], theirs):
        return True
    plain = all(bare(part)[0] not in ("bracket", "list", *OPERATIONS) for part in (*ours, *theirs))
    if plain and len(signs) == len(others) == 1 and "in" not in signs + others:
        one, other = (value_of(parts[0]) - value_of(parts[1]) for parts in (ours, theirs))
        if other == 0 or one == 0:
            return False
        ratio = sympy.cancel(one / other)
        if ratio.is_number and ratio.is_real and ratio != 0:
            sign = others[0] if ratio > 0 else FLIPPED[others[0]]
            return signs[0] == sign and close(one, ratio * other)
    if "=" in signs + others:
        return False
    return sets(a, b)


def rows(node: Node) -> list[list[Node]] | None:
    """The rows of a matrix, however it is written."""
    if node[0] == "matrix":
        return list(node[1])
    if node[0] == "bracket" and node[1:3] == ("[", "]") and node[3]:
        if all(part[0] == "bracket" and part[1:3] == ("[", "]") for part in node[3]):
            return [part[3] for part in node[3]]
        return None
    if node[0] == "bracket" and node[1:3] == ("(", ")"):
        return [[part] for part in node[3]]
    return None


def matrices(a: Node, b: Node) -> bool:
    """Whether two matrices are equal; a tuple is a column, and a row if it has to be."""
    ours, theirs = rows(a) or [], rows(b) or []
    if "bracket" in (a[0], b[0]) and len(ours) != len(theirs):
        ours, theirs = ([[part for row in found for part in row]] for found in (ours, theirs))
    return len(ours) == len(theirs) and all(itertools.starmap(in_order, zip(ours, theirs, strict=True)))


def is_set(node: Node) -> bool:
    """Whether a node is a set of numbers and nothing else."""
    if node[0] in OPERATIONS or node == ("name", "emptyset") or (node[0] == "name" and node[1].startswith("set ")):
        return True
    return node[0] == "relation" or (node[0] == "bracket" and (node[1] + node[2] in ("(]", "[)") or builder(node)))


def sets(a: Node, b: Node) -> bool:
    """Whether two sets of real numbers have the same elements."""
    one, other = set_of(a), set_of(b)
    if one is None or other is None:
        return False
    return bool(one == other) or bool(one.symmetric_difference(other) == sympy.S.EmptySet)


def set_of(node: Node) -> Any:
    """A set in sympy, or None for what is none."""
    node = bare(node)
    if node == ("name", "emptyset") or (node[0] == "bracket" and not node[3]):
        return sympy.S.EmptySet
    if node[0] == "name" and node[1].startswith("set "):
        known = {"R": "Reals", "Z": "Integers", "N": "Naturals", "Q": "Rationals", "C": "Complexes"}
        return getattr(sympy.S, known.get(node[1][4:], ""), None)
    if node[0] in OPERATIONS:
        one, other = set_of(node[1]), set_of(node[2])
        if one is None or other is None:
            return None
        return {"cup": one.union, "cap": one.intersect, "minus": lambda cut: one - cut}[node[0]](other)
    if node[0] == "relation":
        return solutions(node)
    if node[0] == "list":
        parts = [set_of(part) for part in node[1]]
        if None in parts or all(part[0] != "relation" for part in node[1]):
            return None
        return sympy.Intersection(*parts) if node[2] == "and" else sympy.Union(*parts)
    if node[0] != "bracket":
        return None
    if builder(node):
        return set_of(node[3][0][2])
    if node[1] == "\\{":
        return sympy.FiniteSet(*(value_of(part) for part in node[3]))
    if len(node[3]) != 2 or any(bare(part)[0] in ("bracket", "list", "relation") for part in node[3]):
        return None
    low, high = map(value_of, node[3])
    if not (low.is_extended_real and high.is_extended_real):
        return None
    # A pair of coordinates may go down; an interval that does is empty, as are all others that do.
    closed = node[1] + node[2] == "[]"
    return sympy.Interval(low, high, node[1] == "(", node[2] == ")") if low < high or (low == high and closed) else None


def solutions(node: Node) -> Any:
    """The real solutions of a chain of inequalities in one unknown, each side of which is linear, or None."""
    _, parts, signs = node
    if signs == ["in"]:
        return set_of(parts[1])
    if any(sign in ("in", "=") for sign in signs) or any(bare(part)[0] in ("bracket", "list") for part in parts):
        return None
    values = [value_of(part) for part in parts]
    unknown = {symbol for value in values for symbol in value.free_symbols}
    if len(unknown) != 1:
        return None
    x = unknown.pop()
    found: Any = sympy.S.Reals
    for sign, left, right in zip(signs, values, values[1:], strict=False):
        if left.is_infinite or right.is_infinite:
            continue
        slope = sympy.expand(left - right).coeff(x)
        rest = sympy.expand(left - right - slope * x)
        if slope == 0 or rest.free_symbols or slope.free_symbols:
            return None
        bound = -rest / slope
        sign = sign if slope > 0 else FLIPPED[sign]
        found = found.intersect(half(sign, bound))
    return found


def half(sign: str, bound: Any) -> Any:
    """The numbers on one side of a bound."""
    if sign == "!=":
        return sympy.S.Reals - sympy.FiniteSet(bound)
    if sign in ("<", "<="):
        return sympy.Interval(-sympy.oo, bound, True, sign == "<")
    return sympy.Interval(bound, sympy.oo, sign == ">", True)
