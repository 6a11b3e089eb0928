"""What the two roles need from Python. Executed once in each zygote, before any candidate exists."""

import ast
import builtins
import gc
import os
import sys
import types

compile = builtins.compile
execute = builtins.exec
evaluate = builtins.eval
representation = builtins.repr
text_of = builtins.str
stdlib = sys.stdlib_module_names
import_module = builtins.__import__
stdout, stderr = sys.stdout, sys.stderr

EXCEPTIONS = {n: v for n, v in vars(builtins).items() if isinstance(v, type) and issubclass(v, BaseException)}
CALLABLE = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)
MODULES = (
    "abc array base64 bisect collections collections.abc contextlib copy dataclasses datetime decimal enum "
    "fractions functools hashlib heapq io itertools json math operator random re statistics string struct "
    "time types typing"
)


def new_module(name):
    """An empty module that is found under its name, as dataclasses and pickling need."""
    module = sys.modules[name] = types.ModuleType(name)
    module.__dict__["__builtins__"] = vars(builtins).copy() if name == "tests" else builtins
    return module.__dict__


def classify(names):
    """The names that a source has defined: functions, modules under their own names, everything else."""
    functions, modules, others = [], [], []
    for name, value in list(names.items()):
        if type(name) is not str or name.startswith("__"):
            continue
        kind = type(value)
        if kind is types.ModuleType:
            (modules if value.__name__ == name else others).append(name)
        elif issubclass(kind, CALLABLE) or (kind.__module__ == "functools" and callable(value)):
            functions.append(name)
        elif callable(value) and not isinstance(value, type):
            others.append("()" + name)
        else:
            others.append(name)
    return functions, modules, others


def describe(error):
    """Name of an exception's type, of the built-in type it descends from, its arguments and its text."""
    kind = type(error)
    base = "Exception"
    for ancestor in kind.__mro__:
        if EXCEPTIONS.get(ancestor.__name__) is ancestor:
            base = ancestor.__name__
            break
    try:
        text = str(error)
    except BaseException:
        text = ""
    return kind.__name__[:200], base, error.args, text[:2000]


def recreate(name, base, arguments, text):
    """The exception that stands for one that a candidate raised."""
    kind = EXCEPTIONS.get(base, Exception)
    if issubclass(kind, (StopIteration, StopAsyncIteration, GeneratorExit)):
        # Let through, it would end an `all(map(...))` of the tests early, as if everything had held.
        kind = RuntimeError
    if name != kind.__name__:
        kind = type(name, (kind,), {"__module__": "builtins"})
    for values in (arguments, (text,)):
        if values is not None:
            try:
                return kind(*values)
            except Exception:
                continue
    return type(name, (Exception,), {"__module__": "builtins"})(text)


KNOWN = set()
ANCESTORS = vars(type)["__mro__"].__get__
NAMES = vars(type)["__dict__"].__get__
SUBCLASSES = type.__subclasses__


def remember_types():
    """Takes down every type that exists before a program is loaded into this process."""
    waiting = [object]
    while waiting:
        kind = waiting.pop()
        if id(kind) not in KNOWN:
            KNOWN.add(id(kind))
            waiting.extend(SUBCLASSES(kind))


def compares_as_known(value):
    """Whether a value is compared by a method that existed before the program was loaded."""
    for kind in ANCESTORS(type(value)):
        if "__eq__" in NAMES(kind):
            return id(kind) in KNOWN and kind not in (list, tuple, dict, set, frozenset)
    return False


EQUAL = "\0forge equal\0"
"""Stands for the comparison in code that is not finished; no source text can hold it."""


SIGNS = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.In: "in"}


class Shown(ast.NodeTransformer):
    """Rewrites `assert a == b` so that a failed one says what `a` and `b` were. Looks at statements only."""

    def __init__(self, source, direct):
        self.lines = source.split("\n")
        self.direct = direct

    def text(self, node):
        if not self.direct or node.lineno != node.end_lineno:
            return ""
        line = self.lines[node.lineno - 1].encode()
        return line[node.col_offset : node.end_col_offset].decode()

    def visit(self, node):
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            for child in getattr(node, field, None) or ():
                if isinstance(child, ast.Assert):
                    self.show(child)
                elif not isinstance(child, ast.expr):
                    self.visit(child)

    def show(self, node):
        test = node.test
        sign = SIGNS.get(type(test.ops[0])) if isinstance(test, ast.Compare) and len(test.ops) == 1 else None
        if sign:
            function, sign, text = ast.Constant(EQUAL), ast.Constant(sign), ast.Constant(self.text(test.left))
            node.test = ast.Call(function, [test.left, test.comparators[0], sign, text], [])
            for new in (function, sign, text, node.test):
                ast.copy_location(new, test)


