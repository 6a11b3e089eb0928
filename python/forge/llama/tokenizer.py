"""The tokenizer inside a GGUF file, with the few methods of transformers' that forge uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from forge.llama.process import Process


class GgufTokenizer:
    """Tokens, texts and the chat template of one file, by llama.cpp's own reckoning."""

    def __init__(self, path: str) -> None:
        """Raises GeneratorError where llama.cpp cannot read the file, and ConfigError where it is not installed."""
        load = {"do": "load", "path": path, "offload": False, "threads": 1, "vocabulary": True}
        self._process = Process([load])
        self._process.start()
        facts = self._process.facts
        self.ends: list[int] = facts["ends"]
        self.eos_token_id: int = facts["end"]
        self.bos_token_id: int = facts["begin"]
        self.bos_token = self.decode([self.bos_token_id]) if self.bos_token_id >= 0 else ""
        self.eos_token = self.decode([self.eos_token_id]) if self.eos_token_id >= 0 else ""
        self.chat_template: str = facts["template"]
        self._begins: bool = facts["begins"]

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        ids = self._process.ask(do="tokenize", texts=[text])[0]
        return {"input_ids": [self.bos_token_id, *ids] if add_special_tokens and self._begins else ids}

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
        """The text of tokens, special ones included."""
        data: str = self._process.ask(do="pieces", ids=list(ids))
        return data.encode("latin-1").decode("utf-8", "replace")

    def apply_chat_template(
        self, turns: Sequence[Any], tokenize: bool = False, add_generation_prompt: bool = True
    ) -> str:
        """The text of an exchange by the file's own template."""
        from jinja2.exceptions import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        def refuse(message: str) -> None:
            raise TemplateError(message)

        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = refuse
        return environment.from_string(self.chat_template).render(
            messages=list(turns), add_generation_prompt=add_generation_prompt,
            bos_token=self.bos_token, eos_token=self.eos_token,
        )  # fmt: skip
