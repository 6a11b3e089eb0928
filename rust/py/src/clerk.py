"""Turns tests into a table of calls, where they are nothing but asserts on calls with literal arguments.

Executed in a warm interpreter that has seen no candidate, after `constants.py` and in the same namespace.
Executes no test and no setup: it reads their syntax. A table has exactly the meaning of the texts it was made
from; whatever is not plainly of a known shape is refused, and the judge executes it.
"""

import ast
import builtins
import types
import typing
import warnings
from collections.abc import Callable
from typing import Any

if typing.TYPE_CHECKING:
    from constants import Call, Names, Refused, Scale, bounded, evaluate, need, shown, shown_call, without_addresses

Step = tuple[str, tuple[Any, ...], dict[str, Any], str, Any, float, str, str, str, str | None]
"""Function, arguments, named arguments, kind of check, operand, tolerance, and four texts: what the step is about
if a value is unequal, what was expected then, what it is about if anything else happens, the assert's message. In
place of a message that is no constant stands nothing: it is evaluated by a failing assert only, so that a failure
of the step is for the judge to tell."""

EXACT = 1 << 53
"""Up to here every integer is a float."""

MESSAGES = (
    ast.Constant, ast.Name, ast.expr_context, ast.BinOp, ast.operator, ast.UnaryOp, ast.unaryop, ast.Call, ast.keyword,
    ast.Attribute, ast.Subscript, ast.Slice, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.JoinedStr, ast.FormattedValue,
)  # fmt: skip
"""What messages may be made of."""

MODULES = frozenset(
    "abc array base64 bisect collections contextlib copy dataclasses datetime decimal enum fractions functools "
    "hashlib heapq io itertools json math operator os random re statistics string struct sys time types typing".split()
)
"""Modules that a setup may import: loaded in every interpreter of the sandbox, and importing them does nothing."""


# The setup.


class Setup:
    """What a setup defines, as far as it can have no other effect on tests than defining it."""

    def __init__(self, source: str, entry_point: str) -> None:
        self.entry_point = entry_point
        self.defined: set[str] = set()
        self.known: dict[str, Any] = {}
        """Names whose meaning matters: what came from `typing`."""
        self.check: ast.FunctionDef | None = None
        if source.strip():
            tree = ast.parse(source, "<setup>")
            compile(tree, "<setup>", "exec", dont_inherit=True)
            for statement in tree.body:
                self.read(statement)

    def names(self, parameter: str = "") -> Names:
        """What names mean after the setup."""
        return Names(self.entry_point, self.defined, parameter)

    def define(self, name: str, value: Any = None) -> None:
        """Takes down that a name is bound, and to what if that matters."""
        need(not name.startswith("__"))
        self.defined.add(name)
        self.known.pop(name, None)
        if value is not None:
            self.known[name] = value
        if name == "check":
            self.check = None

    def read(self, statement: ast.stmt) -> None:
        """Reads one statement."""
        match statement:
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                pass
            case ast.Import(names=aliases):
                for alias in aliases:
                    self.load(alias.name)
                    root = alias.name.partition(".")[0]
                    self.define(alias.asname or root, typing if alias.name == "typing" else None)
            case ast.ImportFrom(module=str(module), names=aliases, level=0):
                for alias in aliases:
                    loaded = self.load(module)
                    need(alias.name != "*" and hasattr(loaded, alias.name))
                    value = getattr(typing, alias.name) if loaded is typing else None
                    self.define(alias.asname or alias.name, value)
            case ast.FunctionDef():
                self.read_function(statement)
            case ast.Assign(targets=targets, value=value):
                evaluate(value, self.names())
                for target in targets:
                    if not isinstance(target, ast.Name):
                        raise Refused
                    self.define(target.id)
            case _:
                raise Refused

    def load(self, name: str) -> types.ModuleType:
        """A module of the standard library that is there in every interpreter."""
        need(name.partition(".")[0] in MODULES)
        return __import__(name, fromlist=["__name__"])

    def read_function(self, function: ast.FunctionDef) -> None:
        """Reads a definition: whatever is evaluated with it must be harmless; its body is not executed."""
        need(not function.decorator_list and not getattr(function, "type_params", None))
        arguments = function.args
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                evaluate(default, self.names())
        everything = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        annotations = [argument.annotation for argument in everything if argument is not None]
        for annotation in (*annotations, function.returns):
            if annotation is not None:
                self.annotation(annotation)
        self.define(function.name)
        if function.name == "check":
            self.check = function

    def annotation(self, node: ast.expr) -> Any:
        """The value of an annotation made of built-in types and of what `typing` has; it raises what Python would."""
        match node:
            case ast.Constant(value=value) if value is None or value is ... or type(value) is str:
                return value
            case ast.Name(id=name) if name in self.known:
                return self.known[name]
            case ast.Name(id=name):
                need(self.names().is_builtin(name) and not name.startswith("_"))
                return getattr(builtins, name)
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                need(self.known.get(name) is typing)
                return getattr(typing, attribute)
            case ast.Subscript(value=value, slice=index):
                return self.annotation(value)[self.annotation(index)]
            case ast.Tuple(elts=parts):
                return tuple(self.annotation(part) for part in parts)
            case ast.List(elts=parts):
                return [self.annotation(part) for part in parts]
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self.annotation(left) | self.annotation(right)
        raise Refused