def with_equal(code, equal):
    """Puts the comparison where the mark for it stands: among the constants, where no name reaches it."""
    constants = []
    for constant in code.co_consts:
        if type(constant) is str and constant == EQUAL:
            constant = equal
        elif type(constant) is types.CodeType:
            constant = with_equal(constant, equal)
        constants.append(constant)
    return code.replace(co_consts=tuple(constants))


def used_names(setup, tests, probes):
    """Every name that the tests' side loads."""
    found = set()
    for source in (setup, *tests, *probes):
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, OverflowError, MemoryError):
            continue
        found.update(node.id for node in ast.walk(tree) if type(node) is ast.Name)
    return found


def prepare_code(source, filename, direct, equal):
    """Code that says what failed asserts were about, and a text for what it is about as a whole."""
    tree = ast.parse(source, filename)
    shown = Shown(source, direct)
    text = source.strip()
    simple = False
    if direct and len(tree.body) == 1 and isinstance(tree.body[0], ast.Assert):
        test = tree.body[0].test
        eq = isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)
        text = shown.text(test.left if eq else test) or text
        simple = True
    shown.visit(tree)
    code = compile(tree, filename, "exec", dont_inherit=True)
    return with_equal(code, equal), text, simple


def prepare(setup, tests, probes, equal):
    """Compiles everything of the tests' side. What does not compile stands as its exception."""

    def attempt(make):
        try:
            return make()
        except (SyntaxError, ValueError, RecursionError, OverflowError, MemoryError) as error:
            return error

    prepared_setup = attempt(lambda: prepare_code(setup, "<setup>", False, equal)[0]) if setup.strip() else None
    prepared_tests = []
    for test in tests:
        outcome = attempt(lambda test=test: prepare_code(test, "<test>", True, equal))
        prepared_tests.append(outcome if isinstance(outcome, tuple) else (outcome, test.strip(), True))

    def probe_code(probe):
        tree = ast.parse(probe.strip(), "<probe>", "eval")
        return compile(tree, "<probe>", "eval", dont_inherit=True)

    prepared_probes = [attempt(lambda probe=probe: probe_code(probe)) for probe in probes]
    return prepared_setup, prepared_tests, prepared_probes


EXAMPLE = '''
import math
from typing import List
class Point:
    """A point."""
    def __init__(self, x: int, y: int = 0) -> None:
        self.x, self.y = x, y
    def __repr__(self):
        return f"Point({self.x!r}, {self.y:>3})"
def work(items: List[int], *rest, key=None, **named):
    total = 0
    seen = {}
    for index, item in enumerate(sorted(items, key=lambda value: -value)):
        if item % 2 == 0 and index not in seen or not item:
            seen[index] = [math.sqrt(abs(item)), {item}, (item, *rest)]
        elif item > 3:
            total += item ** 2 // 3
        else:
            continue
    try:
        with_error = items[len(items)]
    except (IndexError, KeyError) as error:
        total -= len(str(error))
    finally:
        del seen
    while total > 0:
        total >>= 1
        if total == 5:
            break
    points = [Point(number) for number in range(3)] + [str(x) for x in "abc".upper().split("B")]
    return {"total": total, "text": " ".join(map(str, points)), "set": {1, 2} | set(items), "none": None}
'''


LATER = (
    "argparse asyncio bz2 calendar codecs concurrent.futures configparser csv ctypes difflib email fnmatch "
    "getpass gettext glob gzip html http importlib.resources inspect ipaddress linecache locale logging lzma "
    "multiprocessing numbers pathlib pickle platform pprint queue secrets select selectors shlex shutil signal "
    "socket sqlite3 ssl statistics subprocess symtable tarfile tempfile textwrap threading timeit token "
    "tokenize traceback unicodedata unittest unittest.mock urllib.parse urllib.request uuid warnings weakref "
    "xml.etree.ElementTree zipfile zlib zoneinfo"
)
"""What is loaded ahead only where files will be out of reach later."""


def warm(everything):
    """Imports, compiles and runs what candidates are likely to need."""
    real, os.register_at_fork = os.register_at_fork, lambda **hooks: None
    for name in MODULES.split():
        __import__(name)
    for name in LATER.split() if everything else ():
        try:
            __import__(name)
        except ImportError:
            continue
    os.register_at_fork = real
    import random

    random.seed(0)
    for _ in range(3):
        names = new_module("candidate")
        exec(compile(EXAMPLE, "<candidate>", "exec"), names)
        names["work"]([3, 1, 2, 8])
        classify(names)
        try:
            names["work"](None)
        except TypeError as error:
            recreate(*describe(error))
        tests = ["assert f(1) == 2, 'no'", "check(f)"]
        prepared = prepare("def check(f):\n    assert f(1) == 2\n", tests, ["f(1)"], len)
        used_names("", tests, [])
        new_module("tests")
        str(prepared), repr(prepared)


def settle():
    """Last preparations: nothing of ours is left to find, nothing is left to collect."""
    os.environ.clear()
    sys.argv = [""]
    del sys.modules["candidate"], sys.modules["tests"]
    gc.collect()
    gc.freeze()
