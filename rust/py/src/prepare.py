"""Compiles tests that are more than a table of calls, for a judge to execute. Executes none of them.

Executed in the same process as `clerk.py`, apart from every candidate.
"""

import ast
import marshal
import typing

if typing.TYPE_CHECKING:
    SUITE = ""
    """The text of `suite.py`, which whoever executes this puts here."""

EQUAL = "\0forge equal\0"
"""Stands for the comparison in code that is not finished; no source text can hold it."""

SUITE_NAME = "__forge_suite__"
"""The function of `suite.py`. Tests that use this name are run by `unittest`."""


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


def last_name(node):
    """The last part of a dotted name."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def is_main(node):
    """Whether a statement is `unittest.main()`."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="unittest"), attr="main"))):
            return True
    return False


def is_suite(tree):
    """Whether a test is to be run by `unittest`: it defines test cases, or says so."""
    found = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return any(last_name(base).endswith("TestCase") for node in found for base in node.bases) or any(
        map(is_main, tree.body)
    )


def prepare_code(source, filename, direct):
    """Code that says what failed asserts were about, and a text for what it is about as a whole."""
    tree = ast.parse(source, filename)
    shown = Shown(source, direct)
    text = source.strip()
    simple = False
    if direct and is_suite(tree):
        shown.visit(tree)
        tree.body = [node for node in tree.body if not is_main(node)] + ast.parse(SUITE, filename).body
        return compile(tree, filename, "exec", dont_inherit=True), text, False
    if direct and len(tree.body) == 1 and isinstance(tree.body[0], ast.Assert):
        test = tree.body[0].test
        eq = isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)
        text = shown.text(test.left if eq else test) or text
        simple = True
    shown.visit(tree)
    return compile(tree, filename, "exec", dont_inherit=True), text, simple


POWERFUL = frozenset(
    "__builtins__ __import__ breakpoint builtins compile ctypes delattr dir eval exec gc getattr globals importlib "
    "inspect locals marshal memoryview object open operator os pickle setattr shelve shutil subprocess super sys type "
    "types vars".split()
)
"""Names by which tests could do with an answer more than look at it, such as executing it: after that, the
process is not to be trusted with the next program."""


def prepare(setup, tests, probes):
    """Everything of the tests' side, compiled and packed: setup, tests, probes, the names they use.

    With it, whether one process may hold these tests against one program after another.

    A test is its code, a text for what it is about, and whether that text is the whole story. What does not
    compile stands as the name and the text of its exception.
    """

    def attempt(make):
        try:
            return make()
        except (SyntaxError, ValueError, RecursionError, OverflowError, MemoryError) as error:
            return type(error).__name__, str(error)

    def test(source):
        found = attempt(lambda: prepare_code(source, "<test>", True))
        return found if len(found) == 3 else (found, source.strip(), True)

    def probe(source):
        tree = ast.parse(source.strip(), "<probe>", "eval")
        return compile(tree, "<probe>", "eval", dont_inherit=True)

    prepared_setup = attempt(lambda: prepare_code(setup, "<setup>", False)[0]) if setup.strip() else None
    prepared_tests = [test(source) for source in tests]
    prepared_probes = [attempt(lambda source=source: probe(source)) for source in probes]
    used = used_names(setup, tests, probes)
    if any(SUITE_NAME in found[0].co_names for found in prepared_tests if type(found[0]) is not tuple):
        used.add(SUITE_NAME)
    packed = marshal.dumps((prepared_setup, prepared_tests, prepared_probes, tuple(sorted(used))))
    return packed, used.isdisjoint(POWERFUL)
