r"""Reading mathematical answers: LaTeX, or what people type, to a tree of plain tuples. Runs in the sandbox.

The first entry of a node says what it is:

    ("number", "0.5")  ("name", "x")  ("sum", [nodes])  ("product", [nodes])  ("power", base, exponent)
    ("bracket", "(", "]", [nodes])  ("list", [nodes], "or")  ("relation", [nodes], ["<", "<"])  ("matrix", [rows])

Nothing is computed here. What is not known is `Unread`: then a larger grammar is asked.
"""

from __future__ import annotations

import re
from typing import Any

from forge.domains.tokens import FUNCTIONS, tokens

Node = tuple[Any, ...]

RELATIONS = {
    "=": "=", "==": "=", ":=": "=", "<": "<", ">": ">", "\\le": "<=", "\\ge": ">=", "<=": "<=", ">=": ">=", "\\lt":
    "<", "\\gt": ">", "\\ne": "!=", "!=": "!=", "\\in": "in", "\\approx": "=", "\\equiv": "=",
}  # fmt: skip
SETS = {"\\cup": "cup", "\\cap": "cap", "\\setminus": "minus", "\\backslash": "minus", "\\bigcup": "cup"}
CLOSING = {"(": ")]", "[": ")]", "\\{": ("\\}",), "\\langle": ("\\rangle",), "\\lfloor": ("\\rfloor",)}
CLOSING["\\lceil"] = ("\\rceil",)
GREEK = frozenset(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau "
    "upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega pi infty emptyset ell".split()
)
MATRICES = frozenset("matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix array".split())
BASES = {"two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9"}
LISTED = frozenset(("cases", "aligned", "align*", "gathered"))
MINUS_ONE = ("minus sign", ("number", "1"))
APPLIED = frozenset("fgh")
OVER = frozenset(("\\overline", "\\bar", "\\dot", "\\overrightarrow", "\\vec", "\\hat", "\\widehat", "\\tilde"))


class Unread(Exception):
    """The text is not mathematics that this grammar knows."""


def read(text: str) -> Node:
    """The tree of an answer.

    Raises:
        Unread: there is something in it that is not known here.
    """
    reader = Reader(tokens(text))
    node = reader.several(())
    if reader.here:
        raise Unread(reader.here)
    return node


def bare(node: Node) -> Node:
    """What is in a pair of brackets around one thing."""
    while node[0] == "group":
        node = node[1]
    return node