# The tests.


class Reader:
    """Reads the tests of one job."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.scale = Scale()

    def test(self, source: str) -> list[Step]:
        """The steps of one test."""
        source.encode()
        # The judge cuts a test into lines at line feeds, Python also at lone carriage returns.
        need("\r" not in source.replace("\r\n", ""))
        tree = ast.parse(source, "<test>")
        compile(tree, "<test>", "exec", dont_inherit=True)
        lines = source.split("\n")
        match tree.body:
            case [ast.Expr(value=ast.Call(func=ast.Name("check"), args=[ast.Name(id=argument)], keywords=[]))]:
                return self.check(argument)
            case [ast.Assert(test=test)]:
                about = bounded(segment(lines, left_of(test) or test) or source.strip())
                return self.steps(tree.body, self.setup.names(), lambda test, call: (about, about))

        def about_step(test: ast.expr, call: Call) -> tuple[str, str]:
            left, called = left_of(test), shown_call(call)
            return bounded(segment(lines, left) if left else "") or called, called

        return self.steps(tree.body, self.setup.names(), about_step)

    def check(self, argument: str) -> list[Step]:
        """The steps of a test that hands the entry point to the setup's `check`."""
        function = self.setup.check
        if function is None or argument != self.setup.entry_point or argument == "check":
            raise Refused
        match function.args:
            case ast.arguments(
                posonlyargs=[], args=[ast.arg(arg=parameter)], vararg=None, kwonlyargs=[], kwarg=None, defaults=[]
            ):
                names = self.setup.names(parameter)
                return self.steps(function.body, names, lambda test, call: (shown_call(call),) * 2)
        raise Refused

    def steps(
        self, body: list[ast.stmt], names: Names, about: Callable[[ast.expr, Call], tuple[str, str]]
    ) -> list[Step]:
        """The steps that statements make. `about` names a step: for an unequal value, and for all else."""
        steps: list[Step] = []
        for statement in body:
            match statement:
                case ast.Pass() | ast.Expr(value=ast.Constant()):
                    pass
                case ast.Expr(value=ast.Name(id=name)):
                    need(names.is_builtin(name))
                case ast.Assert(test=ast.Constant(value=value), msg=note):
                    message_of(note)
                    need(value)
                case ast.Assert(test=test, msg=note):
                    node, kind, operand, tolerance = condition(test, names)
                    call = read_call(node, names)
                    text, called = about(test, call)
                    expected = shown(operand) if kind == "eq" else ""
                    steps.append((*call, kind, operand, tolerance, text, expected, called, message_of(note)))
                    self.scale.weigh(steps[-1], set())
                case _:
                    raise Refused
        return steps

    def probe(self, source: str) -> Call:
        """The call that a probe is."""
        source.encode()
        tree = ast.parse(source.strip(), "<probe>", "eval")
        compile(tree, "<probe>", "eval", dont_inherit=True)
        call = read_call(tree.body, self.setup.names())
        self.scale.weigh(call, set())
        return call


