"""Drawing the next token: as often as its probability says, never what top_p leaves out, likeliest when cold."""

from __future__ import annotations

import numpy
import pytest

from forge.llama.sampling import Chooser

SIZES = (3, 256, 1000)
DRAWS = 4000


def frequencies(chooser: Chooser, logits: numpy.ndarray) -> numpy.ndarray:
    """How often each token comes when draws are spread evenly."""
    found = [chooser.choose(logits, (number + 0.5) / DRAWS) for number in range(DRAWS)]
    return numpy.bincount(found, minlength=len(logits)) / DRAWS


def softmax(logits: numpy.ndarray) -> numpy.ndarray:
    weights = numpy.exp(logits.astype(numpy.float64) - logits.max())
    return weights / weights.sum()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_each_token_comes_as_often_as_its_probability_says(size: int, temperature: float) -> None:
    logits = (3 * numpy.random.default_rng(size).standard_normal(size)).astype(numpy.float32)
    found = frequencies(Chooser(temperature, 1.0, size), logits)
    assert abs(found - softmax(logits / temperature)).max() <= 1.5 / DRAWS


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("top_p", [0.1, 0.7, 0.95])
def test_only_the_fewest_tokens_that_reach_top_p_come(size: int, top_p: float) -> None:
    logits = (3 * numpy.random.default_rng(size).standard_normal(size)).astype(numpy.float32)
    whole = softmax(logits)
    order = numpy.argsort(-whole)
    inside = order[: int(numpy.searchsorted(whole[order].cumsum(), top_p)) + 1]
    expected = numpy.zeros(size)
    expected[inside] = whole[inside] / whole[inside].sum()
    found = frequencies(Chooser(1.0, top_p, size), logits)
    assert abs(found - expected).max() <= 1.5 / DRAWS
    assert set(numpy.flatnonzero(found)) <= set(inside)


def test_the_extremes_of_a_draw_give_tokens_that_can_come() -> None:
    logits = numpy.full(700, -1e9, numpy.float32)
    logits[[5, 300, 690]] = 0.0
    chooser = Chooser(1.0, 1.0, 700)
    assert [chooser.choose(logits, draw) for draw in (2.0**-53, 0.5, 1.0)] == [5, 300, 690]
