"""Intervals hold the truth as often as they say, in few rounds of what `scripts/coverage.py` does in many.

The bounds are 95 +- 2 % and three standard errors of the rounds; where they are wider, docs/promises.md says why.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "coverage.py"
ROUNDS = 2_000
SLACK = 3 * math.sqrt(0.95 * 0.05 / ROUNDS)

spec = importlib.util.spec_from_file_location("coverage_script", SCRIPT)
assert spec is not None
assert spec.loader is not None
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)


@pytest.fixture(autouse=True)
def _same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "RANDOM", np.random.default_rng(7))


def share(population: object, problems: int) -> float:
    found, _ = script.coverage(population, problems, ROUNDS)
    return float(found)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.9])
def test_wilsons_interval_holds_a_rate(rate: float) -> None:
    assert abs(share(script.greedy(rate), 164) - 0.95) <= 0.02 + SLACK


@pytest.mark.parametrize("problems", [12, 164])
@pytest.mark.parametrize("shape", [(2, 5, 1), (0.4, 0.8, 4), (0.4, 0.8, 16)])
def test_the_interval_of_pass_at_k_holds_it(shape: tuple[float, float, int], problems: int) -> None:
    assert abs(share(script.sampled(*shape), problems) - 0.95) <= 0.02 + SLACK


@pytest.mark.parametrize("problems", [5, 24])
def test_the_interval_of_a_paired_difference_of_samples_holds_it(problems: int) -> None:
    assert abs(share(script.shifted(0.4, 0.8, 0.2), problems) - 0.95) <= 0.02 + SLACK


@pytest.mark.parametrize(("shares", "problems"), [((0.3, 0.02), 12), ((0.2, 0.1), 24), ((0.1, 0.02), 100)])
def test_the_interval_of_a_paired_difference_of_greedy_answers_holds_it(
    shares: tuple[float, float], problems: int
) -> None:
    assert abs(share(script.changed(*shares), problems) - 0.95) <= 0.02 + SLACK


@pytest.mark.parametrize(("runs", "between"), [(5, 0.01), (5, 0.06), (8, 0.03)])
def test_the_interval_over_runs_and_problems_holds_it(runs: int, between: float) -> None:
    assert abs(share(script.crossed(runs, between), 60) - 0.95) <= 0.03 + SLACK
