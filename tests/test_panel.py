"""The panel of formats: what is elicitation, what is learning, what choosing the best does, and who may be asked."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from forge import benchmarks, panel
from forge.errors import ConfigError
from forge.models import load_tokenizer
from forge.prompts import CHAT, COMPLETION
from forge.report import Panel
from forge.score import Tally
from forge.types import Outcome

N = 120


def tally(passes: int, start: int = 0) -> Tally:
    """`passes` of N problems solved, from `start` on."""
    solved = {(start + i) % N for i in range(passes)}
    return Tally({f"p{i}": (Outcome.PASS if i in solved else Outcome.FAIL,) for i in range(N)})


def parts(adapter: Tally | None = None, **base: Tally) -> Panel | None:
    named = {name.replace("_", "-"): found for name, found in base.items()}
    return panel.parts("completion", named, adapter, split="heldout", model="m", seed=0)


def test_a_gain_is_split_at_the_best_format_of_the_base() -> None:
    found = parts(tally(90), completion=tally(30), few_shot=tally(60), chat=tally(10))
    assert found is not None
    assert (found.own, found.best) == ("completion", "few-shot")
    assert [(s.format, round(s.value, 3)) for s in found.scores] == [
        ("completion", 0.25), ("few-shot", 0.5), ("chat", 0.083),
    ]  # fmt: skip
    elicitation, learning = found.elicitation, found.learning
    assert elicitation is not None
    assert learning is not None
    assert (elicitation.arm, elicitation.format, elicitation.against_format) == ("base", "few-shot", "completion")
    assert (learning.arm, learning.format, learning.against_format) == ("adapter", "completion", "few-shot")
    assert elicitation.value + learning.value == pytest.approx(0.5)
    assert elicitation.low < elicitation.value < elicitation.high
    assert elicitation.p < elicitation.p_holm < 0.001
    text = " ".join(panel.sentences(found, "completion", adapter=True))
    assert "completion 25.0%, few-shot 50.0%, chat 8.3%" in text
    assert "Asked in few-shot the base model is better by +25.0 points (95% interval" in text
    assert 'a fair baseline asks it so (model.format = "few-shot")' in text
    assert "elicitation, +25.0 points, and learning, the adapter minus the base in few-shot: +25.0 points" in text
    assert "chosen on the problems that it is measured on" in text
    assert "elicitation is +25" in text


def test_a_lead_that_chance_explains_changes_no_baseline() -> None:
    text = " ".join(panel.sentences(parts(completion=tally(40), chat=tally(42, 60)), "completion", adapter=False))
    assert "The best, chat, is not distinguishable from the run's own, completion: +1.7 points" in text
    assert "fair baseline" not in text
    assert "learning," not in text


def test_where_no_format_beats_the_run_s_own_all_is_learning() -> None:
    found = parts(tally(50), completion=tally(40), chat=tally(40, 50))
    assert found is not None
    assert found.best == "completion"
    assert found.elicitation is None
    assert found.learning is not None
    assert found.learning.value == pytest.approx(10 / N)
    text = " ".join(panel.sentences(found, "completion", adapter=True))
    assert "None beats the run's own, completion. All of the adapter's gain over it counts as learning." in text


def test_one_format_alone_is_no_panel_and_is_said_to_be_none() -> None:
    assert parts(tally(50), completion=tally(40)) is None
    assert "in one prompt format only, nano" in panel.sentences(None, "nano", adapter=True)[0]
    assert panel.sentences(None, "nano", adapter=False) == []


def test_the_halves_show_what_choosing_alone_gives() -> None:
    """Four formats that are equally good: the best is ahead by chance, and by nothing on fresh problems."""
    ahead, fresh = [], []
    for seed in range(30):
        draws = numpy.random.default_rng(seed).random((4, N)) < 0.4
        base = [Tally({f"p{i}": (Outcome.PASS if x else Outcome.FAIL,) for i, x in enumerate(row)}) for row in draws]
        found = parts(**dict(zip(("completion", "a", "b", "c"), base, strict=True)))
        assert found is not None
        ahead.append(found.elicitation.value if found.elicitation else 0.0)
        fresh.append(found.halves)
    assert numpy.mean(ahead) > 0.04
    assert abs(numpy.mean(fresh)) < 0.02


def test_errors_leave_the_choice_to_the_problems_that_all_formats_have() -> None:
    broken = tally(60)
    outcomes = {**broken.outcomes, **{f"p{i}": (Outcome.ERROR,) for i in range(30, 60)}}
    found = parts(completion=tally(50, 20), chat=Tally(outcomes))
    assert found is not None
    assert found.best == "chat"
    assert found.deltas[0].n == 90


def test_a_model_is_asked_in_what_its_tokenizer_and_its_context_allow(tiny_qwen: Path) -> None:
    tokenizer, problems = load_tokenizer(str(tiny_qwen)), benchmarks.load("nano/dev")[:2]

    def others(*wanted: str, tokens: int = 8) -> tuple[list[str], list[str]]:
        found, left_out = panel.other_formats(wanted, str(tiny_qwen), tokenizer, COMPLETION, problems, tokens)
        return [format.name for format in found], left_out

    assert others("all") == (["few-shot", "chat"], [])
    found, left_out = others("all", tokens=200)
    assert found == ["chat"]
    assert len(left_out) == 1
    assert "few-shot, since a prompt of" in left_out[0]
    assert "do not fit the model's 512 tokens" in left_out[0]
    assert others("chat", "completion") == (["chat"], [])
    assert others("completion") == others() == ([], [])
    assert others("chat", tokens=500)[0] == []
    with pytest.raises(ConfigError, match="does not allow 'nano'"):
        others("nano")
    tokenizer.chat_template = None
    with pytest.raises(ConfigError, match="does not allow 'chat'"):
        others("chat")
    assert panel.other_formats(["all"], "x", None, CHAT, problems, 8) == ([], [])
    embedded = panel.other_formats(["all"], "embedded", load_tokenizer("embedded"), COMPLETION, problems, 128)[0]
    assert [format.name for format in embedded] == ["nano", "few-shot"]
