"""Choosing among several answers to one problem without its tests: the class with the most votes wins.

A ballot is the number of the class that an answer is in, or None for an answer that has no vote, in the order in
which the answers were drawn. Equal votes go to the class that was seen first, and a class is represented by its
first answer. Source: Wang et al., "Self-Consistency Improves Chain of Thought Reasoning" (2022). Pure functions;
what makes two answers equivalent is the domain's.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from forge import stats

Ballots = Sequence[int | None]

ORDERS = 64
"""In how many orders the answers to a problem are counted for a curve."""

_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Tally:
    """Who won: the place of the winning class's first answer, and the places of each class's answers, by that of its
    first. Where nobody has a vote, the first answer of all wins without any."""

    chosen: int
    classes: dict[int, list[int]]

    @property
    def votes(self) -> int:
        """How many answers are in the class that won."""
        return len(self.classes.get(self.chosen, ()))

    @property
    def voters(self) -> int:
        """How many answers had a vote."""
        return sum(map(len, self.classes.values()))


def tally(ballots: Ballots) -> Tally:
    """The count of all ballots."""
    by_ballot: dict[int, list[int]] = {}
    for place, ballot in enumerate(ballots):
        if ballot is not None:
            by_ballot.setdefault(ballot, []).append(place)
    classes = {places[0]: places for places in by_ballot.values()}
    # The dict is in order of the first answers, and `max` takes the first of equals.
    return Tally(max(classes, key=lambda first: len(classes[first]), default=0), classes)


def is_decided(ballots: Ballots, planned: int) -> bool:
    """Whether no ballots that are still to come, up to `planned` in all, can change who wins."""
    left = planned - len(ballots)
    found = tally(ballots)
    if not found.votes:
        return left <= 0
    rivals = [
        len(places) + left + (first < found.chosen) for first, places in found.classes.items() if first != found.chosen
    ]
    return found.votes >= max([left, *rivals])


def decided_after(ballots: Ballots, planned: int) -> int:
    """How many of the ballots it took until the winner was certain; all of them if it took more."""
    return next((n for n in range(1, len(ballots) + 1) if is_decided(ballots[:n], planned)), len(ballots))


def least(planned: int) -> int:
    """How many ballots it takes at least until a vote of `planned` is decided."""
    return (planned + 1) // 2


def checkpoints(planned: int) -> list[int]:
    """After how many answers it is worth to look whether a vote is decided: the least, then every eighth."""
    step = max(1, planned // _ROUNDS)
    return [*range(least(planned), planned, step), planned]


def passes_by_size(ballots: Ballots, passed: Sequence[bool], *, seed: int) -> list[float]:
    """For n = 1, 2, ..., the chance that the winner among n of the answers, drawn at random, is one that `passed`.

    The mean over `ORDERS` orders of all answers, in each of which the first n vote.
    """
    order = list(range(len(ballots)))
    source = random.Random(seed)
    sums = [0] * len(ballots)
    for _ in range(ORDERS):
        source.shuffle(order)
        firsts: dict[int, int] = {}
        votes: Counter[int] = Counter()
        leader: int | None = None
        for n, place in enumerate(order):
            ballot = ballots[place]
            if ballot is not None:
                firsts.setdefault(ballot, n)
                votes[ballot] += 1
                if leader is None or (votes[ballot], -firsts[ballot]) > (votes[leader], -firsts[leader]):
                    leader = ballot
            sums[n] += passed[order[0 if leader is None else firsts[leader]]]
    return [total / ORDERS for total in sums]


@dataclass(frozen=True, slots=True)
class Point:
    """One size on the curves, over `n` problems, as fractions with 95 % intervals: whether any of `k` answers passes,
    and whether the one that wins their vote does."""

    k: int
    oracle: float
    oracle_interval: stats.Interval
    vote: float
    vote_interval: stats.Interval
    n: int


def curve(problems: Sequence[tuple[Ballots, Sequence[bool]]], *, seed: int) -> list[Point]:
    """The curves over problems that have equally many answers, from one answer to all of them.

    A single answer, drawn at random, is the point at k = 1, where both agree.

    Raises:
        ValueError: problems have different numbers of answers.
    """
    sizes = {len(passed) for _, passed in problems}
    if len(sizes) > 1:
        raise ValueError(f"problems should have equally many answers, not {sorted(sizes)}")
    voted = [passes_by_size(*problem, seed=seed + place) for place, problem in enumerate(problems)]
    points = []
    for k in range(1, max(sizes, default=0) + 1):
        found = [stats.pass_at_k(len(passed), sum(passed), k) for _, passed in problems]
        # One answer is the vote of one: what the orders estimate, the share of passes says exactly.
        won = found if k == 1 else [rates[k - 1] for rates in voted]
        oracle, vote = (stats.mean_interval(values) for values in (found, won))
        n = len(problems)
        points.append(Point(k, sum(found) / n, oracle, sum(won) / n, vote, n))
    return points
