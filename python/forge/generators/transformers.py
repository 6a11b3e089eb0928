"""Generation with transformers: any causal language model, on CPU, CUDA or MPS, with or without an adapter.

Each distinct prompt is read once and its cache shared by all of its samples; sequences that end leave the
batch at once. Equal prompts, sampling and batch give equal completions on one machine; another batch
composition, device or thread count may change a rounding and with it a token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from forge import models
from forge.config import AS_IT_COMES, EngineConfig
from forge.errors import GeneratorError
from forge.generators import live
from forge.generators.texts import completed, prompt_ids
from forge.types import Completion, Prompt, Sampling

_TAIL = 24
"""Tokens at the end of a sequence in which a stop string is looked for."""


class TransformersGenerator:
    """A model, and on top of it an adapter that is proven to change what the model says."""

    def __init__(
        self,
        model: str,
        adapter: str = "",
        device: str = "auto",
        rows: int = 512,
        engine: EngineConfig = AS_IT_COMES,
    ) -> None:
        """Load `model` (see `models.location`) and the adapter folder, if any; `rows` bounds a batch.

        Raises:
            ConfigError: the model cannot be loaded.
            GeneratorError: the adapter is unfinished, belongs to another model or changes nothing.
        """
        self.device = models.device(device)
        self.rows = min(rows, engine.sequences or rows)
        self._engine = engine
        self.tokenizer = models.load_tokenizer(model)
        self._source = model
        self._base = f"transformers:{Path(model).name}@{models.digest(models.location(model))}"
        self.name = self._base
        self._load()
        if adapter:
            self.use(adapter)

    def _load(self) -> None:
        self._model = models.load_model(self._source, self.device, self._engine.precision, self._engine.threads)
        longest = int(getattr(self._model.config, "max_position_embeddings", 0) or 2**30)
        self._context = min(longest, self._engine.context or longest)
        self.name = self._base

    def use(self, adapter: str) -> None:
        """Answer with this adapter; the weights are read anew where another is merged into them.

        Raises:
            GeneratorError: the adapter is unfinished, belongs to another model or changes nothing.
        """
        if self.name != self._base:
            self._model = None
            self._load()
        if adapter:
            self.name = f"{self._base}+{models.digest(adapter)}"
            self._load_adapter(Path(adapter))

    def close(self) -> None:
        """Let the weights go."""
        self._model = None
        models.give_back()

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[Completion]:
        """Complete every prompt, yielding each completion as it ends.

        Raises:
            GeneratorError: a prompt does not fit the context, or memory runs out.
        """
        import torch

        ids = prompt_ids(self.tokenizer, prompts, self._context)
        source = torch.Generator(device=self.device).manual_seed(sampling.seed % 2**63)
        for start in range(0, len(ids), self.rows):
            try:
                for completion in _Batch(self, ids[start : start + self.rows], sampling, source).run():
                    yield replace(completion, index=start + completion.index)
            except (MemoryError, RuntimeError) as failure:
                if "memory" not in str(failure).lower() and not isinstance(failure, MemoryError):
                    raise
                hint = f"set model.rows below {min(self.rows, len(ids))}"
                raise GeneratorError("too little memory to generate", hint) from failure

    def _load_adapter(self, folder: Path) -> None:
        import torch
        from peft import PeftModel

        probe = live.probe(folder)
        base = self.log_probability(probe.ids, probe.start)
        model = PeftModel.from_pretrained(self._model, str(folder)).eval()
        # In float32 merging is exact to rounding and spares two matrix products a layer; in bfloat16 a
        # small change would be rounded away, so there the adapter stays a branch of its own.
        self._model = model.merge_and_unload() if self._model.dtype == torch.float32 else model
        exact = self._model.dtype == torch.float32
        live.demand(
            folder, probe, base, self.log_probability(probe.ids, probe.start), live.EXACT if exact else live.COARSE
        )

    def log_probability(self, ids: Sequence[int], start: int) -> float:
        """Mean log-probability of the tokens of one sequence from position `start` on, in nats."""
        import torch

        with torch.inference_mode():
            row = torch.tensor([list(ids)], device=self.device)
            steps = self._model(row).logits.float()[0, start - 1 : -1].log_softmax(-1)
        return float(steps.gather(1, row[0, start:, None]).mean())


@dataclass(slots=True)
class _Row:
    """One sequence; `done` once it was yielded, though its place in the batch may be kept for a while."""

    index: int
    prompt: int
    budget: int
    ids: list[int]
    done: bool = False


class _Batch:
    """One batch from first token to last; `rows` are its sequences in the order of the cache."""

    def __init__(self, owner: TransformersGenerator, ids: list[list[int]], sampling: Sampling, source: Any) -> None:
        self.model = owner._model
        self.tokenizer = owner.tokenizer
        self.device = owner.device
        self.sampling = sampling
        self.source = source
        self.unique = [list(key) for key in dict.fromkeys(map(tuple, ids))]
        place = {tuple(key): position for position, key in enumerate(self.unique)}
        room = [min(sampling.max_tokens, owner._context - len(row)) for row in ids]
        self.rows = [_Row(index, place[tuple(row)], room[index], []) for index, row in enumerate(ids)]
        configured = getattr(self.model, "generation_config", None)
        ends = getattr(configured, "eos_token_id", None)
        self.ends = {*(ends if isinstance(ends, list) else [ends]), self.tokenizer.eos_token_id} - {None}

    def run(self) -> Iterator[Completion]:
        import torch

        with torch.inference_mode():
            yield from self._run(torch)

    def _run(self, torch: Any) -> Iterator[Completion]:
        width = max(map(len, self.unique))
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in self.unique], device=self.device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in self.unique], device=self.device)
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        out = self.model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1)
        chosen = torch.tensor([row.prompt for row in self.rows], device=self.device)
        cache = out.past_key_values
        cache.batch_select_indices(chosen)
        logits, mask, lengths = out.logits[chosen, -1], mask[chosen], mask[chosen].sum(1)
        for step in range(max(row.budget for row in self.rows)):
            tokens = self._choose(torch, logits.float())
            yield from self._take(tokens.tolist(), step + 1)
            alive = [place for place, row in enumerate(self.rows) if not row.done]
            if not alive:
                return
            # Repacking copies the whole cache: worth it once an eighth of the batch has ended.
            if 8 * (len(self.rows) - len(alive)) >= len(self.rows):
                kept = torch.tensor(alive, device=self.device)
                cache.batch_select_indices(kept)
                tokens, mask, lengths = tokens[kept], mask[kept], lengths[kept]
                self.rows = [self.rows[place] for place in alive]
            mask = torch.cat([mask, mask.new_ones(len(tokens), 1)], 1)
            out = self.model(
                input_ids=tokens[:, None], attention_mask=mask, position_ids=(lengths + step)[:, None],
                past_key_values=cache, use_cache=True, logits_to_keep=1,
            )  # fmt: skip
            logits = out.logits[:, -1]

    def _choose(self, torch: Any, logits: Any) -> Any:
        """The next token of each row, [rows]."""
        if self.sampling.temperature == 0:
            return logits.argmax(-1)
        probabilities = (logits / self.sampling.temperature).softmax(-1)
        if self.sampling.top_p < 1:
            ordered, order = probabilities.sort(-1, descending=True)
            outside = ordered.cumsum(-1) - ordered >= self.sampling.top_p
            probabilities = probabilities.masked_fill(outside.gather(-1, order.argsort(-1)), 0.0)
        return torch.multinomial(probabilities, 1, generator=self.source)[:, 0]

    def _take(self, tokens: list[int], taken: int) -> Iterator[Completion]:
        """Give each live row its token, the `taken`th, and yield those that end with it."""
        live = [(row, token) for row, token in zip(self.rows, tokens, strict=True) if not row.done]
        for row, token in live:
            if token not in self.ends:
                row.ids.append(token)
        stopped = self._stopped([row for row, _ in live])
        for (row, token), stop in zip(live, stopped, strict=True):
            ended = token in self.ends
            if ended or stop or taken == row.budget:
                row.done = True
                yield Completion(
                    row.index, self._text(row), "stop" if ended or stop else "length", len(row.ids), tuple(row.ids)
                )

    def _stopped(self, rows: list[_Row]) -> list[bool]:
        """Which rows' text has just reached a stop string."""
        if not self.sampling.stops:
            return [False] * len(rows)
        tails = self.tokenizer.batch_decode([row.ids[-_TAIL:] for row in rows], skip_special_tokens=False)
        return [any(stop in tail for stop in self.sampling.stops) for tail in tails]

    def _text(self, row: _Row) -> str:
        """The completion, cut before the first stop string."""
        return completed(self.tokenizer, row.ids, self.sampling.stops)
