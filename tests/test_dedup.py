"""Near-duplicates as a caller meets them: what is merged, what is not, and what wrong use is told."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from forge import dedup
from forge.errors import DataError, ForgeError

GCD = 'def gcd(a, b):\n    """The largest."""\n    while b:\n        a, b = b, a % b\n    return a\n'
COUNT = """\
from collections import Counter
from typing import List

def modes(values: List[int], least: int = 1) -> List[int]:
    # Count first.
    counts = Counter(values)
    best = 0
    for value, count in counts.items():
        if count > best and count >= least:
            best = count
    found = [value for value in values if counts[value] == best]
    return sorted(set(found), key=lambda item: -item)
"""
WORDS = """\
import re

def longest(text, stop=()):
    result, size = None, -1
    for word in re.findall(r"[a-z]+", text.lower()):
        if word in stop:
            continue
        elif len(word) > size:
            result = word
            size = len(word)
    try:
        return result.title()
    except AttributeError as error:
        print(f"nothing in {text!r}: {error}")
        return None
"""
REAL = (GCD, COUNT, WORDS)
LOCAL = {
    GCD: ("a", "b"),
    COUNT: ("values", "least", "counts", "best", "value", "count", "found", "item"),
    WORDS: ("text", "stop", "result", "size", "word", "error"),
}


@st.composite
def renamed(draw: st.DrawFn) -> tuple[str, str]:
    """A snippet, and the same with other names for what is local to it."""
    text = draw(st.sampled_from(REAL))
    names = LOCAL[text]
    fresh = draw(
        st.lists(st.from_regex(r"[a-z_][a-z0-9_]{2,12}q", fullmatch=True), min_size=8, max_size=8, unique=True)
    )
    other = dict(zip(names, fresh, strict=False))
    pattern = rf"(?<![.\w])({'|'.join(names)})\b(?!=-)"
    return text, re.sub(pattern, lambda found: other[found.group()], text)


@given(renamed())
def test_other_names_are_the_same_code(pair: tuple[str, str]) -> None:
    text, other = pair
    ast.parse(other)
    assert dedup.fingerprint(other) == dedup.fingerprint(text)
    assert dedup.similarity(other, text) == 1


@given(st.sampled_from(REAL), st.integers(1, 8), st.integers(0, 3), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_other_layout_is_the_same_code(text: str, width: int, blank: int, comments: bool, end: str) -> None:
    lines = []
    for line in ast.unparse(ast.parse(text)).splitlines():
        depth = (len(line) - len(line.lstrip())) // 4
        lines.append(" " * width * depth + re.sub(r"([,=(])(?= ?\w)", r"\1  ", line.lstrip()))
        lines += ["  # a comment" if comments else ""] * blank
    assert dedup.fingerprint(end.join(lines)) == dedup.fingerprint(text)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("def f(a):\n    return a > 1\n", "def f(x):\n    return (1 < x)\n"),
        ("def f(a):\n    return a == 1\n", "def f(a):\n    return 1 == a\n"),
        ("def f(a):\n    return not a in b\n", "def f(a):\n    return a not in b\n"),
        ("def f(a):\n    return 2 * a + 1\n", "def f(a):\n    return 1 + a * 2\n"),
        ("def f(a):\n    n = 0\n    n += a\n    return n\n", "def f(a):\n    n = 0\n    n = n + a\n    return n\n"),
        ("def f(a):\n    return g(a)\n", "def f(a):\n    b = g(a)\n    return b\n"),
        ("def f(a):\n    return\n", "def f(a):\n    return None\n"),
        ("def f(a):\n    pass\n    return a\n", "def f(a):\n    assert True\n    c = []\n    return a\n"),
        ("def f(a):\n    if a: return 1\n", "def f(a):\n    if a:\n        return 1\n"),
        ("def f(a):\n    if False:\n        pass\n    return a\n", "def f(a):\n    'doc'\n    return a\n"),
        ("def f(a):\n  b = 1\n  c = len(a)\n  return b, c", "def f(a):\n  c = len(a)\n  b = 1\n  return (b, c)"),
        ("import math\ndef f(a):\n    return a\n", "def f(a):\n    return a\n"),
        ("import numpy as np\nnp.x()", "import numpy\nnumpy.x()"),
        ("def f():\n  global n\n  n = 1\ndef g():\n  return n", "def f():\n  global m\n  m = 1\ndef g():\n  return m"),
        ("def f(a, key=1):\n    return sorted(a, key=key)", "def f(b, key=1):\n    return sorted(b, key=key)"),
        ("from typing import List\ndef f(a: List[int]) -> int:\n    g(a)", "def f(a):\n    g(a)"),
        ("if a:\n  g()\nelse:\n  if b:\n    h()\n  else:\n    i()", "if a:\n  g()\nelif b:\n  h()\nelse:\n  i()"),
        ("f('it\\'s', [1, 2,],)", 'f("it\'s", [1, 2])'),
        ("sum((x for x in y))", "sum(z for z in y)"),
    ],
)  # fmt: skip
def test_harmless_rewriting_is_the_same_code(one: str, two: str) -> None:
    assert dedup.fingerprint(one) == dedup.fingerprint(two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("def f(a, b):\n    return a - b\n", "def f(a, b):\n    return b - a\n"),
        ("def f(a, b):\n    return a < b\n", "def f(a, b):\n    return a <= b\n"),
        ("def f(a, b):\n    return a + b\n", "def f(a, b):\n    return b + a\n"),
        ("def f(a, b):\n    return a and b\n", "def f(a, b):\n    return b and a\n"),
        ("def f(a, b):\n    return a\n", "def f(a, b):\n    return b\n"),
        ("def f(a):\n    a += b\n    return a\n", "def f(a):\n    a = a + b\n    return a\n"),
        ("def f(a):\n    return a[0]\n", "def f(a):\n    return a[1]\n"),
        ("def f(a):\n    return (a < b) < c\n", "def f(a):\n    return a < b < c\n"),
        ("def f(a):\n    return (a,)\n", "def f(a):\n    return a\n"),
        ("def f(a):\n    return a - (b - c)\n", "def f(a):\n    return a - b - c\n"),
        ("def f(a):\n    return -a ** 2\n", "def f(a):\n    return (-a) ** 2\n"),
        ("def f(a):\n  b = a.pop()\n  c = a[0]\n  return b, c", "def f(a):\n  c = a[0]\n  b = a.pop()\n  return b, c"),
        ("def f(a):\n    return g((a, b))\n", "def f(a):\n    return g(a, b)\n"),
        ("def f(a):\n    return sqrt(a)\n", "from math import sqrt\ndef f(a):\n    return sqrt(a)\n"),
        ("from math import ceil as r\ndef f(a): return r(a)", "from math import floor as r\ndef f(a): return r(a)"),
        ("def f(a: List[int]):\n    return a\n", "from typing import List\ndef f(a: List[int]):\n    return a\n"),
        ("import setup_everything\ndef f(a):\n    return a\n", "def f(a):\n    return a\n"),
        ("def f(a):\n    import math\n    return g(a)", "def f(a):\n    import cmath\n    return g(a)"),
        ("def f(a):\n    return a\n", "def g(a):\n    return a\n"),
        ("def f(a):\n  for x in a:\n    g(x)\n  return x", "def f(a):\n  for x in a:\n    g(x)\n    return x"),
        ("def f(a):\n    return a.b", "def f(a):\n    return a.c"),
        ("f(key=1)", "f(reverse=1)"),
        ("f('a')", "f('A')"),
        ("f(r'\\n')", "f('\\n')"),
        ("def f(a):\n    n = 1\n    return f'{n}'", "def f(a):\n    return f'{n}'"),
        ("def f(a):\n    n = 1\n    return eval(a)", "def f(a):\n    return eval(a)"),
        ("def f(a):\n    return a\n", "def f(a):\n    return (a\n"),
        ("def f(a):\n    return a\n", "def f(a):\nreturn a\n"),
        ("def f(a):\n  import x, y\n  return x.z(y)", "def f(a):\n  import x, y\n  return y.z(x)"),
        ("def f(a):\n  def g(b): return b\n  g(b=1)", "def f(a):\n  def g(c): return c\n  g(b=1)"),
        ("def f():\n  global n\n  n = 1\ndef g():\n  return n", "def f():\n  global m\n  m = 1\ndef g():\n  return n"),
        ("import math\ndef f(a):\n    return eval(a)", "def f(a):\n    return eval(a)"),
        ("class A:\n    x: int = 0\n    y: int = 1", "class A:\n    y: int = 1\n    x: int = 0"),
        ("class A:\n    x: int = 0", "class A:\n    x = 0"),
        ("def f(a):\n    a += 'b'\n    return a", "def f(a):\n    a = a + 'b'\n    return a"),
        ("for a in b:\n    pass\nelse:\n    if c:\n        d()", "if a in b:\n    pass\nelif c:\n    d()"),
    ],
)  # fmt: skip
def test_what_may_behave_otherwise_is_other_code(one: str, two: str) -> None:
    assert dedup.fingerprint(one) != dedup.fingerprint(two)
    assert dedup.clusters([one, two]) == [0, 1]


def test_texts_are_merged_inside_their_key_and_nowhere_else() -> None:
    near = COUNT.replace("count > best and count >= least", "count >= least and count > best")
    assert dedup.similarity(COUNT, near) < 0.95
    texts = [COUNT, near, COUNT.replace("best", "top"), COUNT, GCD]
    assert dedup.clusters(texts) == [0, 1, 0, 0, 4]
    assert dedup.clusters(texts, ["p"] * 5) == [0, 0, 0, 0, 4]
    assert dedup.clusters(texts, ["p", "q", "q", "p", "p"]) == [0, 1, 1, 0, 4]
    assert dedup.clusters(texts, threshold=0.5) == [0, 0, 0, 0, 4]
    assert dedup.clusters(texts, ["p"] * 5, threshold=1.0) == [0, 1, 0, 0, 4]
    found = dedup.grouped(texts, ["p"] * 5)
    assert [member.level for member in found] == ["new", "shingles", "fingerprint", "exact", "new"]
    assert [member.cluster for member in found] == [0, 0, 0, 0, 1]
    assert found[1].similarity == pytest.approx(dedup.similarity(COUNT, near), abs=1e-6)
    assert [member.similarity for member in found][2:] == [1, 1, 1]


def test_newcomers_are_compared_with_first_texts_and_never_chained() -> None:
    def text(first: int) -> str:
        return "".join(f"f{step}(x, {step})\n" for step in range(first, first + 12))

    texts = [text(first) for first in range(0, 24, 2)]
    for found, member in zip(texts, dedup.grouped(texts, ["k"] * len(texts)), strict=True):
        assert dedup.similarity(found, texts[member.representative]) == pytest.approx(member.similarity, abs=1e-6)
        assert member.level == "new" or member.similarity >= 0.45


KEYS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: st.tuples(inner, inner) | st.tuples(inner) | st.just(()),
    max_leaves=4,
)


@example([1, True, 1.0, "1", b"1", (1,), (True,), ((1,),), 0.5, 2**80, -(2**63), (None, ""), (), ""])
@given(st.lists(KEYS.filter(lambda key: key is not None), min_size=1, max_size=12))
def test_keys_are_equal_as_in_a_dictionary(keys: list[Hashable]) -> None:
    seen: dict[Hashable, int] = {}
    wanted = [seen.setdefault(key, place) for place, key in enumerate(keys)]
    assert dedup.clusters([GCD] * len(keys), keys) == wanted


def test_one_by_one_gives_what_all_at_once_gives_with_any_number_of_threads() -> None:
    def text(number: int) -> str:
        steps = (f"    b = g{step}(b, {number % 5 + step})\n" for step in range(number % 11))
        return f"def f(a):\n    b = {number % 7}\n{''.join(steps)}"

    texts = [text(number) for number in range(400)]
    keys: list[Hashable] = [None if number % 4 == 0 else ("p", number % 3) for number in range(400)]
    wanted = dedup.grouped(texts, keys, threads=1)
    assert {member.level for member in wanted} == {"new", "exact", "fingerprint", "shingles"}
    for threads in (2, 5, None):
        assert dedup.grouped(texts, keys, threads=threads) == wanted
    index = dedup.Index()
    assert [index.insert(text, key) for text, key in zip(texts, keys, strict=True)] == wanted
    assert (len(index), index.clusters) == (400, max(member.cluster for member in wanted) + 1)
    assert dedup.clusters(texts, keys) == [member.representative for member in wanted]


def test_a_saved_index_goes_on_in_another_process(tmp_path: Path) -> None:
    path = tmp_path / "an index"
    keys: list[Hashable] = [("p", 1), ("p", None), b"k", 2.5]
    index = dedup.Index(0.6)
    for key in keys:
        index.insert(COUNT, key)
    index.save(path)
    code = (
        "import sys\nfrom forge import dedup\nindex = dedup.Index.load(sys.argv[1])\n"
        f"for key in {keys!r}: print(index.insert(sys.argv[2], key).representative)\n"
    )
    near = COUNT.replace("best = 0", "best = -1")
    done = subprocess.run([sys.executable, "-c", code, str(path), near], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "1", "2", "3"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["an index"]


def test_files_that_are_no_index_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "index"
    index = dedup.Index()
    index.insert_all([GCD, COUNT, WORDS], ["k"] * 3)
    index.save(path)
    whole = path.read_bytes()
    for data, told in [
        (b"", "not an index of forge dedup"),
        (b"{}\n", "not an index of forge dedup"),
        (whole[:-9], "damaged"),
        (whole[:200] + bytes([whole[200] ^ 1]) + whole[201:], "damaged"),
        (whole[:12] + b"\x63" + whole[13:], "an index of format 99"),
    ]:
        path.write_bytes(data)
        with pytest.raises(DataError, match=told) as error:
            dedup.Index.load(path)
        assert str(path) in str(error.value)
        assert "build the index again" in error.value.hint
    with pytest.raises(DataError, match=r"[Nn]o such file"):
        dedup.Index.load(tmp_path / "none")
    with pytest.raises(ForgeError, match="cannot write"):
        index.save(tmp_path / "none" / "index")


LONE = "x = '\ud800'"


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda: dedup.clusters([GCD, 3]), TypeError, "text 1 is not a str but of type int"),  # type: ignore[list-item]
        (lambda: dedup.clusters([GCD, GCD, LONE]), ValueError, "text 2 holds a lone surrogate"),
        (lambda: dedup.clusters(GCD), TypeError, "not one str"),
        (lambda: dedup.clusters([GCD], "k"), TypeError, "not one str"),
        (lambda: dedup.clusters([GCD], []), ValueError, "1 texts and 0 keys"),
        (lambda: dedup.clusters([GCD] * 2, ["a", ("b", [1])]), TypeError, "key 1 is or holds .* type tuple"),
        (lambda: dedup.clusters([GCD], [object()]), TypeError, "key 0 is or holds .* type object"),
        (lambda: dedup.clusters([GCD], threshold=0), ValueError, "threshold should be above 0"),
        (lambda: dedup.Index(1.5), ValueError, "threshold should be above 0 and at most 1, not 1.5"),
        (lambda: dedup.Index(float("nan")), ValueError, "not nan"),
        (lambda: dedup.grouped([GCD], threads=0), ValueError, "threads should be at least 1"),
        (lambda: dedup.Matcher(least=0), ValueError, "least should be at least 1"),
        (lambda: dedup.Matcher().add("x", 3), TypeError, "str"),  # type: ignore[arg-type]
        (lambda: dedup.Matcher().match_all([GCD, None]), TypeError, "text 1 is not a str"),  # type: ignore[list-item]
        (lambda: dedup.nearest(GCD, []), ValueError, "no others"),
        (lambda: dedup.fingerprint(LONE), ValueError, "lone surrogate"),
    ],
)  # fmt: skip
def test_wrong_use_is_told_with_the_place(call: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        call()


def test_similarity_and_containment_are_shares_of_runs_of_tokens() -> None:
    assert dedup.similarity(GCD, GCD) == 1
    assert dedup.similarity("", "") == 1
    assert dedup.similarity(GCD, "") == 0
    assert 0 < dedup.similarity(GCD, GCD + COUNT) < dedup.containment(GCD, COUNT + GCD) <= 1
    assert dedup.containment(GCD, "x = 1\n" + GCD + "y = 2\n") > 0.8
    assert dedup.containment(GCD, WORDS) < 0.3


def test_the_nearest_text_is_the_one_with_the_least_tokens_changed() -> None:
    changed = GCD.replace("a % b", "a // b")
    assert dedup.distance(GCD, GCD + "  # more\n") == 0
    assert dedup.distance(GCD, changed) == 1
    assert dedup.distance("a = b", "a = b + c") == 2
    assert dedup.nearest(GCD, [COUNT, WORDS, changed, changed]) == 2
    assert dedup.nearest("", ["x"]) == 0


def test_held_out_code_is_found_renamed_and_inside_other_code() -> None:
    matcher = dedup.Matcher()
    for name, text in (("gcd", GCD), ("count", COUNT), ("words", WORDS), ("tiny", "return x\n")):
        matcher.add(name, text)
    assert len(matcher) == 4
    assert matcher.match(GCD.replace("a", "zz").replace("def gcd", "def gcd")) != []
    assert matcher.match(COUNT.replace("values", "numbers")) == [("count", "fingerprint", 1.0)]
    inside = matcher.match("import os\n\n" + WORDS.replace("longest", "f") + "\nprint(f(os.name))\n" + GCD)
    assert [(found.name, found.kind) for found in inside] == [("gcd", "containment"), ("words", "containment")]
    assert all(0.6 <= found.score < 1.0000001 for found in inside)
    assert matcher.match("return x\nreturn x\n") == [], "what is this short occurs by chance"
    assert matcher.match("return y\n") == []
    matcher.add("late", "def late(a):\n    return [b * 3 for b in a if b % 5 == 2 or b > 70]\n")
    assert matcher.match("def g(q):\n    return [r * 3 for r in q if r % 5 == 2 or r > 70]\n")[0].name == "late"
    texts = [GCD, COUNT, "", WORDS] * 20
    assert matcher.match_all(texts, threads=3) == [matcher.match(text) for text in texts]


@given(st.text(), st.text())
def test_any_text_is_read(one: str, two: str) -> None:
    assert len(dedup.fingerprint(one)) == 32
    assert 0 <= dedup.similarity(one, two) <= 1
    assert dedup.distance(one, two) <= len(dedup.tokens(one)) + len(dedup.tokens(two))
    assert dedup.clusters([one, two, one])[2] == 0


@given(st.sampled_from(REAL), st.data())
def test_code_that_is_cut_off_is_not_the_whole(text: str, data: st.DataObject) -> None:
    cut = text[: data.draw(st.integers(0, len(text) - 2))]
    try:
        ast.parse(cut)
    except SyntaxError:
        assert dedup.fingerprint(cut) != dedup.fingerprint(text)


def test_hostile_nesting_takes_no_more_than_its_length() -> None:
    for text in (
        "(" * 200_000,
        "[" * 100_000 + "]" * 100_000,
        "not " * 100_000,
        "f(" * 50_000,
        "-" * 200_000,
        "a=" * 100_000,
    ):
        assert len(dedup.fingerprint(text)) == 32
    with tempfile.TemporaryDirectory() as folder:
        index = dedup.Index()
        index.insert("(" * 100_000, "k")
        index.save(Path(folder) / "index")
