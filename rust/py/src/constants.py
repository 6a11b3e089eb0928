"""Constants as the clerk reads them: what an expression is worth, whether it travels, and how it is shown.

Executed in the clerk's interpreter, before `clerk.py` and in the same namespace. Expressions are not executed:
they are evaluated here, by rules that bound every size before it is reached.
"""

import ast
import builtins
import operator
from collections.abc import Callable, Iterable
from typing import Any

Call = tuple[str, tuple[Any, ...], dict[str, Any]]
"""Function, arguments, named arguments."""

SHOWN = 200
DEPTH = 100
"""The deepest nesting of an expression; far below what travels."""
LONGEST = 200_000
"""The most members or characters that a constant may have."""
WIDEST = 14_000
"""The most bits that a power or a shift may give; about the most that Python will write in decimals."""
NODES, BYTES = 1 << 19, 8 << 20
"""What a whole table may hold, so that it fits one message."""


class Refused(Exception):
    """The tests cannot be expressed as a table."""


def need(condition: object) -> None:
    """Refuses unless a condition holds."""
    if not condition:
        raise Refused


# How values are shown.


def bounded(text: str, limit: int = SHOWN) -> str:
    """At most `limit` characters of a text, with a mark where something was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def without_addresses(text: str) -> str:
    """A text without the addresses of objects, cut out as the judge cuts them."""
    head, *parts = text.split(" at 0x")
    return head + "".join(part.lstrip("0123456789abcdefABCDEF") for part in parts)


def rendered(value: Any) -> str:
    """The representation of a plain value, with the members of sets in a fixed order."""
    kind = type(value)
    if kind in (set, frozenset) and value:
        members = sorted(value, key=rendered)
        try:
            members.sort()
        except TypeError:
            members.sort(key=rendered)
        inside = "{" + ", ".join(map(rendered, members)) + "}"
        return inside if kind is set else f"frozenset({inside})"
    if kind is list:
        return "[" + ", ".join(map(rendered, value)) + "]"
    if kind is tuple:
        return "(" + ", ".join(map(rendered, value)) + (",)" if len(value) == 1 else ")")
    if kind is dict:
        return "{" + ", ".join(f"{rendered(key)}: {rendered(item)}" for key, item in value.items()) + "}"
    return repr(value)


def shown(value: Any) -> str:
    """The representation of a plain value as failures hold it; its type's name if Python will not write it."""
    try:
        return bounded(without_addresses(rendered(value)))
    except Exception:
        return f"<{type(value).__name__}>"


def shown_call(call: Call) -> str:
    """A call as failures hold it."""
    function, arguments, named = call
    parts = [rendered(value) for value in arguments]
    parts += [f"{key}={rendered(value)}" for key, value in named.items()]
    return bounded(f"{function}({', '.join(parts)})")


# What constants are.

NUMBERS = (bool, int, float, complex)
SEQUENCES = (str, bytes, bytearray, list, tuple)
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}
SIGNS: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
}
MAKERS: dict[str, Callable[..., Any]] = {
    kind.__name__: kind
    for kind in (
        bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict, range,
    )
}  # fmt: skip


class Names:
    """What names mean at one place of the tests."""

    def __init__(self, entry_point: str, defined: Iterable[str] = (), parameter: str = "") -> None:
        self.entry_point = entry_point
        self.defined = frozenset(defined)
        self.parameter = parameter

    def is_builtin(self, name: str) -> bool:
        """Whether a name is one of Python's own."""
        return hasattr(builtins, name) and name not in self.defined and name not in (self.entry_point, self.parameter)

    def function(self, name: str) -> str:
        """The candidate's name for a function that the tests call by `name`."""
        if name == self.parameter or name == self.entry_point:
            name = self.entry_point
        else:
            need(name not in self.defined and not hasattr(builtins, name))
        need(name and not name.startswith("__"))
        return name


