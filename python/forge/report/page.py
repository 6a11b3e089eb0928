"""The building blocks of the report's page: document, section, figure, table, legend, two texts side by side.

Promises: the document refers to nothing outside itself and its policy forbids it to; every cell, label and
text is escaped here; arguments called `body` are markup that was already built from escaped parts. Knows
nothing of runs, arms or metrics.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from forge.report.texts import block, difference, escape

WIDE, NARROW = 720, 350
"""Widths in CSS pixels for which every plot is drawn; the style sheet shows the one that fits."""


def document(title: str, body: str) -> str:
    """A whole HTML document with the style and script beside this file inside it."""
    style, script = (Path(__file__).with_name(f"report.{kind}").read_text("utf-8") for kind in ("css", "js"))
    # The hashes allow exactly this style and this script: nothing that slips into the page could run.
    policy = (
        f"default-src 'none'; style-src 'sha256-{_sha256(style)}'; script-src 'sha256-{_sha256(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"{body}<script>{script}</script>\n</body>\n</html>\n"
    )


def section(title: str, body: str) -> str:
    """A part of the page under its heading."""
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>\n"


def figure(draw: Callable[[int], str]) -> str:
    """A plot, drawn once for a wide page and once for a phone."""
    return f'<figure><div class="wide">{draw(WIDE)}</div><div class="narrow">{draw(NARROW)}</div></figure>'


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], names: int, *, shown: bool = False) -> str:
    """A table; its first `names` columns hold text, the others numbers. Folded unless `shown`."""

    def cells(row: Sequence[str], tag: str) -> str:
        kinds = ("" if i < names else ' class="n"' for i in range(len(row)))
        return "".join(f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in zip(kinds, row, strict=True))

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    whole = (
        f'<div class="scroll" tabindex="0" role="region" aria-label="table"><table><thead><tr>{cells(heads, "th")}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )
    return whole if shown else f"<details><summary>The numbers as a table</summary>{whole}</details>"


def legend(entries: Iterable[tuple[str, str]]) -> str:
    """Names beside patches of their tones."""
    items = "".join(
        '<li><svg width="11" height="11" aria-hidden="true">'
        f'<rect class="{escape(tone)}" width="11" height="11"/></svg>{escape(name)}</li>'
        for name, tone in entries
    )
    return f'<ul class="legend">{items}</ul>'


def facts(entries: Iterable[tuple[str, str]]) -> str:
    """Names and what they stand for."""
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(value)}</dd>' for name, value in entries)}</dl>"


def folded(title: str, text: str) -> str:
    """One text behind a line that opens it."""
    return f"<details><summary>{escape(title)}</summary>{block(text)}</details>"


def sides(names: tuple[str, str], texts: tuple[str, str]) -> str:
    """Two texts beside each other, what differs marked."""
    both = zip(names, difference(*texts), strict=True)
    return f'<div class="sides">{"".join(f"<div><h4>{escape(name)}</h4>{text}</div>" for name, text in both)}</div>'


def tags(*names: str) -> str:
    """Small marks behind a title."""
    return "".join(f'<span class="tag">{escape(name)}</span>' for name in names)


def meter(share: float) -> str:
    """A thin bar filled to `share` of the page's width."""
    return (
        '<svg class="meter" width="100%" height="8" aria-hidden="true"><rect class="track" width="100%" height="8"/>'
        f'<rect class="fill" width="{share:.2%}" height="8"/></svg>'
    )


def choice(name: str, title: str, values: Iterable[str]) -> str:
    """A list to pick one value of the data attribute `name`, or all, from."""
    options = "".join(f'<option value="{escape(value)}">{escape(value)}</option>' for value in dict.fromkeys(values))
    return (
        f'<label>{escape(title)} <select name="{escape(name)}"><option value="">all</option>{options}</select></label>'
    )


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
