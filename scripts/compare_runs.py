"""Compare two ways of running over several seeds: the adapters' scores, and their paired difference.

    python scripts/compare_runs.py A-0 A-1 A-2 -- B-0 B-1 B-2

Folders are runs of one benchmark; the n-th of each side are compared with each other, problem by problem. The
interval takes seeds and problems for two levels (`forge.stats.crossed_interval`).
"""

from __future__ import annotations

import sys
from pathlib import Path

from forge import score, stats
from forge.folder import Folder


def shares(path: str, kind: str) -> dict[str, float]:
    """Each held-out problem's share of passing attempts by a run's adapter."""
    folder = Folder(Path(path))
    verdicts = folder.measured(score.ADAPTER, kind).verdicts.read()
    counts = score.tally(folder.served(score.ADAPTER, kind), verdicts).counts()
    return {problem: passed / scored for problem, (scored, passed) in counts.items()}


def main(arguments: list[str]) -> int:
    """Print one line for each kind of attempt."""
    if "--" not in arguments:
        print(__doc__, file=sys.stderr)
        return 2
    place = arguments.index("--")
    ours, theirs = arguments[:place], arguments[place + 1 :]
    if not ours or len(ours) != len(theirs):
        print("error: give as many runs on one side as on the other", file=sys.stderr)
        return 2
    for kind, name in (("greedy", "greedy pass@1"), ("sampled", "pass@1")):
        found = [(shares(a, kind), shares(b, kind)) for a, b in zip(ours, theirs, strict=True)]
        problems = sorted(set.intersection(*(set(side) for pair in found for side in pair)))
        means = [[100 * sum(side[p] for p in problems) / len(problems) for side in pair] for pair in found]
        rows = [[a[p] - b[p] for p in problems] for a, b in found]
        low, high = stats.crossed_interval(rows)
        difference = sum(map(sum, rows)) / len(rows) / len(problems)
        sides = "; ".join(f"{a:.1f} and {b:.1f}" for a, b in means)
        ends = f"{100 * low:+.1f} to {100 * high:+.1f}"
        print(f"{name}: {sides} %; difference {100 * difference:+.1f} points ({ends}), {len(problems)} problems")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
