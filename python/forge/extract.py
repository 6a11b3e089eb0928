"""Reading Python out of model text by its characters alone: programs, stubs and asserts.

Nothing here parses, compiles or executes: model text is hostile, and even a parser can be brought down by
it. What is found is a best reading; whether it is a program is for the sandbox to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

_SPECIAL = re.compile(r"<\|(?:im_end|im_start|endoftext|end|start|eot_id|end_of_text|eom_id)\|>|</s>|<end_of_turn>")
_FENCE = re.compile(r"^[ \t]{0,3}(```+|~~~+)[ \t]*([A-Za-z0-9_+-]*)[ \t]*$")
_MARK = {quote: re.compile(quote + r"|\\.|\n", re.S) for quote in ('"""', "'''", '"', "'")}
_MARK[""] = re.compile(r"\"\"\"|'''|\"|'|#[^\n]*|[()\[\]{}]|\\.|\n", re.S)
_DEFINITION = re.compile(r"^(?:async[ \t]+)?(?:def|class)[ \t]+([A-Za-z_]\w*)")
_KEPT = re.compile(
    r"^(?:(?:async[ \t]+)?def|class|import|from|@|[)\]}]|#)(?:\b|(?<=\W))|^[A-Za-z_]\w*[ \t]*(?::[^=\n]*)?=[^=]"
)
_START = re.compile(r"^(?:(?:async[ \t]+)?def[ \t]+\w|class[ \t]+\w|import[ \t]+\w|from[ \t]+[\w.]+[ \t]+import\b|@\w)")
_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*[ \t]*(?::[^=\n]*)?=[^=]")
_STATEMENT = re.compile(r"(?:return|if|for|while|try|with|[A-Za-z_][\w.]*(?:\[[^\]]*\])?[ \t]*[-+*/|&]?=)(?=\W)")


class Line(NamedTuple):
    """One physical line; `inner` says that it begins inside a string, a bracket or after a backslash."""

    text: str
    inner: bool


def lines(text: str) -> list[Line]:
    """The lines of Python text, each with whether it continues what an earlier line left open."""
    found: list[Line] = []
    start = position = depth = 0
    quote, inner = "", False
    while match := _MARK[quote].search(text, position):
        token, position = match.group(), match.end()
        if token in ("\n", "\\\n"):
            found.append(Line(text[start : position - 1], inner))
            start = position
            if len(quote) == 1 and token == "\n":
                quote = ""
            inner = bool(quote) or depth > 0 or token == "\\\n"
        elif quote:
            quote = "" if token == quote else quote
        elif token[0] in "\"'":
            quote = token
        elif token in "([{":
            depth += 1
        elif token in ")]}":
            depth = max(0, depth - 1)
    if start < len(text):
        found.append(Line(text[start:], inner))
    return found


def without_special_tokens(text: str) -> str:
    """The text up to the first end-of-turn mark that is not at its very beginning."""
    pieces = _SPECIAL.split(text)
    return next((piece for piece in pieces if piece.strip()), pieces[0])


def fenced(text: str) -> list[str]:
    """The contents of fenced code blocks, a last unclosed one included; empty where there is no fence."""
    if "```" not in text and "~~~" not in text:
        return []
    blocks: list[str] = []
    current: list[str] | None = None
    mark = ""
    for line in text.split("\n"):
        match = _FENCE.match(line)
        if match and current is None:
            current, mark = [], match.group(1)
        elif match and match.group(1)[0] == mark[0] and not match.group(2):
            blocks.append("\n".join(current or []) + "\n")
            current = None
        elif current is not None:
            current.append(line)
    if current:
        blocks.append("\n".join(current))
    return [block for block in blocks if block.strip()]


def program(prompt: str, entry_point: str, completion: str, *, cut: bool = False) -> str:
    """The whole program that a completion states for a stub; empty where it holds no code at all.

    `cut` says that a token limit ended the completion: then a further definition that it ends in is dropped.

    A completion may continue the stub's body, repeat the function (the stub's imports and helpers stay
    available), come in one fence of several, lack the closing fence, or be followed by chatter.
    """
    text = without_special_tokens(completion.replace("\r\n", "\n").replace("\r", "\n"))
    blocks = fenced(text)
    if blocks:
        defining = [block for block in blocks if defines(block, entry_point)]
        text = defining[0] if defining else blocks[0]
    if not text.strip():
        return ""
    if not _indented(text):
        if defines(text, entry_point):
            return _before_definition(prompt, entry_point) + _code(text, entry_point, cut)
        text = _as_body(text)
    return _body(prompt, text, cut)


def _indented(text: str) -> bool:
    first = next(line for line in text.split("\n") if line.strip())
    return first[0] in " \t"