def left_of(test: ast.expr) -> ast.expr | None:
    """The left side of an equation."""
    match test:
        case ast.Compare(left=left, ops=[ast.Eq()]):
            return left
    return None


def segment(lines: list[str], node: ast.expr) -> str:
    """The text of an expression on a single line; empty for one on several."""
    if node.lineno != node.end_lineno:
        return ""
    return lines[node.lineno - 1].encode()[node.col_offset : node.end_col_offset].decode()


def message_of(note: ast.expr | None) -> str | None:
    """The text of the exception that an assert with this message raises; nothing if it takes evaluating."""
    if note is None:
        return ""
    if not isinstance(note, ast.Constant):
        # A `yield` or a `:=` would change the function around it.
        need(all(isinstance(node, MESSAGES) for node in ast.walk(note)))
        return None
    text = str(note.value)[:2000]
    text.encode()
    return bounded(without_addresses(text))


def read_call(node: ast.expr, names: Names) -> Call:
    """A call of one of the candidate's functions with constants."""
    match node:
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            function = names.function(name)
            values = tuple(evaluate(argument, names) for argument in arguments)
            named = {}
            for keyword in keywords:
                if keyword.arg is None:
                    raise Refused
                named[keyword.arg] = evaluate(keyword.value, names)
            return function, values, named
    raise Refused


def condition(test: ast.expr, names: Names) -> tuple[ast.expr, str, Any, float]:
    """What an assert says: of which call, the kind of check, its operand and its tolerance."""
    match test:
        case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq() as sign], comparators=[right]):
            return left, "eq" if isinstance(sign, ast.Eq) else "ne", evaluate(right, names), 0.0
        case ast.Compare(left=left, ops=[ast.Is() | ast.IsNot() as sign], comparators=[ast.Constant(value=value)]):
            need(value is None or type(value) is bool)
            return left, "is" if isinstance(sign, ast.Is) else "is not", value, 0.0
        case ast.Compare(
            left=ast.Call(func=ast.Name("abs"), args=[ast.BinOp(left=left, op=ast.Sub(), right=right)], keywords=[]),
            ops=[ast.Lt() | ast.LtE() as sign],
            comparators=[limit],
        ):
            need(names.is_builtin("abs"))
            kind = "near<" if isinstance(sign, ast.Lt) else "near<="
            if not is_call(left, names):
                left, right, kind = right, left, "r" + kind
            return left, kind, number(right, names), float(number(limit, names))
        case ast.UnaryOp(op=ast.Not(), operand=ast.Call() as call):
            return call, "false", None, 0.0
        case ast.Call():
            return test, "true", None, 0.0
    raise Refused


def is_call(node: ast.expr, names: Names) -> bool:
    """Whether an expression calls anything but a built-in."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not names.is_builtin(node.func.id)


def number(node: ast.expr, names: Names) -> int | float:
    """A constant number that is the same as an integer and as a float."""
    value = evaluate(node, names)
    need(type(value) is float or (type(value) is int and abs(value) <= EXACT))
    return typing.cast("int | float", value)


def tabulate(
    setup: str, tests: list[str], probes: list[str], entry_point: str
) -> tuple[list[list[Step]], list[Call]] | None:
    """The steps of every test and the calls of all probes; nothing where that would not be exactly what they mean."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader = Reader(Setup(setup, entry_point))
            return [reader.test(test) for test in tests], [reader.probe(probe) for probe in probes]
    except Exception:
        # Whatever is wrong with these texts, the judge will find it and say it.
        return None
