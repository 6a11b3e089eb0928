"""Prompts to tokens and tokens to completions: one rule for every engine, so that they differ in speed alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from forge import models
from forge.errors import GeneratorError
from forge.prompts import render
from forge.types import Prompt


def prompt_ids(tokenizer: Any, prompts: Sequence[Prompt], context: int) -> list[list[int]]:
    """The tokens of each prompt, of which a sequence holds `context`.

    Raises:
        GeneratorError: a prompt leaves no room for a completion, or has no tokens.
    """
    ids = [models.encode(tokenizer, prompt, render(tokenizer, prompt)) for prompt in prompts]
    for index, row in enumerate(ids):
        if not 0 < len(row) < context:
            raise GeneratorError(f"prompt {index} has {len(row)} tokens; the context holds {context}")
    return ids


def completed(tokenizer: Any, ids: Sequence[int], stops: Sequence[str]) -> str:
    """The text of a completion's tokens, before the first of the stop strings."""
    return cut(str(tokenizer.decode(ids, skip_special_tokens=False)), stops)


def cut(text: str, stops: Sequence[str]) -> str:
    """The text before the first of the stop strings."""
    found = [text.find(stop) for stop in stops]
    return text[: min((place for place in found if place >= 0), default=len(text))]