class Reader:
    """Reads tokens from left to right, one function for each rank of operators."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.place = 0
        self.bars = False

    @property
    def here(self) -> str:
        """The next token; empty at the end."""
        return self.words[self.place] if self.place < len(self.words) else ""

    def take(self) -> str:
        """The next token, which is then behind."""
        word = self.here
        if not word:
            raise Unread("end")
        self.place += 1
        return word

    def demand(self, word: str) -> None:
        """Take a token that has to be this one."""
        if self.take() != word:
            raise Unread(word)

    def several(self, closing: tuple[str, ...] | str) -> Node:
        """Relations with commas or connectives between them."""
        found = [self.relation()]
        links = []
        while self.here in (",", ";", "\\and", "\\or", "\\wedge", "\\vee"):
            links.append(self.take())
            if self.here in ("\\and", "\\or"):
                links[-1] = self.take()
            if self.here in closing or not self.here:
                raise Unread(links[-1])
            found.append(self.relation())
        if not links:
            return found[0]
        both = any(link in ("\\and", "\\wedge") for link in links)
        return ("list", found, "and" if both else "or" if "\\or" in links or "\\vee" in links else ",")

    def relation(self) -> Node:
        """Sums compared with each other; a chain is one relation."""
        found, signs = [self.sets()], []
        while self.here in RELATIONS:
            signs.append(RELATIONS[self.take()])
            found.append(self.sets())
        return ("relation", found, signs) if signs else found[0]

    def sets(self) -> Node:
        """Unions, intersections and differences of sets, from left to right; ratios."""
        node = self.sum()
        while self.here in SETS or self.removes():
            sign = SETS.get(self.take(), "minus")
            node = (sign, node, self.sum())
        if self.here != ":":
            return node
        parts = [node]
        while self.here == ":":
            self.take()
            parts.append(self.sum())
        return ("ratio", parts)

    def removes(self) -> bool:
        """Whether a minus sign stands here that takes a set from another."""
        return self.words[self.place : self.place + 2] == ["-", "\\{"]

    def sum(self) -> Node:
        """Products with signs between and before them."""
        parts: list[Node] = []
        while True:
            sign = ""
            while self.here in ("+", "-", "\\pm", "\\mp"):
                new = self.take()
                sign = {"": new, "+": new, "-": {"+": "-", "-": "+"}.get(new, new)}.get(sign, sign)
            if parts and not sign:
                return parts[0] if len(parts) == 1 else ("sum", parts)
            term = self.product()
            parts.append(term if sign in ("", "+") else (sign.strip("\\") if sign != "-" else "minus sign", term))
            if self.here not in ("+", "-", "\\pm", "\\mp") or self.removes():
                return parts[0] if len(parts) == 1 else ("sum", parts)

    def product(self) -> Node:
        """Factors with or without a sign between them."""
        parts = [self.factor()]
        while True:
            if self.here in ("\\cdot", "\\times", "*"):
                self.take()
                parts.append(self.signed())
            elif self.here in ("/",):
                self.take()
                parts.append(("power", self.signed(), ("number", "-1")))
            elif self.begins():
                before, factor = parts[-1], self.factor()
                if before[0] == "number" and factor[0] == "fraction" and before[1].isdigit():
                    top, under = factor[1:]
                    if top[0] == under[0] == "number":
                        parts[-1] = ("sum", [before, factor])
                        continue
                parts.append(factor)
            else:
                return parts[0] if len(parts) == 1 else ("product", parts)

    def signed(self) -> Node:
        """A factor that may have a sign of its own."""
        if self.here == "-":
            self.take()
            return ("minus sign", self.factor())
        return self.factor()

    def begins(self) -> bool:
        """Whether a factor begins here, with no sign before it."""
        word = self.here
        if word == "|":
            return not self.bars
        if not word or word in RELATIONS or word in SETS:
            return False
        if word in ("\\and", "\\or", "\\wedge", "\\vee", "\\pm", "\\mp", "\\cdot", "\\times", "\\\\", "\\end", "\\|"):
            return False
        if word in ("\\}", "\\rangle", "\\rfloor", "\\rceil"):
            return False
        return word[0].isalnum() or word[0] in "\\({[."

    def factor(self) -> Node:
        """A base with its powers, indices and factorials."""
        node = self.base()
        while True:
            if self.here == "^":
                self.take()
                if self.here in ("'", "\\prime"):
                    continue
                exponent = self.argument()
                if exponent == ("degrees",):
                    node = ("degrees", node)
                elif exponent == MINUS_ONE and node[0] == "name" and node[1] in APPLIED and self.here == "(":
                    node = ("call", f"{node[1]}^-1", self.base())
                else:
                    node = ("power", node, exponent)
            elif self.here == "_":
                self.take()
                node = self.indexed(node)
            elif self.here == "!":
                self.take()
                node = ("factorial", node)
            elif self.here in ("'", "\\prime"):
                self.take()
                node = ("name", f"{node[1]}'") if node[0] == "name" else self.refuse()
            elif self.here == "..." and node[0] == "number" and "." in node[1]:
                self.take()
                node = repeating(node[1])
            elif self.here == "\\circ":
                self.take()
                node = ("degrees", node)
            else:
                return node

    def refuse(self) -> Node:
        """Nothing that is known stands here."""
        raise Unread(self.here)

    def indexed(self, node: Node) -> Node:
        """A name with its index, or a number in a base."""
        start = self.place
        self.argument()
        index = "".join(word for word in self.words[start : self.place] if word not in "{}")
        if node[0] == "group" and node[1][0] == "number":
            node = node[1]
        if node[0] == "number":
            index = BASES.get(index, index)
            return ("base", node[1], index) if index.isdigit() else self.refuse()
        return ("name", f"{node[1]}_{index}") if node[0] == "name" else self.refuse()

    def argument(self) -> Node:
        """What a command or a script applies to: a group in braces, or one token."""
        if self.here == "{":
            return self.group()
        word = self.here
        if word == "-":
            self.take()
            return ("minus sign", self.argument())
        if word.isdigit() and len(word) > 1 and self.words[self.place - 1] not in "^_":
            # TeX takes one digit.
            self.words[self.place] = word[1:]
            return ("number", word[0])
        return self.base()

    def group(self) -> Node:
        """What stands in braces."""
        self.demand("{")
        bars, self.bars = self.bars, False
        node = self.several(("}",))
        self.bars = bars
        self.demand("}")
        return node

    def base(self) -> Node:
        """A number, a name, something in brackets, or a command with its arguments."""
        word = self.take()
        if word[0].isdigit() or (word[0] == "." and word != "..."):
            if self.here in OVER and "." in word:
                self.take()
                return repeating(word, self.digits())
            return ("number", word)
        if word == "...":
            return ("dots",)
        if word.isalpha() and len(word) == 1:
            if word in APPLIED and self.here == "(":
                return ("call", word, self.base())
            return ("name", word)
        if word == "{":
            self.place -= 1
            return self.group()
        if word == "|":
            bars, self.bars = self.bars, True
            node = self.several(("|",))
            self.bars = bars
            self.demand("|")
            return ("absolute", node)
        if word in CLOSING:
            return self.bracket(word)
        return self.command(word)

    def digits(self) -> str:
        """The digits in braces, or the next one."""
        node = self.argument()
        if node[0] != "number" or not node[1].isdigit():
            raise Unread(node[0])
        return str(node[1])

    def bracket(self, opening: str) -> Node:
        """Elements in brackets; a single one in a pair of equal ones is that element."""
        bars, self.bars = self.bars, opening == "\\{"
        found: list[Node] = []
        while self.here not in CLOSING[opening]:
            if opening == "\\{" and self.here.isalpha() and self.words[self.place + 1 : self.place + 2] == [":"]:
                self.words[self.place + 1] = "|"
            found.append(self.relation())
            if opening == "\\{" and self.here in ("|", "\\|"):
                self.take()
                self.bars = False
                found = [("builder", found[0], self.several(("\\}",)))]
            if self.here in (",", ";"):
                self.take()
            elif self.here not in CLOSING[opening]:
                raise Unread(self.here)
        self.bars = bars
        closing = self.take()
        if opening in ("\\lfloor", "\\lceil") and len(found) == 1:
            return (opening[1:], found[0])
        if len(found) == 1 and opening + closing in ("()", "[]"):
            if opening == "[" and found[0][0] == "bracket":
                return ("bracket", "[", "]", found)
            return ("group", found[0])
        return ("bracket", "(" if opening == "\\langle" else opening, ")" if closing == "\\rangle" else closing, found)

    def command(self, word: str) -> Node:
        """A command with what it applies to."""
        name = word[1:]
        if name == "circ":
            return ("degrees",)
        if name == "frac":
            top = self.argument()
            return ("fraction", top, self.argument())
        if name == "binom":
            top = self.argument()
            return ("binomial", top, self.argument())
        if name == "sqrt":
            if self.here == "[":
                index = self.bracket(self.take())
                return ("root", self.argument(), index[1] if index[0] == "group" else self.refuse())
            return ("root", self.argument(), ("number", "2"))
        if name in FUNCTIONS:
            return self.function(name)
        if name in GREEK:
            return ("name", name)
        if name == "mathbb":
            return ("name", f"set {self.argument()[1]}")
        if word in OVER:
            return ("name", f"{name} {self.argument()!r}")
        if name == "begin":
            return self.matrix()
        return self.refuse()

    def function(self, name: str) -> Node:
        """A function with its power, its base and what it is applied to."""
        power: Node | None = None
        base: Node | None = None
        while self.here in ("^", "_"):
            if self.take() == "^":
                power = self.argument()
            else:
                base = self.argument()
        if self.here in ("(", "{", "[", "|"):
            value = self.base()
        else:
            parts = [self.factor()]
            while self.begins() and self.here.strip("\\") not in FUNCTIONS and self.here not in ("(", "["):
                parts.append(self.factor())
            value = parts[0] if len(parts) == 1 else ("product", parts)
        if power == MINUS_ONE:
            return ("function", "arc" + name, value, base)
        node: Node = ("function", name, value, base)
        return ("power", node, power) if power else node

    def matrix(self) -> Node:
        """The rows of a matrix."""
        kind = self.environment()
        if kind not in MATRICES and kind not in LISTED:
            raise Unread(kind)
        if kind == "array":
            self.environment()
        rows: list[list[Node]] = [[]]
        while self.here != "\\end":
            if self.here == "\\\\":
                self.take()
                rows.append([])
            elif self.here in ("&", ","):
                self.take()
            else:
                rows[-1].append(self.relation())
        self.take()
        self.environment()
        if kind in LISTED:
            return ("list", [cell for row in rows for cell in row], "and")
        return ("matrix", [row for row in rows if row])

    def environment(self) -> str:
        """The name in braces."""
        self.demand("{")
        letters = []
        while self.here != "}":
            letters.append(self.take())
        self.demand("}")
        return "".join(letters).replace("\\", "")


def repeating(text: str, period: str = "") -> Node:
    """A decimal that goes on for ever, with the period that is stated or seen."""
    whole, _, digits = text.partition(".")
    if not period:
        found = re.search(r"(\d)\1\1+$", digits) or re.search(r"(\d{2,}?)\1+$", digits)
        if not found:
            raise Unread("...")
        period, digits = found.group(1), digits[: found.start()]
    return ("repeating", whole or "0", digits, period)
