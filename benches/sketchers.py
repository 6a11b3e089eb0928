"""How others find near-duplicates, as their users would have them do it: tokens in Python, sketches in native code."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Sequence

TOKEN = re.compile(r"\w+|[^\w\s]")
THRESHOLD = 0.5
PERMUTATIONS = 128


def missing(module: str) -> str:
    """Why a peer has to stay away; empty if it need not."""
    return "" if importlib.util.find_spec(module) else f"{module} cannot be imported; pip install {module}"


def shingles(text: str) -> list[str]:
    """Runs of five tokens."""
    words = TOKEN.findall(text)
    return [" ".join(words[at : at + 5]) for at in range(max(1, len(words) - 4))]


def rensa(texts: Sequence[str], of: Callable[[str], list[str]], streamed: bool = True) -> int:
    """How many texts rensa's deduplicator keeps, given tokens one text at a time or all of them at once."""
    from rensa import RMinHashDeduplicator

    found = RMinHashDeduplicator(threshold=THRESHOLD, num_perm=PERMUTATIONS, use_lsh=True)
    if streamed:
        return sum(found.add_pairs((str(number), of(text)) for number, text in enumerate(texts)))
    return sum(found.add_pairs([(str(number), of(text)) for number, text in enumerate(texts)]))


def datasketch(texts: Sequence[str], of: Callable[[str], list[str]]) -> int:
    """How many texts have no candidate before them in datasketch's index."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
    kept = 0
    for number, text in enumerate(texts):
        sketch = MinHash(num_perm=PERMUTATIONS)
        sketch.update_batch([shingle.encode() for shingle in of(text)])
        if not index.query(sketch):
            kept += 1
            index.insert(number, sketch)
    return kept
