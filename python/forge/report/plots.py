"""Plots as inline SVG: plain shapes from plain numbers, coloured by the page's style sheet.

Holds the five plots of the report. Each is a function of its data and a width in CSS pixels, drawn for a
wide page and again for a phone, since scaled-down text cannot be read. Every plot is an image with a title
for those who do not see it; the page puts a table behind it.

Promises: no script, no reference to anything outside, every text escaped. Does not compute: positions on
the paper and nothing else. Knows nothing of arms or metrics; `tone` names a colour of the style sheet.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from forge.report.texts import escape

MINUS = "\u2212"


@dataclass(frozen=True, slots=True)
class Mark:
    """A value with its interval: one row of `intervals`, one place `x` of a curve."""

    label: str
    tone: str
    value: float
    low: float
    high: float
    x: float = 0.0


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through marks in the order of their `x`; `band` draws the intervals, `dash` tells like tones apart."""

    label: str
    tone: str
    marks: Sequence[Mark]
    band: bool = False
    dash: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A whole made of parts, each with a name, a count and a tone."""

    label: str
    parts: Sequence[tuple[str, int, str]]


@dataclass(frozen=True, slots=True)
class Bubble:
    """Several things at one place: `size` of them at (`x`, `y`), both within 0..1."""

    x: float
    y: float
    size: int
    label: str


def percent(value: float, *, signed: bool = False, digits: int = 1) -> str:
    """A fraction as a percentage, with a true minus sign."""
    text = f"{value * 100:+.{digits}f}" if signed else f"{value * 100:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def intervals(title: str, panels: Sequence[tuple[str, Sequence[Mark]]], width: int, *, signed: bool = False) -> str:
    """Dots with intervals in rows, in panels one below the other on one scale.

    A line runs through each panel at its reference: zero for differences, else the first row's value.
    """
    left, height, names, middle = _rows(width, 26)
    right = 54 if left > 20 else 14
    marks = [mark for _, rows in panels for mark in rows]
    ticks = _ticks(min(0.0, *(m.low for m in marks)), max(*(m.high for m in marks), 0.05), 6 if left > 20 else 4)
    place = _scale(ticks[0], ticks[-1], left, width - right)
    shapes: list[str] = []
    y = 0.0
    for name, rows in panels:
        shapes.append(_text(0, y + 16, name, "panel"))
        y += 26
        bottom = y + height * len(rows)
        shapes += [_line(place(t), y, place(t), bottom, "grid") for t in ticks]
        reference = place(0.0 if signed else rows[0].value)
        shapes.append(_line(reference, y, reference, bottom, "reference"))
        for mark in rows:
            value, low, high = (percent(v, signed=signed) for v in (mark.value, mark.low, mark.high))
            at = y + middle
            tip = f"{mark.label}: {value} ({low} to {high})"
            shapes.append(
                f'<g class="mark {escape(mark.tone)}"><title>{escape(tip)}</title>'
                + _line(place(mark.low), at, place(mark.high), at, "whisker")
                + f'<circle class="dot" cx="{place(mark.value):.1f}" cy="{at:.1f}" r="5"/></g>'
            )
            shapes.append(_name(mark.label, left, y + names))
            shapes.append(_text(width, y + names, value, "number end"))
            y += height
        y += 14
    unit = "" if signed else "%"
    shapes += [_text(place(t), y + 4, percent(t, digits=0, signed=signed) + unit, "tick middle") for t in ticks]
    return _svg(title, width, y + 12, shapes)


def stacks(title: str, bars: Sequence[Bar], width: int) -> str:
    """Bars of equal length, each split into its parts; a part wide enough says its share."""
    left, height, names, middle = _rows(width, 38, bar=30)
    shapes: list[str] = []
    for i, bar in enumerate(bars):
        y = i * height + middle
        total = sum(count for _, count, _ in bar.parts)
        shapes.append(_name(bar.label, left, i * height + names))
        start = float(left)
        for name, count, tone in bar.parts:
            if not count:
                continue
            size = (width - left) * count / total
            share = f"{percent(count / total, digits=0)}%"
            tip = f"{bar.label}: {name} {count:,} of {total:,}"
            shapes.append(
                f'<g class="part {escape(tone)}"><title>{escape(tip)}</title>'
                f'<rect x="{start:.1f}" y="{y - 15:.1f}" width="{max(size - 1.5, 0.75):.1f}" height="30"/>'
                + (_text(start + size / 2, y + 4.5, share, "inside middle") if size > 34 else "")
                + "</g>"
            )
            start += size
    return _svg(title, width, len(bars) * height, shapes)


def _rows(width: int, height: float, bar: float = 16) -> tuple[float, float, float, float]:
    """Where rows start, how high each is, and where in it its name and its middle lie.

    On a wide page a row's name stands to the left of it, on a phone above it.
    """
    if width > 500:
        return 156, height, height / 2 + 4.5, height / 2
    return 0 if bar > 20 else 10, bar + 30, 15, 21 + bar / 2


def _name(label: str, left: float, y: float) -> str:
    short = label if len(label) <= 22 else label[:21] + "\u2026"
    return _text(left - 12, y, short, "row end") if left > 20 else _text(0, y, short, "row")


def curves(title: str, lines: Sequence[Curve], width: int, x_name: str) -> str:
    """Lines with bands over places that double; every line is named where it ends."""
    left, right, top, bottom = 40, 112, 14, (320 if width > 500 else 270)
    places = sorted({mark.x for line in lines for mark in line.marks})
    ticks = _ticks(0.0, max(m.high if line.band else m.value for line in lines for m in line.marks), 5)
    across = _scale(math.log2(places[0]), max(math.log2(places[-1]), math.log2(places[0]) + 1), left, width - right)
    up = _scale(0.0, ticks[-1], bottom, top)
    shapes = [_line(left, up(t), width - right, up(t), "grid") for t in ticks]
    shapes += [_text(left - 8, up(t) + 4.5, percent(t, digits=0) + "%", "tick end") for t in ticks]
    shapes += [_text(across(math.log2(x)), bottom + 20, f"{x:g}", "tick middle") for x in places]
    shapes.append(_text((left + width - right) / 2, bottom + 42, x_name, "axis middle"))

    def path(marks: Iterable[tuple[float, float]]) -> str:
        return " ".join(f"{across(math.log2(x)):.1f},{up(y):.1f}" for x, y in marks)

    for line in lines:
        if line.band:
            edge = [(m.x, m.high) for m in line.marks] + [(m.x, m.low) for m in reversed(line.marks)]
            shapes.append(f'<polygon class="band {escape(line.tone)}" points="{path(edge)}"/>')
    for line in lines:
        dash = " dash" if line.dash else ""
        shapes.append(
            f'<polyline class="curve {escape(line.tone)}{dash}" points="{path((m.x, m.value) for m in line.marks)}"/>'
        )
        for m in line.marks if line.band else line.marks[-1:]:
            tip = f"{line.label}, {m.x:g}: {percent(m.value)}% ({percent(m.low)} to {percent(m.high)})"
            shapes.append(
                f'<g class="mark {escape(line.tone)}"><title>{escape(tip)}</title><circle class="dot" '
                f'cx="{across(math.log2(m.x)):.1f}" cy="{up(m.value):.1f}" r="4"/></g>'
            )
    ends = [(up(line.marks[-1].value), line) for line in lines]
    for y, line in zip(_apart([y for y, _ in ends], 17, bottom), [line for _, line in ends], strict=True):
        end = across(math.log2(line.marks[-1].x)) + 10
        label = f"{line.label} {percent(line.marks[-1].value, digits=0)}%" if line.band else line.label
        shapes.append(_text(end, y + 4.5, label, f"name {escape(line.tone)}"))
    return _svg(title, width, bottom + 50, shapes)


def bubbles(title: str, points: Sequence[Bubble], width: int, x_name: str, y_name: str) -> str:
    """A square of shares against shares; the area of a bubble is how many things lie there."""
    left, top = 64, 20
    side = width - left - 8
    bottom = top + side
    # Room beyond both ends, so that bubbles at 0 and 1 do not cover the numbers.
    across, up = _scale(-0.06, 1.06, left, left + side), _scale(-0.06, 1.06, bottom, top)
    shapes = []
    for t in (0, 0.25, 0.5, 0.75, 1):
        shapes += [_line(left, up(t), left + side, up(t), "grid"), _line(across(t), top, across(t), bottom, "grid")]
        shapes.append(_text(left - 9, up(t) + 4.5, percent(t, digits=0) + "%", "tick end"))
        shapes.append(_text(across(t), bottom + 20, percent(t, digits=0) + "%", "tick middle"))
    shapes.append(_line(across(0), up(0), across(1), up(1), "reference"))
    most = max(point.size for point in points)
    unit = min(side / 12 / math.sqrt(most), 7.0)
    for point in sorted(points, key=lambda p: -p.size):
        tone = "above" if point.y > point.x else "below" if point.y < point.x else "level"
        shapes.append(
            f'<g class="bubble {tone}"><title>{escape(point.label)}</title><circle cx="{across(point.x):.1f}" '
            f'cy="{up(point.y):.1f}" r="{max(unit * math.sqrt(point.size), 2.5):.1f}"/></g>'
        )
    shapes.append(_text(left, top - 7, "better than before", "corner above"))
    shapes.append(_text(left + side - 4, bottom - 8, "worse than before", "corner below end"))
    shapes.append(_text(left + side / 2, bottom + 42, x_name, "axis middle"))
    shapes.append(
        f'<text class="axis middle" transform="translate(13 {top + side / 2:.1f}) rotate(-90)">{escape(y_name)}</text>'
    )
    return _svg(title, width, bottom + 50, shapes)


def series(title: str, points: Sequence[tuple[float, float]], width: int, x_name: str) -> str:
    """One line from zero upwards; its last value is written at its end."""
    left, right, top, bottom = 46, 50, 14, 220
    ticks = _ticks(min(0.0, *(y for _, y in points), 0.0), max(y for _, y in points), 4)
    xs = [x for x, _ in points]
    across = _scale(min(xs), max(*xs, min(xs) + 1), left, width - right)
    up = _scale(ticks[0], ticks[-1], bottom, top)
    shapes = [_line(left, up(t), width - right, up(t), "grid") for t in ticks]
    shapes += [_text(left - 8, up(t) + 4.5, f"{t:g}", "tick end") for t in ticks]
    shapes += [_text(across(x), bottom + 20, f"{x:g}", "tick middle") for x in sorted({min(xs), max(xs)})]
    shapes.append(_text((left + width - right) / 2, bottom + 20, x_name, "axis middle"))
    path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
    x, y = points[-1]
    shapes.append(f'<polyline class="curve adapter" points="{path}"/>')
    shapes.append(f'<circle class="dot adapter" cx="{across(x):.1f}" cy="{up(y):.1f}" r="3.5"/>')
    shapes.append(_text(across(x) + 9, up(y) + 4.5, f"{y:.3g}", "name adapter"))
    return _svg(title, width, bottom + 30, shapes)


def _svg(title: str, width: int, height: float, shapes: Iterable[str]) -> str:
    return (
        f'<svg role="img" viewBox="0 0 {width} {height:.0f}" width="{width}" height="{height:.0f}" '
        f'aria-label="{escape(title)}">{"".join(shapes)}</svg>'
    )


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _line(x: float, y: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" y1="{y:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from at most `low` to at least `high`."""
    span = max(high - low, 1e-6)
    power = 10 ** math.floor(math.log10(span / most))
    step = next(s for s in (power, 2 * power, 2.5 * power, 5 * power, 10 * power, 20 * power) if span / s <= most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, max(last, first + 1) + 1)]


def _apart(places: Sequence[float], least: float, lowest: float) -> list[float]:
    """The places, pushed so far apart that labels there do not overlap, none below `lowest`."""
    moved = list(places)
    order = sorted(range(len(moved)), key=lambda i: moved[i])
    for one, other in itertools.pairwise(order):
        moved[other] = max(moved[other], moved[one] + least)
    ceiling = lowest
    for i in reversed(order):
        moved[i] = min(moved[i], ceiling)
        ceiling = moved[i] - least
    return moved
