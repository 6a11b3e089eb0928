"""Normal forms of prompts and programs: sharing one means being the same problem."""

from __future__ import annotations

import hashlib
import re

from forge import extract

_MASKED = re.compile(r"\d+")
_WORD = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|[A-Za-z_]\w*|\d[\w.]*|[^\s\w]")
_DOCSTRING = re.compile(r"(\"\"\"|''')(.*?)\1", re.S)
_KEPT_WORDS = frozenset(
    "and as assert async await break class continue def del elif else except finally for from global if import in is "
    "lambda nonlocal not or pass raise return try while with yield None True False abs all any bool bytes chr dict "
    "divmod enumerate filter float frozenset int isinstance iter len list map max min next ord pow print range "
    "reversed round set sorted str sum tuple type zip append extend items keys values get join split strip".split()
)


def keys(prompt: str, answer: str) -> frozenset[str]:
    """The docstring with its numbers masked, and the code with its names renamed; either text may be empty."""
    keys = set()
    document = _DOCSTRING.search(prompt)
    if document and document.group(2).strip():
        words = " ".join(_MASKED.sub("0", document.group(2)).lower().split())
        keys.add("docstring:" + words)
    code = _normal_code(answer)
    if code:
        keys.add("code:" + hashlib.blake2b(code.encode("utf-8", "replace"), digest_size=12).hexdigest())
    return frozenset(keys)


def _normal_code(text: str) -> str:
    """Code without its docstring, comments, layout, names and numbers."""
    text = _DOCSTRING.sub("", text, count=1)
    text = "\n".join(
        line.text for line in extract.lines(text) if not line.text.lstrip().startswith(("#", "import ", "from "))
    )
    names: dict[str, str] = {}
    words = []
    for word in _WORD.findall(text):
        if word[0].isdigit():
            words.append("0")
        elif (word[0].isalpha() or word[0] == "_") and word not in _KEPT_WORDS:
            words.append(names.setdefault(word, f"v{len(names)}"))
        else:
            words.append(word)
    return " ".join(words) if len(words) > 8 else ""
