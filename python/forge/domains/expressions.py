"""Expressions of SymPy from trees that `latex` has read, and whether two of them are equal. Runs in the sandbox.

Text is never evaluated: expressions are built node by node, and numbers that are too large to be written out are
refused before they are.
"""

from __future__ import annotations

import functools
import operator
import random
from typing import Any

import sympy

from forge.domains.latex import Node, Unread, bare

BITS = 100_000
"""The most bits of a whole number that is written out."""

DIGITS = 50
"""In how many digits expressions are compared, beside those of the longest number in them."""

TRIALS = 4
"""At how many points expressions with unknowns are compared."""

ANGLES = frozenset("sin cos tan cot sec csc".split())
"""Functions of which an argument in degrees means degrees; elsewhere the sign is ignored."""

WHOLE = frozenset("klmn")
"""Letters that stand for whole numbers."""

INVERSE = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "arccot": "acot", "arcsec": "asec", "arccsc": "acsc"}


class Huge(Exception):
    """A number too large to be an answer."""


def close(a: Any, b: Any) -> bool:
    """Whether two expressions are equal: rational numbers exactly, others in fifty digits wherever they are tried."""
    if a == b:
        return True
    if a.is_Rational and b.is_Rational:
        return False
    symbols = sorted(a.free_symbols | b.free_symbols, key=str)
    if not symbols and (a.is_infinite or b.is_infinite):
        return False
    longest = max((len(str(number.q)) for number in a.atoms(sympy.Rational) | b.atoms(sympy.Rational)), default=0)
    digits = DIGITS + longest
    tried = 0
    source = random.Random(1)
    for trial in range(2 * TRIALS if symbols else 1):
        point = {symbol: place(symbol, trial, source) for symbol in symbols}
        values = [number(value, point, digits) for value in (a, b)]
        if None in values:
            continue
        tried += 1
        if abs(values[0] - values[1]) > sympy.Float(10) ** (10 - digits) * max(1, *map(abs, values)):
            return False
        if tried == TRIALS:
            break
    return tried > 0 or bool(sympy.simplify(a - b) == 0)


def place(symbol: Any, trial: int, source: random.Random) -> Any:
    """A number for an unknown: positive at first, then also negative; whole where its letter says so."""
    low = 1 if trial < TRIALS // 2 else -30
    if str(symbol) in WHOLE:
        return sympy.Integer(source.randint(2, 30))
    return sympy.Rational(source.randint(low * 97, 30 * 97) or 1, 97)


def number(value: Any, point: dict[Any, Any], digits: int) -> Any:
    """The complex number that an expression is at a point, or None."""
    found = value.evalf(digits, subs=point) if point else value.evalf(digits)
    return found if found.is_number and found.is_finite and not found.free_symbols else None


def value_of(node: Node) -> Any:
    """The expression that a tree states.

    Raises:
        Unread: it is no expression.
        Huge: it holds a number too large to write out.
    """
    kind, *parts = node
    if kind not in VALUES:
        raise Unread(kind)
    return VALUES[kind](*parts)


def name(text: str) -> Any:
    """A constant or an unknown."""
    if text == "emptyset" or text.startswith("set "):
        raise Unread(text)
    return {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "infty": sympy.oo}.get(text) or sympy.Symbol(text)


def power(base: Node, exponent: Node) -> Any:
    """A power, unless it is too large to write out."""
    low, high = value_of(base), value_of(exponent)
    if high.is_number and low.is_number and abs(low) != 1 and low != 0:
        size = abs(high.evalf(15)) * abs(sympy.log(abs(low)).evalf(15))
        if size.is_comparable and size > BITS:
            raise Huge
    return low**high


def factorial(node: Node) -> Any:
    """A factorial, unless it is too large to write out."""
    value = value_of(node)
    if value.is_number and not value <= BITS // 20:
        raise Huge
    return sympy.factorial(value)


def binomial(top: Node, under: Node) -> Any:
    """A binomial coefficient, unless it is too large to write out."""
    values = value_of(top), value_of(under)
    if any(value.is_number and abs(value) > BITS // 20 for value in values):
        raise Huge
    return sympy.binomial(*values)


def decimal_for_ever(whole: str, digits: str, period: str) -> Any:
    """The fraction that a repeating decimal is."""
    nines = sympy.Rational(int(period), (10 ** len(period) - 1) * 10 ** len(digits))
    return sympy.Rational(f"{whole}.{digits or 0}") + nines


def function(called: str, argument: Node, base: Node | None) -> Any:
    """A function that has a name."""
    argument = bare(argument)
    if called in ("gcd", "lcm", "max", "min"):
        values = [value_of(part) for part in (argument[3] if argument[0] == "bracket" else argument[1])]
        return {"gcd": sympy.gcd, "lcm": sympy.lcm}[called](values) if called in ("gcd", "lcm") else (
            (sympy.Max if called == "max" else sympy.Min)(*values)
        )  # fmt: skip
    value = value_of(argument)
    if called in ANGLES and "'degrees'" in repr(argument):
        value *= sympy.pi / 180
    if called == "exp":
        return power(("name", "e"), argument)
    if called in ("log", "ln", "lg"):
        if base is not None:
            return sympy.log(value) / sympy.log(value_of(base))
        return sympy.log(value) / (sympy.log(10) if called == "lg" else 1)
    known = getattr(sympy, INVERSE.get(called, called), None)
    if known is None or base is not None:
        raise Unread(called)
    return known(value)


def ratio(parts: list[Node]) -> Any:
    """Two numbers with a colon between them, where the other answer is one number."""
    if len(parts) != 2:
        raise Unread(":")
    return value_of(parts[0]) / value_of(parts[1])


VALUES: dict[str, Any] = {
    "number": lambda text: sympy.Rational(text),
    "name": name,
    "group": lambda node: value_of(node),
    "sum": lambda parts: functools.reduce(operator.add, map(value_of, parts)),
    "product": lambda parts: functools.reduce(operator.mul, map(value_of, parts)),
    "matrix": lambda rows: sympy.ImmutableMatrix([[value_of(part) for part in row] for row in rows]),
    "minus sign": lambda node: -value_of(node),
    "fraction": lambda top, under: value_of(top) / value_of(under),
    "power": power,
    "degrees": lambda node: value_of(node),
    "root": lambda node, index: value_of(node) ** (1 / value_of(index)),
    "factorial": factorial,
    "binomial": binomial,
    "absolute": lambda node: sympy.Abs(value_of(node)),
    "lfloor": lambda node: sympy.floor(value_of(node)),
    "lceil": lambda node: sympy.ceiling(value_of(node)),
    "repeating": decimal_for_ever,
    "function": function,
    "call": lambda called, node: sympy.Function(called)(value_of(node)),
    "ratio": ratio,
}
