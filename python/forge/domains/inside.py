"""Helpers whose source text is sent into the sandbox: there, and only there, model text is parsed and run.

`strengthen`, `mutants`, `shape` and `inputs` are called as probes of a job whose program is this file. It imports
nothing of forge, since nothing of forge is visible inside.
"""

import ast
import codeop
import copy
import random
import re
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


def inputs(prompt: str, entry_point: str, seed: int, wanted: int = 12) -> list[str]:
    """Arguments for a function, as they stand between the brackets of a call, made from what its prompt shows.

    The arguments of its examples come first, then changes of them; where there are none, values as the signature
    types or names its parameters. Empty where the prompt shows neither.
    """
    source = random.Random(seed)
    shown = _examples(prompt, entry_point)
    kinds = [] if shown else _parameters(prompt, entry_point)
    if not shown and not kinds:
        return []
    numbers = sorted({int(n) + d for n in re.findall(r"\b\d{1,4}\b", prompt) for d in (-1, 0, 1)} | set(range(-2, 11)))
    found = dict.fromkeys(", ".join(map(repr, arguments)) for arguments in shown[:wanted])
    # What an empty list is a list of does not show, so changes of it could be of the wrong type.
    shown = [arguments for arguments in shown if [] not in arguments] or shown
    for turn in range(wanted * 8):
        if len(found) >= wanted:
            break
        base = shown[turn % len(shown)] if shown else [_drawn(kind, source) for kind in kinds]
        changed = [_mutated(value, source, numbers) for value in base] if shown else base
        text = ", ".join(map(repr, changed))
        if len(text) <= 1000:
            found.setdefault(text)
    return list(found)


def _examples(prompt: str, entry_point: str) -> list[list[Any]]:
    """The literal arguments of each call of the function in a text, whatever stands around it."""
    found = []
    for match in re.finditer(rf"(?<!def )\b{re.escape(entry_point)}\(", prompt):
        ends = [match.end() + place for place, letter in enumerate(prompt[match.end() :][:1000]) if letter == ")"]
        for end in ends[:40]:
            text = prompt[match.start() : end + 1]
            arguments = _arguments(text.replace("\n", " "), entry_point)
            if arguments is not None:
                found.append(arguments)
                break
    return [arguments for arguments in found if arguments]


_WORDS = ("apple", "kiwi", "Plum", "fig", "level", "banana", "noon", "a", "cherry")
_NAMED = (
    (r"(words|strings|strs|names|texts|sentences)", "list[str]"),
    (r"(matrix|grid|board|rows)", "list[list[int]]"),
    (r"(d|dic|dict|mapping|counts|table)", "dict[str, int]"),
    (r"(s|st|str|string|text|word|sentence|txt|char|letter|sub|prefix|suffix|sep|\w*_?string|\w*str)\d?", "str"),
    (r"(xs|ys|zs|l|lst|ls|nums|numbers|items|values|arr|array|seq|data|elements|\w*list|[a-z]{3,}s)\d?", "list[int]"),
)  # fmt: skip


def _parameters(prompt: str, entry_point: str) -> list[str]:
    """A type for each parameter of the function that a stub begins: as it is annotated, else as its name suggests."""
    for body in ("\n    pass\n", "\n"):
        try:
            tree = ast.parse(prompt.rstrip() + body)
            break
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    else:
        return []
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == entry_point]
    if not functions:
        return []
    arguments = functions[-1].args
    needed = len(arguments.args) - len(arguments.defaults)
    return [ast.unparse(a.annotation) if a.annotation else _suggested(a.arg) for a in arguments.args[: max(1, needed)]]


def _suggested(name: str) -> str:
    return next((kind for pattern, kind in _NAMED if re.fullmatch(pattern, name.lower())), "int")


def _drawn(kind: str, source: random.Random) -> Any:
    """A small value of a type, which is given as in an annotation."""
    kind = kind.replace("typing.", "").strip()
    head, _, inner = kind.removesuffix("]").partition("[")
    parts = _split(inner)
    if "|" in kind and "[" not in kind.partition("|")[0]:
        return _drawn(kind.partition("|")[0], source)
    head = head.lower()
    if head in ("optional", "union", "final", "annotated"):
        return _drawn(parts[0], source)
    if head in ("list", "sequence", "iterable", "collection", "mutablesequence", "set", "frozenset"):
        size = source.choice([0, 1, 2, 3, 4, 5, 6, 8])
        values = [_drawn(parts[0] if parts else "int", source) for _ in range(size)]
        return set(map(str, values)) if "set" in head and parts == ["str"] else set(values) if "set" in head else values
    if head == "tuple":
        if not parts or parts[-1] == "...":
            return tuple(_drawn((parts or ["int"])[0], source) for _ in range(source.randint(1, 4)))
        return tuple(_drawn(part, source) for part in parts)
    if head in ("dict", "mapping", "defaultdict", "counter"):
        key, value = [*parts, "str", "int"][:2] if len(parts) != 1 else (parts[0], "int")
        keys = [_drawn(key, source) if key != "str" else letter for letter in "abcdef"[: source.randint(0, 6)]]
        return {name: _drawn(value, source) for name in keys}
    if head == "float":
        return source.choice([0.0, 1.0, -1.5, 2.5, 3.14, 10.0, round(source.uniform(-20, 20), 2)])
    if head == "str":
        several = " ".join(source.sample(_WORDS, source.randint(1, 4)))
        return source.choice(["", "a", several, several, several.upper(), source.choice(_WORDS), "12 ab 3", "(()())"])
    if head == "bool":
        return source.random() < 0.5
    return source.choice([0, 1, 2, 3, 5, 7, 10, -3, source.randint(-50, 50), source.randint(11, 2000)])


def _split(text: str) -> list[str]:
    """The parts of a text between commas that stand in no bracket."""
    parts, depth = [""], 0
    for letter in text:
        depth += {"[": 1, "]": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]
