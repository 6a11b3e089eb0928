"""A generator that answers from stored attempts: to judge again, to test, to work without a model.

It holds no model and invents nothing: a prompt that was not recorded is an error.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from forge.config import AS_IT_COMES, EngineConfig
from forge.errors import GeneratorError
from forge.store import read_lines
from forge.types import Completion, Prompt, Sampling


def _key(prompt: Prompt) -> str:
    return json.dumps(prompt if isinstance(prompt, str) else [dict(turn) for turn in prompt], sort_keys=True)


class ReplayGenerator:
    """Answers each prompt with its recorded completions in turn, beginning where the sampling seed says."""

    def __init__(
        self,
        model: str,
        adapter: str = "",
        device: str = "auto",
        rows: int = 512,
        engine: EngineConfig = AS_IT_COMES,
    ) -> None:
        """`model` is a JSONL file of `{"prompt", "completion", "finish"}`; the other arguments play no part.

        Raises:
            GeneratorError: there is nothing to replay in the file.
        """
        self.name = f"replay:{Path(model).name}"
        self._recorded: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for number, row in read_lines(Path(model)):
            if not isinstance(row.get("completion"), str) or "prompt" not in row:
                raise GeneratorError(f"{model}, line {number}: no prompt or completion", "see the replay generator")
            self._recorded[_key(row["prompt"])].append((row["completion"], str(row.get("finish", "stop"))))
        if not self._recorded:
            raise GeneratorError(f"nothing to replay in {model}", "model.name must be a JSONL file of completions")

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[Completion]:
        """One recorded completion for each prompt, in order.

        Raises:
            GeneratorError: a prompt was never recorded.
        """
        turns: Counter[str] = Counter()
        for index, prompt in enumerate(prompts):
            key = _key(prompt)
            answers = self._recorded.get(key)
            if not answers:
                raise GeneratorError(f"no completion is recorded for prompt {index}", "record it, or use a model")
            text, finish = answers[(sampling.seed + turns[key]) % len(answers)]
            turns[key] += 1
            yield Completion(index, text, finish, len(text))

    def use(self, adapter: str) -> None:
        """Nothing: what was recorded stays what it is."""

    def close(self) -> None:
        """Nothing: no model is held."""
