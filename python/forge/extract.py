"""Reading Python out of model text by its characters alone: programs, stubs and asserts.

Nothing here parses, compiles or executes: model text is hostile, and even a parser can be brought down by
it. What is found is a best reading; whether it is a program is for the sandbox to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from textwrap import dedent
from typing import NamedTuple

_SPECIAL = re.compile(
    r"<\|(?:im_end|im_start|endoftext|end|start|eot_id|end_of_text|eom_id|begin_of_text|start_header_id|assistant|user"
    r"|system|file_separator|fim_\w+|endofcode|EOT|EOS)\|>|</s>|<s>|<end_of_turn>|<start_of_turn>|<eos>|\[/?INST\]"
    r"|<\uff5c[\w\u2581]+\uff5c>"
)
_FENCE = re.compile(r"^[ \t]{0,3}(```+|~~~+)[ \t]*([A-Za-z0-9_+-]*)[ \t]*(?:\{[^\n]*\})?[ \t]*$")
_OPENED = re.compile(r"^.*[:.!)][ \t]*(```+)[ \t]*((?:[Pp]ython|py)3?)[ \t]*$")
_MARK = {quote: re.compile(quote + r"|\\.|\n", re.S) for quote in ('"""', "'''", '"', "'")}
_MARK[""] = re.compile(r"\"\"\"|'''|\"|'|#[^\n]*|[()\[\]{}]|\\.|\n", re.S)
_DEFINITION = re.compile(r"^(?:async[ \t]+)?(?:def|class)[ \t]+([A-Za-z_]\w*)")
_KEPT = re.compile(
    r"^(?:(?:async[ \t]+)?def|class|import|from|@|[)\]}]|#)(?:\b|(?<=\W))|^[A-Za-z_]\w*[ \t]*(?::[^=\n]*)?=[^=]"
)
_START = re.compile(r"^(?:(?:async[ \t]+)?def[ \t]+\w|class[ \t]+\w|import[ \t]+\w|from[ \t]+[\w.]+[ \t]+import\b|@\w)")
_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*[ \t]*(?::[^=\n]*)?=[^=]")
_CONSTANT = re.compile(r"^[A-Za-z_]\w*[ \t]*=[^=]")
_COMPOUND = re.compile(r"^(?:for|while|if|try|with)\b.*:[ \t]*(?:#.*)?$|^[a-z_]\w*(?:\.\w+)+\(.*\)[ \t]*$")
_GUARD = re.compile(r"^if[ \t]+__name__\b")
_GOES_ON = re.compile(r"^(?:else|elif|except|finally)\b|^[)\]}]")
_REMARK = re.compile(r"#[^'\"\n]*$")
_TABS = re.compile(r"^\t+")
_OPENS = re.compile(r":[ \t]*(?:#[^\n]*)?$")
_DANGLES = re.compile(r"(?:[-+*/%&|^=<,:(\[{@]|\b(?:and|or|not|in|is|def|class|if|elif|for|while|import|from|lambda))$")
_LONGEST = 1 << 20
"""No program that a model wrote has more characters; what has is taken as it stands."""

_STATEMENT = re.compile(r"(?:return|if|for|while|try|with|[A-Za-z_][\w.]*(?:\[[^\]]*\])?[ \t]*[-+*/|&]?=)(?=\W)")


class Line(NamedTuple):
    """One physical line; `inner` says that it begins inside a string, a bracket or after a backslash."""

    text: str
    inner: bool


def lines(text: str) -> list[Line]:
    """The lines of Python text, each with whether it continues what an earlier line left open."""
    return _scanned(text)[0]


def unfinished(text: str) -> bool:
    """Whether a program seems to end in the middle: of a string, a bracket, a statement or a block."""
    if len(text) > _LONGEST:
        return False
    found, inner = _scanned(text.rstrip())
    code = [line.text for line in found if line.inner or not line.text.lstrip().startswith("#")]
    return bool(code) and (inner or _DANGLES.search(_REMARK.sub("", code[-1]).rstrip()) is not None)


def _scanned(text: str) -> tuple[list[Line], bool]:
    """The lines, and whether the text ends inside a string or a bracket."""
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
    return found, bool(quote) or depth > 0


def without_special_tokens(text: str) -> str:
    """The text up to the first end-of-turn mark that is not at its very beginning."""
    pieces = _SPECIAL.split(text)
    return next((piece for piece in pieces if piece.strip()), pieces[0])


def fenced(text: str) -> list[str]:
    """The contents of fenced code blocks, a last unclosed one included; empty where there is no fence."""
    return _split(text)[1]


def _split(text: str) -> tuple[str, list[str]]:
    """What stands before the first fence, and the contents of the blocks."""
    if "```" not in text and "~~~" not in text:
        return text, []
    before: list[str] = []
    blocks: list[str] = []
    current: list[str] | None = None
    mark = ""
    for line in text.split("\n"):
        match = _FENCE.match(line)
        if current is None:
            match = match or _OPENED.match(line)
            if match:
                current, mark = [], match.group(1)
            elif not blocks:
                before.append(line)
        elif match and match.group(1)[0] == mark[0] and not match.group(2) and not _quotes_open(current):
            blocks.append("\n".join(current) + "\n")
            current = None
        else:
            current.append(line)
    if current:
        blocks.append("\n".join(current))
    return "\n".join(before), [block for block in blocks if block.strip()]


