"""Supervised LoRA training on the chosen side of each pair, the prompt masked out of the loss.

Defaults are those of TinyForge-Zero's code runs (rank 16, alpha 32, dropout 0.05 on the attention
projections, two epochs, AdamW with linear decay after 5 % warm-up, four pairs a step), except that the
target ends with the end token: a model that is never taught to stop does not. It does not train on the
rejected side and keeps no intermediate state: an interrupted training starts again from its seed.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forge import models
from forge.config import TrainConfig
from forge.errors import TrainerError
from forge.prompts import render
from forge.store import write_whole, writing
from forge.types import Adapter, Pair, content_id, to_row

Progress = Callable[[int, int, float], None]
"""Called after each step with the step, the number of steps and the loss."""


@dataclass(frozen=True, slots=True)
class Row:
    """One training sequence: its tokens, and where the target begins."""

    ids: list[int]
    start: int


class LoraTrainer:
    """Trains a fresh adapter on a model named as in `models.location`."""

    def __init__(self, model: str, config: TrainConfig, device: str = "auto", progress: Progress | None = None) -> None:
        self.model = model
        self.config = config
        self.device = device
        self.progress = progress or (lambda step, steps, loss: None)

    def train(self, pairs: Sequence[Pair], out: Path, seed: int) -> Adapter:
        """Train on the pairs and write the adapter's folder, the marker last.

        Raises:
            TrainerError: there are no pairs, none fits `max_length`, a module is missing, memory runs out
                or the loss is no longer a number.
        """
        import torch

        if not pairs:
            raise TrainerError("there are no pairs to train on", "mine more: more problems, or more samples of each")
        device = models.device(self.device)
        tokenizer = models.load_tokenizer(self.model)
        rows = [row for pair in pairs if (row := self._row(tokenizer, pair)) is not None]
        if not rows:
            longest = self.config.max_length
            raise TrainerError(f"no pair fits train.max_length = {longest} tokens", "raise train.max_length")
        torch.manual_seed(seed)
        model = self._adapted(models.load_model(self.model, device))
        try:
            losses = list(self._steps(torch, model, tokenizer, rows, seed, device))
        except (MemoryError, RuntimeError) as failure:
            if "memory" not in str(failure).lower() and not isinstance(failure, MemoryError):
                raise
            raise TrainerError("too little memory to train", "set train.batch or train.max_length lower") from failure
        return self._save(model, rows, pairs, losses, len(pairs) - len(rows), out, device)

    def _row(self, tokenizer: Any, pair: Pair) -> Row | None:
        prompt = models.encode(tokenizer, pair.prompt, render(tokenizer, pair.prompt))
        target = tokenizer(pair.chosen, add_special_tokens=False)["input_ids"]
        ids = [*prompt, *target, tokenizer.eos_token_id]
        return Row(ids, len(prompt)) if len(ids) <= self.config.max_length else None

    def _adapted(self, model: Any) -> Any:
        from peft import LoraConfig, get_peft_model

        settings = LoraConfig(
            r=self.config.rank, lora_alpha=self.config.alpha, lora_dropout=self.config.dropout, bias="none",
            target_modules=list(self.config.modules), task_type="CAUSAL_LM",
        )  # fmt: skip
        try:
            return get_peft_model(model, settings)
        except ValueError as failure:
            raise TrainerError(
                f"this model has none of train.modules = {', '.join(self.config.modules)}",
                "name the linear layers of its attention",
            ) from failure

    def _steps(
        self, torch: Any, model: Any, tokenizer: Any, rows: list[Row], seed: int, device: str
    ) -> Iterator[float]:
        """Run the schedule, yielding the loss of each step."""
        order = random.Random(seed)
        batch, epochs = self.config.batch, self.config.epochs
        steps = epochs * math.ceil(len(rows) / batch)
        warm = max(1, round(self.config.warmup * steps))
        rate = self.config.rate or models.default_rate(model)
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm)))
        )
        model.train()
        step = 0
        for _ in range(epochs):
            shuffled = order.sample(rows, len(rows))
            for start in range(0, len(rows), batch):
                ids, mask, labels = _tensors(torch, shuffled[start : start + batch], tokenizer.pad_token_id, device)
                loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
                value = float(loss.detach())
                if not math.isfinite(value):
                    raise TrainerError(f"the loss is {value} at step {step + 1}", "set train.rate lower")
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
                step += 1
                self.progress(step, steps, value)
                yield value

    def _save(
        self, model: Any, rows: list[Row], pairs: Sequence[Pair], losses: list[float], skipped: int, out: Path,
        device: str,
    ) -> Adapter:  # fmt: skip
        import torch

        pairs_digest = content_id([to_row(pair) for pair in pairs])
        model.eval()
        probe = torch.tensor([rows[0].ids], device=device)
        with torch.inference_mode():
            logits = model(probe).logits.float()
        steps = logits[0, rows[0].start - 1 : -1].log_softmax(-1)
        logprob = float(steps.gather(1, probe[0, rows[0].start :, None]).mean())
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
            (out / models.MARKER).unlink(missing_ok=True)
            model.save_pretrained(str(out))
            _settle_order(out / "adapter_config.json")
        adapter = Adapter(str(out), self.model, models.digest(str(out)), pairs_digest)
        marker = {
            "model": self.model,
            "digest": adapter.digest,
            "pairs_digest": pairs_digest,
            "pairs": len(pairs),
            "too_long": skipped,
            "losses": [round(loss, 5) for loss in losses],
            "probe": {"ids": rows[0].ids, "start": rows[0].start, "logprob": logprob},
        }
        write_whole(out / models.MARKER, json.dumps(marker) + "\n")
        return adapter


def _settle_order(path: Path) -> None:
    """Sort what peft writes in the order of a set, which differs from process to process."""
    settings = json.loads(path.read_text(encoding="utf-8"))
    for key, value in settings.items():
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            settings[key] = sorted(value)
    write_whole(path, json.dumps(settings, indent=2, sort_keys=True) + "\n")


def _tensors(torch: Any, rows: list[Row], pad: int, device: str) -> tuple[Any, Any, Any]:
    """Token ids, attention mask and labels of a batch, each [rows, longest]; -100 masks prompt and padding."""
    width = max(len(row.ids) for row in rows)
    ids = [row.ids + [pad] * (width - len(row.ids)) for row in rows]
    mask = [[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in rows]
    labels = [
        [-100] * row.start + row.ids[row.start :] + [-100] * (width - len(row.ids)) for row in rows
    ]  # fmt: skip
    return tuple(torch.tensor(values, device=device) for values in (ids, mask, labels))
