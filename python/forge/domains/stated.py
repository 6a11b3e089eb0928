r"""Finding the answer that a solution states, by its characters alone.

In this order: the last `\boxed{...}`, a line `#### answer`, a sentence or heading that says what the answer is.
An answer that is never stated is not guessed from the numbers in the text, unless `last_number` is asked for.
"""

from __future__ import annotations

import re
from collections import deque
from itertools import islice

from forge import extract

LONGEST = 1 << 20
"""The most characters of a completion that are looked at, from its end."""

_RUN_ON = re.compile(
    r"^[ \t]*(?:\*\*|#+[ \t]*)?(?:question|problem|exercise|instruction|user|human|q)[ \t]*\d*[ \t]*(?:\*\*)?[ \t]*:",
    re.I | re.M,
)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?:(\{)|([^\s{}$\\]+))")
_BRACE = re.compile(r"\\.|[{}]", re.S)
_HASHES = re.compile(r"^[ \t]*####[ \t]*(\S.*)$", re.M)
_HEADING = re.compile(r"\d+[.):][ \t]+[A-Za-z]|[A-Za-z]")
_STATED = re.compile(
    r"\b(?:(?P<final>final[ \t]+)?answers?)\b(?:[ \t]+(?:to|for)[ \t][^.:\n]{1,80}?)?[ \t]*\**[ \t]*"
    r"(?:(?:is|are|was|=|:|equals|would be|will be|must be|should be)(?![A-Za-z])|(?(final)\n|(?!)))"
    r"[ \t]*(?:(?:therefore|thus|simply|just|then|indeed|option|choice)\b[ \t,]*)?:?[ \t]*\**[:\s]*",
    re.I,
)
_PIECE = re.compile(
    r"\$\$.*?\$\$|\$[^$\n]*\$|\\\(.*?\\\)|\\\[.*?\\\]"
    r"|(?P<end>\n|[.!?](?=[\s*]|$)|[,;]?\s+(?:because|since|which|where|as|so|I hope)\b)|.",
    re.S,
)
_NUMBER = re.compile(r"-?\$?(?:\d[\d,]*)?\.?\d+")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_MOST_WORDS = 12
_TRIED = 32
"""How many places that look like a statement are tried: a text that is full of them states nothing."""


def stated(completion: str) -> str:
    """The answer that a completion states; empty where it states none."""
    return _found(own(completion))


def own(completion: str) -> str:
    """A completion without its thoughts, and without the next question, where the model went on to make one up."""
    text = extract.without_special_tokens(completion.replace("\r\n", "\n")[-LONGEST:])
    _, mark, after = text.rpartition("</think>")
    if mark and _found(after):
        text = after
    for match in islice(_RUN_ON.finditer(text), _TRIED):
        if _found(text[: match.start()]):
            return text[: match.start()]
    return text


def last_number(completion: str) -> str:
    """The last number anywhere in a completion; empty where there is none."""
    found = _NUMBER.findall(own(completion))
    return found[-1] if found else ""


def _found(text: str) -> str:
    return _boxed(text) or _hashed(text) or _said(text)


def _boxed(text: str) -> str:
    """The contents of the last box that holds something; nothing if that one is not closed."""
    for match in reversed(list(_BOX.finditer(text))):
        if match.group(2):
            return match.group(2).rstrip(".,;")
        depth = 1
        for brace in _BRACE.finditer(text, match.end()):
            depth += {"{": 1, "}": -1}.get(brace.group(), 0)
            if depth == 0:
                if contents := text[match.end() : brace.start()].strip():
                    return contents
                break
        else:
            return ""
    return ""


def _hashed(text: str) -> str:
    """What stands behind four hashes. Others write headings that way, so words count on the last line only."""
    end = len(text.rstrip())
    for match in _HASHES.finditer(text):
        line = match.group(1).strip("* \t")
        if not _HEADING.match(line) or (match.end() >= end and not _STATED.search(line)):
            return line
    return ""


def _said(text: str) -> str:
    """What the last statement of an answer says it is, to the end of its sentence."""
    for match in reversed(deque(_STATED.finditer(text), _TRIED)):
        end = match.end()
        for piece in _PIECE.finditer(text, match.end(), match.end() + 2000):
            if piece.group("end"):
                break
            end = piece.end()
        answer = text[match.end() : end].strip(" \t*`:")
        if answer and len(_WORD.findall(answer)) <= _MOST_WORDS:
            return answer
    return ""
