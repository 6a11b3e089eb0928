r"""The words of a mathematical text: commands, numbers, signs, and letters one by one. Runs in the sandbox."""

from __future__ import annotations

import re

TOKEN = re.compile(
    r"(?P<number>\d+(?:\.(?!\.)\d*)?|\.\d+)|(?P<dots>\\ldots|\.\.\.)|(?P<command>\\(?:[A-Za-z]+|[{}|\\]))"
    r"|(?P<power>\*\*)|(?P<relation><=|>=|!=|==|:=)|(?P<word>[A-Za-z])|(?P<space>\s+)|(?P<other>.)",
    re.S,
)
FUNCTIONS = frozenset(
    "sin cos tan cot sec csc arcsin arccos arctan arccot sinh cosh tanh log ln lg exp gcd lcm max min det".split()
)
NAMES = sorted({*FUNCTIONS, "asin", "acos", "atan", "sqrt", "pi", "infty", "infinity", "inf"}, key=len, reverse=True)
ALIASES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "infinity": "infty", "inf": "infty"}


def tokens(text: str) -> list[str]:
    """The words of a text; letters one by one, but for the names of functions."""
    text = re.sub(r"([\])])\s*U\s*(?=[(\[])", r"\1\\cup ", text)
    found: list[str] = []
    position = 0
    while position < len(text):
        if text[position].isalpha() and not (found and found[-1] == "\\begin"):
            name = next((name for name in NAMES if text.startswith(name, position)), "")
            if name:
                found.append("\\" + ALIASES.get(name, name))
                position += len(name)
                continue
        match = TOKEN.match(text, position)
        assert match is not None
        if match.lastgroup == "dots":
            found.append("...")
        elif match.lastgroup == "power":
            found.append("^")
        elif match.lastgroup != "space":
            found.append(match.group())
        position = match.end()
    return found
