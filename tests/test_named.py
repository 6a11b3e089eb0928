"""What a config names and forge does not have is refused with what there is."""

from __future__ import annotations

import pytest

from forge.config import load
from forge.errors import ConfigError
from forge.named import demand_names


def test_the_defaults_name_only_what_there_is() -> None:
    demand_names(load(None, []))


@pytest.mark.parametrize(
    ("change", "told", "known"),
    [
        ('model.generator="trnsformers"', "unknown generator 'trnsformers'", "transformers"),
        ('train.trainer="lara"', "unknown trainer 'lara'", "lora"),
        ('model.format="few shot"', "unknown model.format 'few shot'", "auto, nano, completion, few-shot, chat"),
        ('eval.panel=["chat", "poem"]', "unknown format 'poem' in eval.panel", "all, nano, completion, few-shot, chat"),
        ('mine.classes=["typo"]', "unknown flaw 'typo' in mine.classes", "known: "),
        ('controls.names=["none"]', "unknown control 'none'", "format-only"),
    ],
)
def test_what_there_is_not_is_refused_with_what_there_is(change: str, told: str, known: str) -> None:
    with pytest.raises(ConfigError) as refused:
        demand_names(load(None, [change]))
    assert told in str(refused.value)
    assert known in refused.value.hint
