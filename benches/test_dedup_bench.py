"""How fast near-duplicates are found, beside what people use instead and a plain pass over the same bytes.

Texts are those of the labelled file, over and over; in each copy the functions have names of their own, so that no
two copies are alike and every text has to be looked at. Everybody starts from a list of str. Peers are in the extra
`bench`, and stay away where they are not installed.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Hashable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import sketchers
from contest import Contest, Turn, cpu_ratio, milliseconds, rate, spread, wall_ratio

from forge import _core

Snippets = tuple[list[str], list[Hashable]]
DEFINED = re.compile(r"\bdef (\w+)")
RATIO = ("time: times the first's", wall_ratio)
CPU_RATIO = ("CPU: times the first's", cpu_ratio)


def snippets(count: int) -> Snippets:
    """So many texts and their keys: problem, behaviour and copy."""
    folder = os.environ.get("FORGE_DATA")
    path = Path(folder or "", "dedup", "labelled.jsonl")
    if not folder or not path.is_file():
        pytest.skip("FORGE_DATA names no folder that holds dedup/labelled.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    texts: list[str] = []
    keys: list[Hashable] = []
    for copy in range(count // len(rows) + 1):
        named = rf"def \1_{copy}"
        texts += [DEFINED.sub(named, row["code"]) for row in rows]
        keys += [(row["problem"], row["behaviour"], copy) for row in rows]
    return texts[:count], keys[:count]


def forge(texts: list[str], keys: list[Hashable] | None, threads: int = 1) -> Turn:
    """What `forge.dedup.clusters` does, with so many threads."""
    return peer(lambda: len(_core.Index(None).firsts(texts, keys, threads)), len(texts))


class Apart:
    """Two processes with half of the texts each, which share nothing: as fast as two threads could ever be here."""

    def __init__(self, texts: list[str], keys: list[Hashable]) -> None:
        middle = len(texts) // 2
        parts = [(texts[:middle], keys[:middle]), (texts[middle:], keys[middle:])]
        # A copy of this process has the texts already.
        context = multiprocessing.get_context("fork")
        self._workers = []
        for part in parts:
            ours, theirs = context.Pipe()
            worker = context.Process(target=_serve, args=(theirs, *part), daemon=True)
            worker.start()
            self._workers.append((worker, ours))

    def __call__(self) -> Turn:
        """A turn of both."""
        for _, pipe in self._workers:
            pipe.send(True)
        done: list[Turn] = [pipe.recv() for _, pipe in self._workers]
        return Turn(sum(turn.count for turn in done), cpu=sum(turn.cpu or 0.0 for turn in done))

    def close(self) -> None:
        """End both."""
        for worker, pipe in self._workers:
            pipe.send(False)
            worker.join()


def _serve(pipe: Connection, texts: list[str], keys: list[Hashable]) -> None:
    while pipe.recv():
        pipe.send(forge(texts, keys))


def peer(run: Callable[[], int], count: int) -> Turn:
    """A turn with its CPU seconds, which other work on the machine disturbs less than wall time."""
    began = time.process_time()
    assert 0 < run() <= count
    return Turn(count, cpu=time.process_time() - began)


def absent(modules: str) -> list[str]:
    return [f"Absent: {reason}." for module in modules.split() if (reason := sketchers.missing(module))]


@pytest.mark.timeout(1800)
def test_clusters_beside_rensa(contest: Contest) -> None:
    count = 100_000 if contest.measure else 300
    texts, keys = snippets(count)
    apart = Apart(texts, keys)
    found: dict[str, Callable[[], object]] = {
        "forge, by key, one thread": partial(forge, texts, keys),
        "forge, by key, two threads": partial(forge, texts, keys, 2),
        "forge, by key, two processes (limit of two threads)": apart,
        "forge, code only, one thread": partial(forge, texts, None),
    }
    if not sketchers.missing("rensa"):
        found |= {
            "rensa, 5-token shingles, all made first": lambda: peer(
                lambda: sketchers.rensa(texts, sketchers.shingles, streamed=False), count
            ),
            "rensa, 5-token shingles, text by text": lambda: peer(
                lambda: sketchers.rensa(texts, sketchers.shingles), count
            ),
            "rensa, words between blanks, text by text": lambda: peer(lambda: sketchers.rensa(texts, str.split), count),
        }
    if not sketchers.missing("xxhash"):
        from xxhash import xxh3_64_intdigest

        data = [text.encode() for text in texts]
        found["xxh3_64 of each text's bytes (limit)"] = lambda: peer(
            lambda: sum(1 for part in data if xxh3_64_intdigest(part)), count
        )
    try:
        turns = contest.run(found)
    finally:
        apart.close()
    size = sum(map(len, texts)) / count
    contest.compare(
        "dedup-peers",
        f"{count:,} snippets of {size:.0f} characters, from a list of str to clusters",
        turns,
        [("snippets/s", rate), RATIO, CPU_RATIO],
        absent("rensa xxhash"),
    )


@pytest.mark.timeout(1800)
def test_clusters_beside_datasketch(contest: Contest) -> None:
    count = 10_000 if contest.measure else 100
    texts, keys = snippets(count)
    found: dict[str, Callable[[], object]] = {"forge, by key, one thread": partial(forge, texts, keys)}
    if not sketchers.missing("datasketch"):
        found["datasketch, 5-token shingles"] = lambda: peer(
            lambda: sketchers.datasketch(texts, sketchers.shingles), count
        )
    turns = contest.run(found)
    notes = absent("datasketch")
    contest.compare("dedup-datasketch", f"{count:,} snippets", turns, [("snippets/s", rate), RATIO, CPU_RATIO], notes)


def test_the_attempts_at_one_problem(contest: Contest) -> None:
    texts, keys = snippets(64)
    turns = contest.run(
        {
            "by key": lambda: forge(texts, keys),
            "all with one key": lambda: forge(texts, ["problem"] * len(texts)),
            "code only": lambda: forge(texts, None),
        }
    )
    contest.compare("dedup-few", "64 snippets of one problem in one call", turns, [("ms", milliseconds), RATIO])


PEAK = """
import sys
sys.path.insert(0, sys.argv[1])
from test_dedup_bench import snippets
from forge import dedup

