r"""Units of answers: what stands before or behind a number and says what it counts.

A unit, a currency, a percent sign or a degree sign does not change whether an answer is right, unless both
answers have one and they are known to differ. Text between the marks U+E000 and U+E001 was text in LaTeX.
"""

from __future__ import annotations

import re

PERCENT = "%"
DEGREE = "deg"

_KNOWN = {
    name: words.split()[0]
    for words in (
        "mm millimeter millimetre", "cm centimeter centimetre", "km kilometer kilometre", "m meter metre",
        "in inch inches", "ft foot feet", "yd yard", "mi mile", "mg milligram", "kg kilogram kilo", "g gram",
        "lb lbs pound", "oz ounce", "ton tonne", "ml milliliter millilitre", "l liter litre", "gal gallon", "quart",
        "s sec second", "min minute", "h hr hour", "day", "week", "month", "yr year", "mph", "usd dollar buck",
        "cent ¢", "eur euro", "gbp", "deg degree", "rad radian", "unit", "% percent pct", "hz hertz", "mol", "am",
        "pm", "kmh kph", "°c celsius", "°f fahrenheit", "cup", "people person", "j joule", "n newton", "w watt",
    )
    for name in words.split()
}  # fmt: skip
_LETTERS = "mgshLlNJWV"
_NOT_UNITS = frozenset(
    "and or if for where when is are not no base mod sin cos tan cot sec csc log ln exp sqrt pi inf infinity to but "
    "with such that in by all real solution solutions either both then thus so because since".split()
)
_DEGREES = re.compile(r"\s*\^\s*\{?\s*\\circ\s*\}?\s*(?:\ue000?\s*([CF])\s*\ue001?)?$|\s*\\circ$")
_ANGLE = re.compile(r"(?:sin|cos|tan|cot|sec|csc)(?![a-z])")
_PREFIX = re.compile(r"(-?)\s*(?:\\\$|\$|US\$|USD|\\pounds|\\euro|£|€|¥|₹|Rs\.?)\s*(?=[-\d.\\(])")
_POWER = r"(?:\s*\^\s*\{?\s*-?[1-9]\s*\}?)?"
_MARKED = re.compile(rf"(.*?\S)\s*((?:\ue000[^\ue001]*\ue001{_POWER}[\s/]*(?:\\cdot\s*)?)+)", re.S)
_RAW = re.compile(rf"(.*[\d}})])(\s*)([A-Za-z¢][A-Za-z]*(?:[\s./-]+[A-Za-z]+)*{_POWER})", re.S)
_CURRENCIES = {"£": "gbp", "\\pounds": "gbp", "€": "eur", "\\euro": "eur", "¥": "yen", "₹": "rupee"}


def split(text: str) -> tuple[str, str]:
    """A text without its unit, and the unit: empty where it has none."""
    text = text.strip()
    unit = ""
    if prefix := _PREFIX.match(text):
        mark = prefix.group().strip("- \t")
        unit = _CURRENCIES.get(mark, "usd")
        text = prefix.group(1) + text[prefix.end() :].strip()
    elif text[-1:] in ("€", "£") or text.endswith("\\$"):
        text, unit = text[:-1].rstrip("\\ "), _CURRENCIES.get(text[-1], "usd")
    for _ in range(2):
        if text.endswith("%"):
            return text[:-1].rstrip("\\ "), PERCENT
        if (degrees := _DEGREES.search(text)) and not _ANGLE.search(text):
            scale = degrees.group(1)
            return text[: degrees.start()].strip(), f"°{scale.lower()}" if scale else DEGREE
        core, words = _trailing(text)
        if not words:
            break
        text, unit = core, unit or _canonical(words)
    return text, unit


def conflict(one: str, other: str) -> bool:
    """Whether two units are both known and not the same."""
    if not one or not other or one == other:
        return False
    if "%" in one + other:
        return one != other and "" not in (one, other)
    firsts = [re.split(r"[ /]", unit)[0] for unit in (one, other)]
    known = all(first.partition("^")[0] in _KNOWN.values() for first in firsts)
    return known and firsts[0] != firsts[1] and "unit" not in "".join(firsts)


def _trailing(text: str) -> tuple[str, str]:
    """A text and the unit in words that it ends in, if it has one."""
    if (match := _MARKED.fullmatch(text)) and "\ue000" not in match.group(1):
        core, words = match.groups()
        if re.search(r"\w", core) and _are_units(words) and core[-1] not in "+-*/=,<>(^_" and "=" not in words:
            return core, words
        return text, ""
    match = _RAW.fullmatch(text)
    if not match or "\ue000" in text:
        return text, ""
    core, gap, words = match.groups()
    first = re.split(r"[\s./^-]", words)[0]
    if not _are_units(words) or re.search(r"[A-Za-z]{2,}", re.sub(r"\\[A-Za-z]+", "", core)):
        return text, ""
    known = len(first) > 1 and (_singular(first.lower()) in _KNOWN or first in ("sq", "cu"))
    alone = first in _LETTERS and not re.search(r"[A-Za-z]", core)
    if known or (gap and (len(first) > 2 or alone)):
        return core, words
    return text, ""


def _are_units(words: str) -> bool:
    found = re.findall(r"[A-Za-z¢]+", words)
    return bool(found) and not any(word.lower() in _NOT_UNITS and word != "in" for word in found) and len(found) < 9


def _singular(word: str) -> str:
    if word in _KNOWN:
        return word
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _canonical(words: str) -> str:
    """One writing of a unit: `square inches`, `inches^{2}` and `sq in` are `in^2`."""
    found = re.findall(r"[A-Za-z¢]+|\^\s*\{?\s*-?\d|/", words.replace("\ue000", " ").replace("\ue001", " "))
    parts: list[str] = []
    power = ""
    for word in found:
        lower = _singular(word.lower())
        if word[0] == "^":
            power = "^" + word[-1]
            if parts:
                parts[-1] += power
            power = ""
        elif lower in ("square", "sq"):
            power = "^2"
        elif lower in ("cubic", "cu"):
            power = "^3"
        elif lower in ("per", "/"):
            parts.append("/")
        else:
            parts.append(_KNOWN.get(lower, lower) + power)
            power = ""
    return " ".join(parts).replace(" / ", "/")