def _quotes_open(block: list[str]) -> bool:
    """Whether a block so far ends inside a text of several lines, which may hold fences of its own."""
    if len(block) > 400:
        return False
    text = "\n".join(block)
    return ('"""' in text or "'''" in text) and _scanned(text + "\n)]}" * 3)[1]


def program(prompt: str, entry_point: str, completion: str, *, cut: bool = False) -> str:
    """The whole program that a completion states for a problem; empty where it holds no code at all.

    `cut` says that a token limit ended the completion: then a further definition that it ends in is dropped.

    A completion may continue a stub's body, repeat the function (the stub's imports and helpers stay
    available), come in one fence of several, lack either fence, or be followed by chatter. A prompt in words is
    no part of the program; without an `entry_point` the program is all the code there is.
    """
    if len(completion) > _LONGEST:
        return completion
    text = without_special_tokens(completion.replace("\r\n", "\n").replace("\r", "\n"))
    text = _chosen(prompt, entry_point, text)
    if not text.strip():
        return ""
    if not entry_point:
        return text.rstrip() + "\n"
    stub = prompt if is_stub(prompt, entry_point) else ""
    if not stub or (_indented(text) and defines(text.lstrip()[:400], entry_point)):
        text = dedent(text)
    cut = cut or unfinished(text)
    if not _indented(text):
        if defines(text, entry_point) or not stub:
            return _before_definition(stub, entry_point) + _code(text, entry_point, cut)
        text = _as_body(text)
    return _body(stub, text, cut)


def _chosen(prompt: str, entry_point: str, text: str) -> str:
    """The part of a text that holds the program: a fenced block, what stands before a fence, or all of it."""
    before, blocks = _split(text)
    if not blocks and before == text:
        return text
    first = next((line for line in before.split("\n") if line.strip()), "")
    code = first[:1] in (" ", "\t") or _START.match(first) or _CONSTANT.match(first) or _STATEMENT.match(first)
    if code and (
        not defines("\n".join(blocks), entry_point) or first[:1] in (" ", "\t") or defines(before, entry_point)
    ):
        return before
    defining = [block for block in blocks if entry_point and defines(block, entry_point)]
    answers = [block for block in defining if block.strip() not in prompt]
    return next(iter([*answers, *defining, *blocks]), before)


def _indented(text: str) -> bool:
    first = next(line for line in text.split("\n") if line.strip())
    return first[0] in " \t"


def _as_body(text: str) -> str:
    """A body whose indentation was stripped: all of it, or that of its first line only."""
    first, newline, rest = text.lstrip("\n").partition("\n")
    after = next((line.text for line in lines(rest) if line.text.strip()), "")
    lost = after[:1] in (" ", "\t") and not _OPENS.search(first) and not unfinished(first)
    if not _STATEMENT.match(first) and not lost:
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
    """The top-level pieces of code, up to the first one after the function that is no definition."""
    kept: list[list[str]] = []
    defined = False
    ends = -1
    for piece in _pieces(text):
        first = piece[0]
        begins = _START.match(first) or first.startswith("#") or _CONSTANT.match(first)
        goes_on = kept and (_KEPT.match(first) or (_COMPOUND.match(first) and not defined))
        if not (begins or goes_on) or _GUARD.match(first):
            if defined:
                cut = False
                break
            continue
        if defined and ends < 0:
            ends = len(kept)
        names = [_DEFINITION.match(line) for line in piece]
        defined = defined or any(name and name.group(1) == entry_point for name in names)
        kept.append(piece)
    if cut and 0 <= ends < len(kept):
        kept.pop()
    return "\n".join(line for piece in kept for line in piece).rstrip() + "\n"


def _pieces(text: str) -> list[list[str]]:
    """The lines of each top-level statement, with what belongs to it."""
    found: list[list[str]] = []
    decorators = False
    for line in lines(text):
        flush = not line.inner and line.text[:1] not in ("", " ", "\t") and not _GOES_ON.match(line.text)
        if not found or (flush and not decorators):
            found.append([line.text])
            decorators = line.text.startswith("@")
        else:
            found[-1].append(line.text)
            decorators = decorators and line.text.startswith("@")
    return [piece for piece in found if any(line.strip() for line in piece)]


def _body(prompt: str, text: str, cut: bool) -> str:
    """The stub and the indented lines that continue it, with helpers that follow."""
    complete = 0
    kept: list[str] = []
    if text.lstrip("\n").startswith("\t") and "\n    " in prompt:
        # A stub with spaces can only go on with spaces.
        text = "\n".join(line.text if line.inner else _TABS.sub(_spaces, line.text) for line in lines(text)) + "\n"
    for line in lines(text) if _closed(prompt) else lines(prompt + text)[len(lines(prompt)) :]:
        if not line.inner and line.text[:1] not in ("", " ", "\t"):
            if not _KEPT.match(line.text):
                cut = False
                break
            complete = len(kept)
        kept.append(line.text)
    return prompt + "\n".join(kept[:complete] if cut and complete else kept).rstrip()


def _spaces(tabs: re.Match[str]) -> str:
    return "    " * len(tabs[0])


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
