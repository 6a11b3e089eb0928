"""What is wrong with an answer that fails, by what it takes to make it pass.

    empty      there is no program: nothing, comments, or a function whose body says nothing
    format     a part of the text passes as it stands, or the text is prose where a program should be
    truncated  the text ends before the program does
    logic      a program that defines what was asked for, and does something else
    other      anything else: another function, calls alone, a program that does not compile

Here texts are only cut by their characters. What parses, and what passes, is found out in the sandbox.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from forge import dedup
from forge.types import Flaw

MOST_CUTS = 16
_PLACES = 3
_TAIL = 6
MOST_SHARED = 8
_IMPORT = re.compile(r"^(?:import|from)\s")
_DEFINITION = re.compile(r"^(?:(?:def|class|async\s+def|import|from)\s|@)")


def cuts(text: str, entry_point: str) -> list[str]:
    """Parts of a text that may be the program in it: the function alone, with what is defined beside it, and with
    fewer and fewer of its last lines. At most `MOST_CUTS`, none equal to the text."""
    found: dict[str, None] = {}
    for before, block, after in _functions(text, entry_point):
        for part in (block, [*block, *_definitions(after)]):
            found[_joined(before, part)] = None
        for left in range(len(block) - 1, max(1, len(block) - _TAIL), -1):
            found[_joined(before, block[:left])] = None
    stripped = text.strip()
    return [part for part in found if part.strip() != stripped][:MOST_CUTS]


def functions(text: str, entry_point: str) -> list[str]:
    """The function as the text has it, at most a few times, without what is around it."""
    return [_joined(before, block) for before, block, _ in _functions(text, entry_point)]


def goes_on(parts: Sequence[str], whole: str) -> bool:
    """Whether a text that passes begins with all statements of one of these, and goes on."""
    tokens = _tokens(whole)
    begun = map(_tokens, parts)
    return any(MOST_SHARED < len(part) < len(tokens) and tokens[: len(part)] == part for part in begun)


def flaw(shape: str, passes: Sequence[bool], is_prefix: bool) -> Flaw:
    """The name of what is wrong.

    Args:
        shape: what the text is, as `inside.shape` says it.
        passes: for each of its cuts, whether that passes.
        is_prefix: whether an answer that passes goes on where this one ends, or the model was cut off.
    """
    if shape == Flaw.EMPTY:
        return Flaw.EMPTY
    if any(passes):
        return Flaw.FORMAT
    if shape == "open" or is_prefix:
        return Flaw.TRUNCATED
    if shape == "program":
        return Flaw.LOGIC
    return Flaw.FORMAT if shape == "prose" else Flaw.OTHER


def _tokens(text: str) -> list[str]:
    """Tokens with the ends of statements: a statement that stops early is a mistake, not an end of the text."""
    found = dedup.tokens(text.rstrip() + "\n")
    return [token for kind, token in found if kind not in ("COMMENT", "NL", "INDENT", "DEDENT", "ENDMARKER")]


def _functions(text: str, entry_point: str) -> Iterator[tuple[list[str], list[str], list[str]]]:
    """Lines for each place where the function is defined: imports before it, the function itself, what follows."""
    places = [match.start() for match in re.finditer(rf"\bdef\s+{re.escape(entry_point)}\s*\(", text)]
    for place in dict.fromkeys([*places[: _PLACES - 1], *places[-1:]]):
        before = [line for line in text[:place].splitlines() if _IMPORT.match(line)]
        lines = text[place:].splitlines()
        block = _block(lines)
        yield before, block, lines[len(block) :]


def _joined(*parts: Sequence[str]) -> str:
    return "\n".join(line for part in parts for line in part) + "\n"


def _block(lines: Sequence[str]) -> list[str]:
    """A definition: its head, and the lines below it that are indented, blank, or inside a long string."""
    found: list[str] = []
    quote = ""
    for line in lines:
        if found and not quote and line.strip() and not line[0].isspace():
            break
        found.append(line)
        quote = _open_quote(line, quote)
    while found and not found[-1].strip():
        found.pop()
    return found


def _definitions(lines: Sequence[str]) -> list[str]:
    """The further definitions and imports, without what stands between them."""
    found: list[str] = []
    place = 0
    while place < len(lines):
        if _DEFINITION.match(lines[place]):
            part = _block(lines[place:])
            found += part
            place += len(part)
        else:
            place += 1
    return found


def _open_quote(line: str, quote: str) -> str:
    """The triple quote that is open after a line, if `quote` was before it."""
    for mark in re.findall(r'"""|\'\'\'', line):
        quote = "" if mark == quote else quote or mark
    return quote
