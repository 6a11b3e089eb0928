"""Helpers whose source text is sent into the sandbox: there, and only there, model text is parsed and run.

`strengthen`, `mutants` and `shape` are called as probes of a job whose program is this file. It imports nothing of
forge, since nothing of forge is visible inside.
"""

import ast
import codeop
import copy
import random
import warnings
from typing import Any

PLAIN = (int, float, str, bool, bytes, type(None), list, tuple, dict, set, frozenset)


def strengthen(program: str, entry_point: str, asserts: list[str], seed: int, wanted: int = 16) -> list[str]:
    """New asserts for a program known to be right: its own answers on mutated inputs of the asserts.

    Inputs keep their shape and take boundary values from the program's constants; inputs on which the
    program raises, or whose answer cannot be written as a literal, are left out.
    """
    namespace: dict[str, Any] = {"__name__": "program"}
    exec(compile(program, "program", "exec"), namespace)
    function = namespace[entry_point]
    seeds = [arguments for text in asserts if (arguments := _arguments(text, entry_point)) is not None]
    if not seeds:
        return []
    source = random.Random(seed)
    numbers = sorted({n + d for n in _numbers(program) for d in (-1, 0, 1)} | {-2, -1, 0, 1, 2, 3, 10})
    known = {repr(arguments) for arguments in seeds}
    found: list[str] = []
    for turn in range(wanted * 8):
        if len(found) == wanted:
            break
        arguments = [_mutated(value, source, numbers) for value in seeds[turn % len(seeds)]]
        text = ", ".join(map(repr, arguments))
        if repr(arguments) in known:
            continue
        known.add(repr(arguments))
        try:
            answer = function(*copy.deepcopy(arguments))
            if type(answer) in PLAIN and ast.literal_eval(repr(answer)) == answer and len(repr(answer)) < 200:
                found.append(f"assert {entry_point}({text}) == {answer!r}")
        except Exception:
            continue
    return found


def mutants(program: str, entry_point: str, seed: int, wanted: int = 8) -> list[str]:
    """Programs that differ from this one in one token: an operator, a constant, a name.

    That token is in the function that is asked for, where one is.
    """
    tree = ast.parse(program)
    defined = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == entry_point)
    places = [node for node in ast.walk(next(defined, tree)) if _changes(node)]
    random.Random(seed).shuffle(places)
    found: list[str] = []
    for node in places:
        for change in _changes(node):
            before = copy.copy(node.__dict__)
            change(node)
            found.append(ast.unparse(tree))
            node.__dict__.update(before)
            if len(found) == wanted:
                return found
    return found


def _arguments(text: str, entry_point: str) -> list[Any] | None:
    """The literal arguments of the first call of the function in an assert."""
    try:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == entry_point:
                return [ast.literal_eval(argument) for argument in node.args] if not node.keywords else None
    except (SyntaxError, ValueError):
        pass
    return None


def _numbers(program: str) -> set[int]:
    nodes = ast.walk(ast.parse(program))
    return {n.value for n in nodes if isinstance(n, ast.Constant) and type(n.value) is int and abs(n.value) < 10**6}


def _mutated(value: Any, source: random.Random, numbers: list[int]) -> Any:
    if type(value) is bool:
        return source.random() < 0.5
    if type(value) is int:
        return source.choice([*numbers, value + 1, value - 1, -value])
    if type(value) is float:
        return source.choice([value + 0.5, -value, value * 2, 0.0])
    if type(value) is str:
        letters = list(value) or ["a"]
        source.shuffle(letters)
        return "".join(letters)[: source.randint(0, len(letters))] * source.choice([1, 1, 2])
    if type(value) is list:
        items = [_mutated(item, source, numbers) if source.random() < 0.6 else item for item in value]
        extra = [_mutated(source.choice(value) if value else 0, source, numbers) for _ in range(source.randint(0, 2))]
        items += extra
        source.shuffle(items)
        return items[: source.randint(0, len(items))] if source.random() < 0.3 else items
    if type(value) is tuple:
        return tuple(_mutated(item, source, numbers) for item in value)
    if type(value) is dict:
        items = [(key, _mutated(item, source, numbers)) for key, item in value.items()]
        return dict(items[: source.randint(0, len(items))] if source.random() < 0.3 else items)
    return value


_SWAPS: dict[type, list[type]] = {
    ast.Add: [ast.Sub], ast.Sub: [ast.Add], ast.Mult: [ast.Add], ast.FloorDiv: [ast.Mult], ast.Div: [ast.Mult],
    ast.Mod: [ast.FloorDiv], ast.Lt: [ast.LtE, ast.Gt], ast.LtE: [ast.Lt], ast.Gt: [ast.GtE, ast.Lt],
    ast.GtE: [ast.Gt], ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.And: [ast.Or], ast.Or: [ast.And],
    ast.In: [ast.NotIn], ast.NotIn: [ast.In], ast.Is: [ast.IsNot], ast.IsNot: [ast.Is],
}  # fmt: skip


def _changes(node: Any) -> list[Any]:
    """Functions that change one token of this node."""
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign):
        return [lambda n, new=new: setattr(n, "op", new()) for new in _SWAPS.get(type(node.op), [])]
    if isinstance(node, ast.Compare):
        swaps = _SWAPS.get(type(node.ops[0]), [])
        return [lambda n, new=new: setattr(n, "ops", [new(), *n.ops[1:]]) for new in swaps]
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return [lambda n: setattr(n, "value", n.value + 1)]
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        return [lambda n: setattr(n, "value", not n.value)]
    if isinstance(node, ast.Return) and node.value is not None:
        return [lambda n: setattr(n, "value", ast.Constant(None))]
    return []


def shape(text: str, entry_point: str) -> list[str]:
    """What a text is: `empty`, a `program` that defines the function, a `foreign` program, `open` where it ends too
    early, `prose` where the function is nowhere, or `broken`."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [_unparsed(text, entry_point)]
    body = [node for node in tree.body if not _says_nothing(node)]
    if not body:
        return ["empty"]
    functions = [n for n in body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n.name == entry_point]
    if functions:
        return ["empty" if all(map(_says_nothing, functions[-1].body)) else "program"]
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    classes = {n.name for n in body if isinstance(n, ast.ClassDef)}
    return ["program" if entry_point in names | classes else "foreign"]


def _says_nothing(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _unparsed(text: str, entry_point: str) -> str:
    if f"def {entry_point}" not in text:
        return "prose"
    lines = text.rstrip().splitlines()
    # The last line may be cut in the middle, so that it is no beginning of anything.
    for left in (len(lines), len(lines) - 1):
        if _is_incomplete("\n".join(lines[:left])):
            return "open"
    return "broken"


def _is_incomplete(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return codeop.compile_command(text, symbol="exec") is None
        except (SyntaxError, ValueError, OverflowError):
            return False
