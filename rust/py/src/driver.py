"""What the two roles need from Python. Executed once in each zygote, before any candidate exists."""

import builtins
import gc
import marshal
import os
import re
import sys
import types

compile = builtins.compile
execute = builtins.exec
evaluate = builtins.eval
representation = builtins.repr
text_of = builtins.str
load_code, dump_code = marshal.loads, marshal.dumps
stdlib = sys.stdlib_module_names
IMPORTS = re.compile(r"\b(?:import|from)\b([^\n]*)").findall
WORDS = re.compile(r"[^\W\d]\w*").findall
import_module = builtins.__import__
stdout, stderr = sys.stdout, sys.stderr
DEEPEST = sys.getrecursionlimit()

EXCEPTIONS = {n: v for n, v in vars(builtins).items() if isinstance(v, type) and issubclass(v, BaseException)}
CALLABLE = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)
MODULES = (
    "abc bisect collections collections.abc copy enum functools heapq itertools math operator random re string "
    "sys time types typing"
)
"""What nearly every program needs; each module more makes every copy of the zygote dearer."""


def needs_wide(text):
    """Whether a text may import what is not loaded here. A word too many costs time, nothing else."""
    if "__import__" in text:
        return True
    return any(not ELSEWHERE.isdisjoint(WORDS(rest)) for rest in IMPORTS(text))


def compile_program(source):
    """The code of a source, as a candidate runs it."""
    return compile(source, "<candidate>", "exec", dont_inherit=True)


def compile_source(source):
    """The code of a source to be carried, or why it is not a program; None if only running it will tell."""
    try:
        code = compile_program(source)
    except (SyntaxError, ValueError) as error:
        name, _, _, text = describe(error)
        return "invalid", name, text
    except (MemoryError, RecursionError, OverflowError, SystemError):
        return None
    try:
        return "code", dump_code(code), needs_wide(source)
    except (ValueError, MemoryError):
        return None  # nested deeper than can be written down, though it can be run


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


def kinds(names, wanted):
    """What a source has under each name: `function` (anything called without being a type), `other` or `missing`."""
    found = []
    for name in wanted:
        value = names.get(name, EXCEPTIONS)
        if value is EXCEPTIONS:
            found.append("missing")
        else:
            found.append("function" if callable(value) and not isinstance(value, type) else "other")
    return found


def unboxed(value):
    """A value with plain numbers in the place of numpy's, which are equal to them."""
    boxes = sys.modules["numpy"].generic if "numpy" in sys.modules else ()

    def plain(value):
        kind = type(value)
        if isinstance(value, boxes):
            return value.item()
        if kind in (list, tuple, set, frozenset):
            return kind(map(plain, value))
        return {plain(key): plain(item) for key, item in value.items()} if kind is dict else value

    return plain(value)


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


EQUAL = "\0forge equal\0"
"""Stands for the comparison in code that is not finished; no source text can hold it."""
INTACT = "\0forge intact\0"
"""Stands likewise for a function that says whether `unittest` is what it was."""
SUITE_NAME = "__forge_suite__"
"""Is among the names that tests use if `unittest` runs some of them."""


LATE = "IsolatedAsyncioTestCase"
"""What `unittest` itself loads only when it is used."""


def seal_unittest():
    """Loads `unittest`; a function that says whether its classes and functions are still what they are now."""
    import_module("unittest")
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "unittest"]

    def state():
        found = []
        for module in modules:
            kinds = (kind for name, kind in vars(module).items() if isinstance(kind, type) and name != LATE)
            for holder in (module, *kinds):
                for name, value in list(vars(holder).items()):
                    value = getattr(value, "__func__", value)
                    if name != LATE and isinstance(value, (type, types.FunctionType, property)):
                        found.append((name, value, getattr(value, "__code__", None)))
        return found

    before = state()

    def intact():
        now = state()
        same = (a[0] == b[0] and a[1] is b[1] and a[2] is b[2] for a, b in zip(before, now, strict=False))
        return len(before) == len(now) and all(same)

    return intact


def with_equal(code, marks):
    """Puts the comparison where the mark for it stands: among the constants, where no name reaches it."""
    constants = []
    for constant in code.co_consts:
        if type(constant) is str and constant in marks:
            constant = marks[constant]
        elif type(constant) is types.CodeType:
            constant = with_equal(constant, marks)
        constants.append(constant)
    return code.replace(co_consts=tuple(constants))


def unpack(prepared, equal):
    """Prepared tests, ready to be executed: setup, tests, probes, the names they use."""

    def ready(code):
        if type(code) is tuple:
            return EXCEPTIONS[code[0]](code[1])
        return code and with_equal(code, marks)

    setup, tests, probes, used = load_code(prepared)
    marks = {EQUAL: equal}
    if SUITE_NAME in used:
        marks[INTACT] = seal_unittest()
    tests = [(ready(code), text, direct) for code, text, direct in tests]
    return ready(setup), tests, [ready(code) for code in probes], used


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


RARE = (
    "argparse array ast asyncio base64 bz2 calendar codecs concurrent.futures configparser contextlib csv ctypes "
    "dataclasses datetime decimal difflib email fnmatch fractions getpass gettext glob gzip hashlib html http "
    "importlib.resources inspect io ipaddress json linecache locale logging lzma multiprocessing numbers pathlib "
    "pickle platform pprint queue secrets select selectors shlex shutil signal socket sqlite3 ssl statistics "
    "struct subprocess symtable tarfile tempfile textwrap threading timeit token tokenize traceback unicodedata "
    "unittest unittest.mock urllib.parse urllib.request uuid warnings weakref xml.etree.ElementTree zipfile zlib "
    "zoneinfo"
)
"""What is loaded ahead only in wide zygotes."""

ELSEWHERE = {"__import__", "importlib"}
"""Words that, where a text imports, say that it needs a wide zygote: modules that a plain one has not loaded."""


STRETCH = b""


def forget():
    """Between two candidates of a judge: nothing of the tests' run stays."""
    sys.modules["random"].seed(0)
    sys.setrecursionlimit(DEEPEST)


def warm(wide=False, modules=(), paths=()):
    """Imports, compiles and runs what candidates are likely to need; `wide` as in `Stock`."""
    real, os.register_at_fork = os.register_at_fork, lambda **hooks: None
    sys.path.extend(paths)
    for name in MODULES.split():
        __import__(name)
    ELSEWHERE.update(name for name in (*stdlib, *modules) if name not in sys.modules)
    for name in RARE.split() if wide else ():
        try:
            __import__(name)
        except ImportError:
            continue
    for name in modules if wide else ():
        __import__(name)
    os.register_at_fork = real
    # Imported only here: it wants to hear of every copy, so as to forget its seed.
    sys.modules["random"].seed(0)
    global STRETCH
    STRETCH = dump_code(compile_program(EXAMPLE))
    for _ in range(3):
        names = new_module("candidate")
        exec(load_code(STRETCH), names)
        exec(compile_program(EXAMPLE), names)
        names["work"]([3, 1, 2, 8])
        classify(names)
        try:
            names["work"](None)
        except TypeError as error:
            recreate(*describe(error))
        new_module("tests")


def stretch():
    """Runs what any candidate will, so that its memory is there when the candidate is."""
    exec(load_code(STRETCH), new_module("candidate"))


def settle():
    """Last preparations: nothing of ours is left to find, nothing is left to collect."""
    os.environ.clear()
    sys.argv = [""]
    del sys.modules["candidate"], sys.modules["tests"]
    gc.collect()
    gc.freeze()
