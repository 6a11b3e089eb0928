r"""Normal forms of mathematical answers: what can be decided by characters alone, and what is left to compare.

`decided` says at once whether two answers are equal where their normal forms are, or where both are plain
numbers, words or choices; where it returns None, algebra has to decide (`forge.domains.algebra`).

    1{,}234 -> 1234    \dfrac12 -> \frac{1}{2}    5\text{ cm} -> 5, unit cm    \text{(A)} -> choice A

Text is cut and replaced by patterns that take linear time; nothing is parsed, evaluated or executed here.
The conventions and their reasons are in docs/grading.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from forge.domains import characters, units

LONGEST = 4096
"""The most characters of an answer that are compared; a longer one equals only itself."""

_LAYOUT = re.compile(
    r"\\(?:left|right|middle|bigl?|bigr|Bigl?|Bigr|biggl?|biggr|Biggl?|Biggr|displaystyle|textstyle|limits|rm|bf|it"
    r"|boldmath|hfill|hline|strut|mathstrut|nobreak)(?![A-Za-z])\.?|\\(?:hspace|vspace|phantom|hphantom)\*?\{[^{}]*\}"
)
_SPACE = re.compile(r"(?<!\\)\\(?:[,;:>! \n]|(?:quad|qquad|thinspace|enspace|space|medspace|thickspace)(?![A-Za-z]))|~")
_TEXT = re.compile(
    r"\\(?:text(?:bf|it|rm|normal|sf|tt|sc|up)?|[mh]box|math(?:rm|bf|it|sf|tt|normal|bbm)|boldsymbol|bm|emph"
    r"|operatorname\*?|underline)\s*\{([^{}]*)\}"
)
_RENAMED = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "leq": "le", "leqslant": "le", "geq": "ge", "geqslant": "ge",
    "neq": "ne", "lbrace": "{", "rbrace": "}", "dots": "ldots", "cdots": "ldots", "dotsc": "ldots", "varnothing":
    "emptyset", "ast": "cdot", "div": "/", "lvert": "|", "rvert": "|", "vert": "|", "mid": "|", "lbrack": "[",
    "rbrack": "]", "dbinom": "binom", "tbinom": "binom", "R": "mathbb{R}", "colon": ":", "degree": "circ",
    "to": "rightarrow", "land": "wedge", "lor": "vee",
}  # fmt: skip
_ROW = re.compile(r"\\\\\s*(?:\[-?[\d.]+(?:pt|em|ex|mm|cm)\])?")
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_STRONG = re.compile(r"(?<=\d)(?:\{,\}|,\s*\\!|\\,|\\;|\\:|\\ |~|\\thinspace)\s*(?=\d{3}(?!\d))")
_WEAK = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])")
_GROUPED = re.compile(r"-?[1-9]\d{0,2}(?: \d{3})+(?:\.\d+)?")
_ARGUMENT = re.compile(r"\\frac\s*(?:\{([^{}]*)\}|(\d|[A-Za-z]))\s*(?:\{([^{}]*)\}|(\d|[A-Za-z]))")
_MIXED = re.compile(r"(?<![\d.])(\d+)\s+(\d+)\s*/\s*(\d+)(?![\d.])")
_CONNECTIVE = re.compile(r"(?<![A-Za-z\\])(and|or)(?![A-Za-z])")
_HALF_DAY = re.compile(r"(?<=\d)\s*([ap])\.?\s?m\.?$", re.I)
_NAMED = re.compile(
    r"\A(?:m?\s*\\(?:angle|triangle)\s*[A-Z]{1,4}|\ue000[^\ue001]*\ue001|[A-Za-z]{3,}(?:\s+[A-Za-z]+)*)\s*=\s*"
)
_SCRIPT = re.compile(r"([_^])\s*(?:\{\s*([^{}\s]+)\s*\}|(\d+|[A-Za-z]))")
_ROOTED = re.compile(r"\\sqrt\s*(\d|[A-Za-z])")
_GAP = re.compile(r"(\\[A-Za-z]+|\d(?=\s+\d))?\s+(?=(.))", re.S)
_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)"
_PLAIN = re.compile(
    rf"([+-]?)(?:(?P<whole>\d+)(?=\\frac))?(?:\\frac\{{(?P<top>-?{_NUMBER})\}}\{{(?P<under>{_NUMBER})\}}"
    rf"|(?P<number>{_NUMBER})(?:/(?P<below>{_NUMBER}))?)"
    rf"(?:(?:\\times|\\cdot|\*|x|(?P<e>[eE]))(?(e)\+?|10\^)\{{?(?P<power>[+-]?\d{{1,3}})\}}?)?"
)
_LONGEST_NUMBER = 1000
_SIMPLE = re.compile(r"-?[0-9]{1,15}")
_CHOICE = re.compile(r"(?:(?:option|choice|answer)\s+)?(?:\(([A-Ja-j])\)|([A-J])[).:]?)", re.I)
_LABELLED = re.compile(r"(?:\(([A-J])\)|([A-J])(?:\)|[.:](?=\s)))\s*([^\s+\-*/=,^<>|].*)", re.S)
_WORDS = re.compile(r"\b[Nn]o\b|[A-Za-z]{3,}")
_NAMES = frozenset("sin cos tan cot sec csc log ln exp lim max min mod sqrt frac pi inf gcd lcm det arcsin".split())
_COUNTS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty".split()
)
_SAME_WORDS = {
    "dne": "does not exist",
    "no solutions": "no solution",
    "n/a": "none",
    "no real solutions": "no real solution",
}
_MEANT = {
    "all real numbers": "\\mathbb{R}",
    "all reals": "\\mathbb{R}",
    "infinity": "\\infty",
    "empty set": "\\emptyset",
}
_SCALE = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_SCALED = re.compile(rf"(?<=\d)\s*\ue000?\s*({'|'.join(_SCALE)})\b\ue001?")
_CHOOSE = re.compile(r"\{([^{}]+)\\choose([^{}]+)\}")
_TO = re.compile(r"(\d+)\s*\ue000?\s*to\s*\ue001?\s*(\d+)")


@dataclass(frozen=True, slots=True)
class Form:
    """An answer in normal form: `text` without its `unit`, and what it is if it is something plain.

    `value` is a number written in digits; `words` are those of an answer in words, in lower case; `choice` the
    letter of an answer that is nothing else.
    """

    text: str
    unit: str = ""
    value: Fraction | None = None
    words: str = ""
    choice: str = ""


def decided(answer: str, reference: str) -> bool | None:
    """Whether two answers are equal, or None where their characters do not tell."""
    if answer == reference:
        return bool(answer.strip())
    if len(answer) > LONGEST or len(reference) > LONGEST:
        return False
    found = [_equal(a, b) for a in readings(answer) for b in readings(reference)]
    if True in found:
        return True
    return None if None in found else False


def undecided(answer: str, reference: str) -> list[tuple[str, str]]:
    """The pairs of texts of which algebra has to find one equal, for the answers to be."""
    pairs = []
    for a in readings(answer):
        for b in readings(reference):
            if _equal(a, b) is None:
                pairs.append((a.text, b.text))
                if (a.unit == units.PERCENT) != (b.unit == units.PERCENT):
                    # Ten percent is also a tenth, for those who wrote it as one.
                    hundredth = f"\\frac{{{a.text}}}{{100}}", f"\\frac{{{b.text}}}{{100}}"
                    pairs.append((hundredth[0], b.text) if a.unit == units.PERCENT else (a.text, hundredth[1]))
    return pairs


@lru_cache(maxsize=4096)
def readings(text: str) -> tuple[Form, ...]:
    """The forms that a text may be meant as: `(A) 5` is the choice A, and it is 5."""
    bare = _bare(text)
    labelled = _LABELLED.fullmatch(_without_marks(bare).strip())
    if labelled:
        letter = labelled.group(1) or labelled.group(2)
        return Form(letter, choice=letter), form(labelled.group(3))
    return (form(text),)


@lru_cache(maxsize=4096)
def form(text: str) -> Form:
    """The normal form of one answer."""
    if _SIMPLE.fullmatch(text):
        return Form(text, value=Fraction(int(text)))
    text = _bare(text)
    text = _STRONG.sub("", _ROW.sub(r"\\\\ ", text))
    text = _SPACE.sub(" ", text).strip()
    if _GROUPED.fullmatch(text):
        text = text.replace(" ", "")
    plain = " ".join(_without_marks(text).split())
    if choice := _CHOICE.fullmatch(plain):
        letter = choice.group(1) or choice.group(2)
        if letter.isupper() or choice.group(1):
            return Form(letter, choice=letter.upper())
    text = _HALF_DAY.sub(lambda match: f" {match.group(1).lower()}m", _NAMED.sub("", _without_thousands(text), count=1))
    text = _SCALED.sub(lambda match: f"\\times 10^{{{_SCALE[match.group(1)]}}} ", text)
    text = _TO.sub(r"\1:\2", _CHOOSE.sub(r"\\binom{\1}{\2}", text))
    if re.fullmatch("\ue000\\s*[$\\d][^\ue000]*", text):
        text = text[1:-1].strip()
    core, unit = units.split(text)
    words = "" if unit and core else _worded(text)
    core = _compact(_without_marks(core))
    if words in _MEANT:
        return Form(_MEANT[words])
    if words in _COUNTS:
        return Form(str(_COUNTS.index(words)), value=Fraction(_COUNTS.index(words)))
    return Form(core, unit, _value(core), words)


def _equal(a: Form, b: Form) -> bool | None:
    if not a.text or not b.text:
        return False
    if a.choice or b.choice:
        return a.choice == b.choice if a.choice and b.choice else a.text == b.text or None
    if units.conflict(a.unit, b.unit):
        return False
    if a.text == b.text or (a.words and a.words == b.words):
        return True
    if a.value is not None and b.value is not None:
        if (a.unit == units.PERCENT) != (b.unit == units.PERCENT):
            share, other = (a.value, b.value) if a.unit == units.PERCENT else (b.value, a.value)
            return share in (other, other * 100)
        return a.value == b.value
    wordy = [len(form.words) > 3 and not _is_math(form.text) for form in (a, b)]
    if all(wordy) or (wordy[0] and b.value is not None) or (wordy[1] and a.value is not None):
        return False
    return None


def _bare(text: str) -> str:
    """Characters of LaTeX only, without what surrounds an answer; text in words between two marks."""
    text = characters.as_latex(text)
    before = None
    while before != text:
        before = text
        text = text.strip().strip("`")
        text = text.removeprefix("=").removeprefix("\\approx ") if text[:2] != "==" else text
        for opening, closing in (("**", "**"), ("\\(", "\\)"), ("\\[", "\\]"), ("$$", "$$"), ("*", "*")):
            if text.startswith(opening) and text.endswith(closing) and len(text) > len(opening) + len(closing):
                text = text[len(opening) : -len(closing)]
        text = text.removesuffix("\\\\")
        if text[-1:] in ".,;:" and not text.endswith(("..", "\\,", "\\;", "\\:")):
            text = text[:-1]
        if match := re.fullmatch(r"\\(?:boxed|fbox)\s*\{(.*)\}", text, re.S):
            text = match.group(1)
    if len(re.findall(r"(?<!\\)\$", text)) % 2 == 0:
        text = re.sub(r"(?<!\\)\$", " ", text)
    text = text.replace("\\(", " ").replace("\\)", " ")
    text = _LAYOUT.sub("", text)
    for _ in range(3):
        text = _TEXT.sub("\ue000\\1\ue001", text)
    return _COMMAND.sub(_renamed, text).strip()


def _renamed(match: re.Match[str]) -> str:
    name = match.group(1)
    new = _RENAMED.get(name, name)
    return new if new in "/|[]:" else "\\" + new


def _without_marks(text: str) -> str:
    return text.replace("\ue000", " ").replace("\ue001", " ")


def _without_thousands(text: str) -> str:
    """Commas between groups of three digits are no separators of a list, unless in brackets."""

    def joined(match: re.Match[str]) -> str:
        before = text[: match.start()].replace("\\{", "(").replace("\\}", ")")
        depth = sum(before.count(mark) for mark in "([") - sum(before.count(mark) for mark in ")]")
        return match.group() if depth > 0 else match.group().replace(",", "")

    return _WEAK.sub(joined, text)


def _compact(text: str) -> str:
    """Without spaces that mean nothing, arguments in braces."""
    text = _MIXED.sub(r"\1\\frac{\2}{\3}", text)
    text = _CONNECTIVE.sub(r"\\\1 ", text)
    text = _SCRIPT.sub(lambda match: f"{match.group(1)}{{{match.group(2) or match.group(3)}}}", text)
    text = _ROOTED.sub(r"\\sqrt{\1}", text)
    text = _GAP.sub(_kept_gap, text).strip()
    text = _ARGUMENT.sub(_fraction, text)
    text = re.sub(r"\{\{([^{}]*)\}\}", r"{\1}", text)
    return text[1:-1] if re.fullmatch(r"\{[^{}]*\}", text) else text


def _kept_gap(match: re.Match[str]) -> str:
    command, follower = match.group(1) or "", match.group(2)
    return command + (" " if command and (follower.isalpha() or command.isdigit()) else "")


def _fraction(match: re.Match[str]) -> str:
    first, one, second, two = match.groups()
    top, under = first if one is None else one, second if two is None else two
    return f"\\frac{{{top}}}{{{under}}}"


def _value(text: str) -> Fraction | None:
    """The number that a text is, if it is one in digits: whole, decimal, fraction, mixed or with a power of ten."""
    while text.startswith("(") and text.endswith(")") and text[1:-1].strip("+-.0123456789/") == "":
        text = text[1:-1]
    match = _PLAIN.fullmatch(text)
    if not match or len(text) > _LONGEST_NUMBER:
        return None
    parts = match.groupdict()
    number = Fraction(parts["top"] or parts["number"])
    under = Fraction(parts["under"] or parts["below"] or 1)
    if not under or (parts["whole"] and (number < 0 or "." in text)):
        return None
    value = Fraction(parts["whole"] or 0) + number / under
    if parts["power"]:
        value *= Fraction(10) ** int(parts["power"])
    return -value if match.group(1) == "-" else value


def _worded(text: str) -> str:
    """The words of an answer that is in words, in lower case; empty for one in symbols."""
    marked = re.findall("\ue000([^\ue001]*)\ue001", text)
    found = _WORDS.findall(re.sub(r"\\[A-Za-z]+|\bsqrt\b", " ", _without_marks(text)))
    if not any(word.lower() not in _NAMES for word in found) and not any(len(word.strip()) > 1 for word in marked):
        return ""
    words = re.sub(r"[\s,.;:'\"!?_()$-]+", " ", re.sub(r"(?<=[ap])\.(?=m\b)", "", _without_marks(text).lower())).strip()
    words = re.sub(r"^(?:an?|the) ", "", words)
    return _SAME_WORDS.get(words, words)


def _is_math(text: str) -> bool:
    """Whether a text in words holds symbols that algebra might read."""
    return re.search(r"[\d\\+*/=<>^_{}()\[\]|]|(?<!\w)[A-Za-z](?!\w)", text) is not None


def behaviour(text: str) -> str:
    """The same for answers in the same normal form."""
    if len(text) > LONGEST:
        return text
    found = form(text)
    return str(found.value) if found.value is not None else found.words or found.choice or found.text
