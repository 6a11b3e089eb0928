"""Untrusted text made safe to show, and the difference between two texts made visible.

Everything a model or a benchmark wrote goes through `escape` before it enters the report: it cannot become
markup, it cannot break the file's encoding, and what would be invisible or would reorder the line is shown
by name. Knows nothing of reports, arms or plots.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

MOST_CHARACTERS = 8_000
"""Of one text in the page; what is cut off is counted beside it."""

_MOST_LINES = 400
_LONG_LINE = 200
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
    "|[\ufdd0-\ufdef\ufffe\uffff]|[\U000e0000-\U000e0fff]"
)
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


def escape(text: object) -> str:
    """`text` as characters of an HTML or SVG element or attribute: never markup, always valid UTF-8.

    Control, zero-width and direction-changing characters and lone surrogates come out as their code point in
    angle brackets, so that what a reader sees is what is there.
    """
    lines = str(text).replace("\r\n", "\n").replace("\r", "\n")
    return html.escape(_HIDDEN.sub(lambda found: f"\u27e8U+{ord(found[0]):04X}\u27e9", lines), quote=True)


def block(text: str) -> str:
    """A preformatted block of one text, cut at `MOST_CHARACTERS`."""
    shown, cut = _cut(text)
    return f'<pre class="text"><code>{escape(shown) or _nothing()}</code></pre>{cut}'


def difference(rejected: str, chosen: str) -> tuple[str, str]:
    """Two preformatted blocks in which the lines and words that differ are marked."""
    shown = [_cut(text) for text in (rejected, chosen)]
    lines = [text.splitlines() for text, _ in shown]
    if max(map(len, lines)) > _MOST_LINES:
        return block(rejected), block(chosen)
    sides: tuple[list[str], list[str]] = ([], [])
    for tag, i, j, k, m in SequenceMatcher(None, lines[0], lines[1], autojunk=False).get_opcodes():
        if tag == "equal":
            for side, part in zip(sides, (lines[0][i:j], lines[1][k:m]), strict=True):
                side += [_line(escape(text), "same") for text in part]
            continue
        for left, right in _facing(lines[0][i:j], lines[1][k:m]):
            marked = _words(left, right)
            for side, text, kind in zip(sides, marked, ("del", "ins"), strict=True):
                if text is not None:
                    side.append(_line(text, kind))
    return tuple(  # type: ignore[return-value]
        f'<pre class="text diff"><code>{"".join(side) or _nothing()}</code></pre>{cut}'
        for side, (_, cut) in zip(sides, shown, strict=True)
    )


def _facing(left: Sequence[str], right: Sequence[str]) -> Iterator[tuple[str | None, str | None]]:
    for i in range(max(len(left), len(right))):
        yield left[i] if i < len(left) else None, right[i] if i < len(right) else None


def _words(left: str | None, right: str | None) -> tuple[str | None, str | None]:
    """Both lines escaped; where they have enough in common to be the same line changed, words marked."""
    if left is None or right is None or max(len(left), len(right)) > _LONG_LINE:
        return None if left is None else escape(left), None if right is None else escape(right)
    words = [_WORDS.findall(text) for text in (left, right)]
    matcher = SequenceMatcher(None, words[0], words[1], autojunk=False)
    if matcher.ratio() < 0.4:
        return escape(left), escape(right)
    sides = ["", ""]
    for tag, i, j, k, m in matcher.get_opcodes():
        for side, part in enumerate(("".join(words[0][i:j]), "".join(words[1][k:m]))):
            name = "del" if side == 0 else "ins"
            sides[side] += escape(part) if tag == "equal" or not part else f"<{name}>{escape(part)}</{name}>"
    return sides[0], sides[1]


def _line(markup: str, kind: str) -> str:
    # The line break stays inside, so that copied text has its lines.
    return f'<span class="line {kind}">{markup}\n</span>'


def _cut(text: str) -> tuple[str, str]:
    if len(text) <= MOST_CHARACTERS:
        return text, ""
    more = len(text) - MOST_CHARACTERS
    return text[:MOST_CHARACTERS], f'<p class="note">{more:,} more characters are not shown.</p>'


def _nothing() -> str:
    return '<span class="nothing">(empty)</span>'
