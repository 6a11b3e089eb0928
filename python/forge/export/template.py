"""Whether a chat template does what it is for: with a broken one a good model answers nonsense, and nobody notices."""

from __future__ import annotations

from typing import Any

from forge.errors import ConfigError

_SAID = ("What is 7 times 6?", "It is forty-two.", "And 8 times 6?")
_TURNS = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>", "[/INST]", "<|end|>")
"""Tokens that end a turn: what a chat model's vocabulary holds."""


def demand_template(tokenizer: Any, name: str) -> None:
    """Refuse a chat template that raises, renders nothing or drops what was said, and a chat model without one.

    Raises:
        ConfigError: so it is.
    """
    hint = "repair chat_template in tokenizer_config.json or chat_template.jinja; --format says how the model is asked"
    template = tokenizer.chat_template
    if not template:
        there = [token for token in _TURNS if token in tokenizer.get_added_vocab()]
        if there and tokenizer.bos_token != "<|start|>":
            raise ConfigError(
                f"{name} has the token {there[0]} of a chat model, but no chat template",
                "add the template; or say that it is a base model: --format completion",
            )
        return
    turns = [{"role": role, "content": text} for role, text in zip(("user", "assistant", "user"), _SAID, strict=True)]
    try:
        shown = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    except Exception as failure:
        first = str(failure).strip().split("\n")[0][:200]
        raise ConfigError(f"the chat template of {name} fails: {first or type(failure).__name__}", hint) from failure
    if not str(shown).strip():
        raise ConfigError(f"the chat template of {name} renders nothing", hint)
    for turn in turns:
        if turn["content"] not in shown:
            raise ConfigError(f"the chat template of {name} drops what the {turn['role']} says", hint)
    if [str(shown).find(text) for text in _SAID] != sorted(str(shown).find(text) for text in _SAID):
        raise ConfigError(f"the chat template of {name} changes the order of what is said", hint)