def status(name):
    return int(open("/proc/self/status").read().split(name + ":")[1].split()[0]) << 10

count = int(sys.argv[2])
texts, keys = snippets(count)
keys = {"problem": keys, "none": None, "own": list(range(count))}[sys.argv[3]]
open("/proc/self/clear_refs", "w").write("5")
before = status("VmRSS")
threshold = float(sys.argv[4]) if sys.argv[4] else None
found = dedup.clusters(texts, keys, threshold)
print((status("VmHWM") - before) / count)
"""


@pytest.mark.timeout(1800)
def test_memory_over_the_input(contest: Contest) -> None:
    count = 1_000_000 if contest.measure else 2_000
    snippets(1)
    rows = []
    for title, keys, threshold in (
        ("by key", "problem", ""),
        ("each with a key of its own, so that nothing is merged", "own", ""),
        ("code only", "none", ""),
        ("code only, by similarity from 0.8 on", "none", "0.8"),
    ):
        if not contest.measure and keys != "problem":
            continue
        command = [sys.executable, "-c", PEAK, str(Path(__file__).parent), str(count), keys, threshold]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr
        rows.append([title, f"{float(done.stdout):.0f}"])
        assert float(done.stdout) < (1000 if contest.measure else 1e5)
    contest.report(
        "dedup-memory",
        f"Peak memory over the input, {count:,} snippets, the list that is returned included",
        ["", "bytes a snippet"],
        rows,
        ["One run each."],
    )


@pytest.mark.timeout(900)
def test_held_out_code_among_many_texts(contest: Contest) -> None:
    count = 10_000 if contest.measure else 100
    texts, _ = snippets(2 * count)

    def match() -> Turn:
        from forge.dedup import Matcher

        matcher = Matcher()
        for number, text in enumerate(texts[:count]):
            matcher.add(str(number), text)
        assert len(matcher.match_all(texts[count:], threads=1)) == count
        return Turn(count)

    turns = contest.run({"forge, one thread": match})
    each = [1000 * turn.wall for turn in turns["forge, one thread"]]
    contest.report(
        "dedup-matcher",
        f"{count:,} held-out texts looked for in {count:,} others",
        ["", "ms"],
        [["forge, one thread", spread(each, 0)]],
    )
