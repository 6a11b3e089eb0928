"""The lexer beside Python's own: the same tokens on valid code, and no text that it does not survive."""

from __future__ import annotations

import io
import os
import random
import sys
import sysconfig
import tokenize
from pathlib import Path

import pytest

from forge import dedup

LIBRARY = Path(sysconfig.get_path("stdlib"))
BROKEN_TOKENIZE = {"test_unicode_identifiers.py"}
"""Where `tokenize` itself takes a valid name apart."""


def library() -> list[Path]:
    """The files of the standard library, its own tests included."""
    return [path for path in sorted(LIBRARY.rglob("*.py")) if "site-packages" not in path.parts]


def by_python(text: str) -> list[tuple[str, str]] | None:
    """The tokens that Python sees; none if it takes the text for no code."""
    try:
        found = list(tokenize.generate_tokens(io.StringIO(text, newline="").readline))
    except (tokenize.TokenError, SyntaxError):
        return None
    if any(token.type == tokenize.ERRORTOKEN for token in found):
        return None
    return [(tokenize.tok_name[token.type], token.string) for token in found[:-1]]


def decoded(path: Path) -> str | None:
    try:
        with tokenize.open(path) as file:
            encoding = file.encoding
        return path.read_bytes().decode(encoding).removeprefix("\ufeff")
    except (SyntaxError, UnicodeDecodeError):
        return None


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="tokenize takes f-strings apart since Python 3.12")
def test_the_standard_library_has_the_tokens_that_tokenize_gives() -> None:
    """Every eighth file, since `tokenize` takes half a minute for all of them, which FORGE_FUZZ=8 compares."""
    compared = 0
    share = int(os.environ.get("FORGE_FUZZ", "1"))
    for number, path in enumerate(library()):
        if number % 8 >= share:
            continue
        text = decoded(path)
        wanted = None if text is None or path.name in BROKEN_TOKENIZE else by_python(text)
        if text is None or wanted is None:
            continue
        compared += 1
        found = dedup.tokens(text)
        if found != wanted:
            at = next((i for i, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b), len(wanted))
            pytest.fail(f"{path}, token {at}: {found[at - 2 : at + 3]} where tokenize has {wanted[at - 2 : at + 3]}")
    assert compared > 150


def test_tokens_lie_in_the_text_in_order_with_nothing_but_blank_space_between() -> None:
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in library()[:40]]
    chance = random.Random(7)
    for _ in range(1000 * int(os.environ.get("FORGE_FUZZ", "1"))):
        text = chance.choice(texts)
        start = chance.randrange(len(text) + 1)
        part = text[start : start + chance.randrange(400)]
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(part) + 1)
            part = part[:at] + chance.choice("'\"\\\n([{}])#:\t\0é\u2028f0.e") + part[at + chance.randrange(2) :]
        at = 0
        for kind, token in dedup.tokens(part):
            if token and kind != "DEDENT":
                found = part.index(token, at)
                assert not part[at:found].replace("\\\r\n", "").replace("\\\n", "").strip(" \t\f\\\r\n"), part
                at = found + len(token)
        assert not part[at:].strip(" \t\f\\\r\n"), part


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x = 'a\ny = 1\n", ["x", "=", "'a", "\n", "y", "=", "1", "\n"]),
        ("x = '''a\ny = 1\n", ["x", "=", "'''a\ny = 1\n", ""]),
        ("f(a\n    return b\n", ["f", "(", "a", "\n", "    ", "return", "b", "\n", ""]),
        ("f(a\n  if b)\n", ["f", "(", "a", "\n", "if", "b", ")", "\n"]),
        ("  a\n b\n", ["  ", "a", "\n", "", " ", "b", "\n", ""]),
        ("a ? $", ["a", "?", "$", ""]),
    ],
)
def test_broken_code_is_read_as_far_as_it_goes(text: str, wanted: list[str]) -> None:
    assert [token for _, token in dedup.tokens(text)] == wanted
