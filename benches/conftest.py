"""Benches run once as tests, so that they cannot rot; with `--measure` they measure and print ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--measure", action="store_true", help="measure for real and print what came out")


class Contest:
    """Times contestants in turn, round by round, and prints each one's ratio to the first."""

    def __init__(self, measure: bool, capsys: pytest.CaptureFixture[str]) -> None:
        self.measure = measure
        self.capsys = capsys

    def run(self, name: str, contestants: dict[str, Callable[[], object]], rounds: int = 7) -> None:
        """Run every contestant once a round; with `--measure`, print medians and ratios with their spread."""
        times: dict[str, list[float]] = {title: [] for title in contestants}
        for turn in range(rounds + 1 if self.measure else 1):
            for title, work in contestants.items():
                began = time.perf_counter()
                work()
                if turn or not self.measure:
                    times[title].append(time.perf_counter() - began)
        if not self.measure:
            return
        first = next(iter(times))
        with self.capsys.disabled():
            print(f"\n{name}: median of {rounds} interleaved rounds, and ratio to {first} (least to most)")
            for title, found in times.items():
                ratios = sorted(a / b for a, b in zip(found, times[first], strict=True))
                middle = statistics.median(ratios)
                print(
                    f"  {title:<36} {1000 * statistics.median(found):9.1f} ms   "
                    f"{middle:7.2f} x  ({ratios[0]:.2f} to {ratios[-1]:.2f})"
                )


@pytest.fixture
def contest(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Contest:
    """A contest that measures only when asked to."""
    return Contest(bool(request.config.getoption("--measure")), capsys)