def evaluate(node: ast.expr, names: Names, depth: int = DEPTH) -> Any:
    """The value of a constant expression."""
    need(depth)

    def inner(child: ast.expr) -> Any:
        return evaluate(child, names, depth - 1)

    match node:
        case ast.Constant(value=value):
            need(value is not ...)
            return value
        case ast.List(elts=items):
            return [inner(item) for item in items]
        case ast.Tuple(elts=items):
            return tuple(inner(item) for item in items)
        case ast.Set(elts=items):
            return {inner(item) for item in items}
        case ast.Dict(keys=keys, values=values):
            pairs = []
            for key, item in zip(keys, values, strict=True):
                if key is None:
                    raise Refused
                pairs.append((inner(key), inner(item)))
            return dict(pairs)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not inner(operand)
        case ast.UnaryOp(op=sign, operand=operand):
            number = inner(operand)
            need(type(number) in NUMBERS)
            return SIGNS[type(sign)](number)
        case ast.BinOp(left=left, op=sign, right=right):
            return combine(type(sign), inner(left), inner(right))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            need(names.is_builtin(name) and name in MAKERS)
            return make(name, [inner(argument) for argument in arguments], [(k.arg, inner(k.value)) for k in keywords])
    raise Refused


def combine(sign: type[ast.operator], left: Any, right: Any) -> Any:
    """The value of an operation on two constants."""
    if type(left) in NUMBERS and type(right) in NUMBERS:
        if isinstance(left, int) and isinstance(right, int):
            need(sign is not ast.Pow or (right <= WIDEST and left.bit_length() * right <= WIDEST))
            need(sign is not ast.LShift or right <= WIDEST)
        need(sign in ARITHMETIC)
        return ARITHMETIC[sign](left, right)
    if sign is ast.Add:
        need(type(left) is type(right) and type(left) in SEQUENCES and len(left) + len(right) <= LONGEST)
        return left + right
    need(sign is ast.Mult)
    if type(left) in (bool, int):
        left, right = right, left
    need(type(left) in SEQUENCES and type(right) in (bool, int) and len(left) * right <= LONGEST)
    return left * right


def make(name: str, arguments: list[Any], named: list[tuple[str | None, Any]]) -> Any:
    """What a call of a built-in type gives."""
    need(not named or name == "dict")
    need(len(arguments) <= {"int": 2, "complex": 2, "range": 3}.get(name, 1))
    for argument in arguments:
        # The order of a set's members depends on how it was made.
        need(name not in ("list", "tuple", "str", "bytes", "bytearray", "dict") or not holds_set(argument))
        if type(argument) is range and name != "bool":
            need(len(argument) <= LONGEST)
        if type(argument) in (bool, int) and name in ("bytes", "bytearray"):
            need(argument <= LONGEST)
    keywords = {}
    for key, value in named:
        if key is None:
            raise Refused
        keywords[key] = value
    return MAKERS[name](*arguments, **keywords)


def holds_set(value: Any) -> bool:
    """Whether there is a set somewhere in a plain value."""
    if type(value) is dict:
        return any(holds_set(part) for pair in value.items() for part in pair)
    if type(value) in (list, tuple):
        return any(map(holds_set, value))
    return type(value) in (set, frozenset)


class Scale:
    """Weighs what goes into one table, and refuses what would not arrive as it is."""

    def __init__(self) -> None:
        self.nodes = NODES
        self.bytes = BYTES

    def weigh(self, value: Any, seen: set[int], depth: int = DEPTH) -> None:
        """Refuses what is not plain, what is too large, and objects that are there twice: their identity is lost."""
        kind = type(value)
        self.nodes -= 1
        self.bytes -= 9
        if kind in (list, dict, set, bytearray):
            need(id(value) not in seen)
            seen.add(id(value))
        if kind in (str, bytes, bytearray):
            self.bytes -= 4 * len(value)
        elif kind is int:
            repr(value)  # Python refuses to write very long integers; so does the table.
            self.bytes -= value.bit_length() // 8 + 1
        elif kind is range:
            need(all(-(1 << 63) <= part < 1 << 63 for part in (value.start, value.stop, value.step)))
        elif kind in (list, tuple, set, frozenset, dict):
            need(depth)
            for part in value:
                self.weigh(part, seen, depth - 1)
            for part in value.values() if kind is dict else ():
                self.weigh(part, seen, depth - 1)
        else:
            need(value is None or kind in NUMBERS)
        need(self.nodes > 0 and self.bytes > 0)