def _as_body(text: str) -> str:
    """A body whose indentation was stripped: all of it, or that of its first line only."""
    first, newline, rest = text.lstrip("\n").partition("\n")
    if not _STATEMENT.match(first):
        return text
    flush = any(_STATEMENT.match(line.text) and not line.inner for line in lines(rest))
    if not flush:
        return "    " + first + newline + rest
    return "\n".join("    " + line if line.strip() else line for line in text.split("\n"))


def defines(text: str, name: str) -> bool:
    """Whether a line of the text begins a function or a class of this name."""
    return re.search(rf"^(?:async[ \t]+)?(?:def|class)[ \t]+{re.escape(name)}\b", text, re.M) is not None


def is_stub(text: str, name: str) -> bool:
    """Whether a text is code from its first line on and defines `name`, so that a body can follow it."""
    first = text.lstrip("\n")
    return bool(_START.match(first) or _ASSIGNMENT.match(first)) and defines(text, name)


def _before_definition(prompt: str, entry_point: str) -> str:
    match = re.search(rf"^(?:@.*\n)*(?:async[ \t]+)?(?:def|class)[ \t]+{re.escape(entry_point)}\b", prompt, re.M)
    return prompt[: match.start()] if match else ""


def _code(text: str, entry_point: str, cut: bool) -> str:
    """From the first line of code to the first top-level line, after the function, that is none."""
    kept: list[str] = []
    begun = defined = False
    complete = 0
    for line in lines(text):
        if not line.inner and line.text[:1] not in ("", " ", "\t"):
            if not begun and not _START.match(line.text):
                continue
            if begun and not _KEPT.match(line.text):
                if defined:
                    cut = False
                    break
                continue
            if defined:
                complete = len(kept)
        begun = True
        name = _DEFINITION.match(line.text)
        defined = defined or bool(name and name.group(1) == entry_point)
        kept.append(line.text)
    return "\n".join(kept[:complete] if cut and complete else kept).rstrip() + "\n"


def _body(prompt: str, text: str, cut: bool) -> str:
    """The stub and the indented lines that continue it, with helpers that follow."""
    complete = 0
    kept: list[str] = []
    for line in lines(text) if _closed(prompt) else lines(prompt + text)[len(lines(prompt)) :]:
        if not line.inner and line.text[:1] not in ("", " ", "\t"):
            if not _KEPT.match(line.text):
                cut = False
                break
            complete = len(kept)
        kept.append(line.text)
    return prompt + "\n".join(kept[:complete] if cut and complete else kept).rstrip()


@lru_cache(maxsize=256)
def _closed(prompt: str) -> bool:
    """Whether what follows a prompt begins outside its strings and brackets."""
    return not prompt.endswith("\n") or not lines(prompt + "x")[-1].inner


@dataclass(frozen=True, slots=True)
class Proposal:
    """An invented problem as text: the stub never holds a line of the body."""

    entry_point: str
    stub: str
    body: str
    asserts: tuple[str, ...]


def proposal(completion: str, least_asserts: int = 3) -> Proposal | str:
    """The problem in a completion: imports, one function with a docstring and a body, then asserts.

    Returns the reason, a few words, where one of them is missing.
    """
    text = without_special_tokens(completion.replace("\r\n", "\n"))
    blocks = fenced(text)
    if blocks:
        text = "\n".join(blocks)
    logical = _logical(text)
    start = next((i for i, line in enumerate(logical) if re.match(r"def[ \t]+[A-Za-z_]\w*[ \t]*\(", line)), None)
    if start is None:
        return "no function"
    name = logical[start].split("(")[0][3:].strip()
    imports = [line for line in logical[:start] if re.match(r"(?:import|from)\b", line)]
    if not re.search(r":[ \t]*(?:#[^\n]*)?$", logical[start]):
        return "no function"
    rest = logical[start + 1 :]
    if not rest or not re.match(r"[ \t]+[rR]?(\"\"\"|''')", rest[0]) or not rest[0].rstrip().endswith(('"""', "'''")):
        return "no docstring"
    if len(rest[0].strip()) < 10:
        return "no docstring"
    end = next((i for i, line in enumerate(rest) if line[:1] not in ("", " ", "\t", "#")), len(rest))
    body = "\n".join(rest[1:end]).rstrip()
    if not body.strip():
        return "no body"
    asserts = [line.strip() for line in rest[end:] if re.match(r"assert\b", line)]
    called = [line for line in asserts if re.search(rf"\b{re.escape(name)}[ \t]*\(", line)]
    if len(called) < least_asserts:
        return "too few asserts" if len(asserts) < least_asserts else "asserts call something else"
    stub = "".join(line + "\n" for line in (*imports, logical[start], rest[0]))
    return Proposal(name, stub, body, tuple(dict.fromkeys(called)))


def _logical(text: str) -> list[str]:
    """Lines with their continuations joined back by newlines."""
    joined: list[str] = []
    for line in lines(text):
        if line.inner and joined:
            joined[-1] += "\n" + line.text
        else:
            joined.append(line.text)
    return joined
