"""Trains the embedded model from scratch: `python -m forge.nano.pretrain --out DIR`.

Everything it needs is generated: documents by `corpus`, then a tokenizer, then a small Llama trained with
Muon on its matrices and AdamW on the rest. Work is checkpointed: a second call with the same arguments
goes on where the first stopped, or returns the record of a finished run. It does not measure the model.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from forge.nano.corpus import documents
from forge.nano.tokenizer import CONTEXT, END, PAD, START, VOCABULARY, save_tokenizer, train_tokenizer

TOKENS = 20_000_000
SEED = 1
ROW = 256
ROWS_PER_STEP = 16
STEPS_PER_CHUNK = 64
CHECKPOINT_STEPS = 250
MATRIX_RATE = 6e-3
VECTOR_RATE = 3e-3
WARMUP_STEPS = 60
DECAY_FROM = 0.4

Progress = Callable[[dict[str, float]], None]


def pretrain(
    out: Path, *, tokens: int = TOKENS, seed: int = SEED, device: str = "auto", progress: Progress | None = None
) -> dict[str, Any]:
    """Train the model on `tokens` tokens and write weights, configuration, tokenizer and a record to `out`.

    `progress` gets `step`, `steps`, `loss` and `tokens_per_second` now and then. Returns the record, which
    is also written as `training.json`. Tokens are counted as trained on, packed rows of 256 each.
    """
    import torch
    from tokenizers import Tokenizer

    started = time.monotonic()
    steps = max(1, tokens // (ROW * ROWS_PER_STEP))
    out.mkdir(parents=True, exist_ok=True)
    if finished := _finished(out, seed, steps):
        return finished
    if not (out / "tokenizer.json").exists():
        save_tokenizer(train_tokenizer(seed), out)
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(seed)
    model = build_model(tokenizer).to(device).train()
    optimizers = _optimizers(model)
    state = _load(out / "checkpoint.pt", model, optimizers, {"seed": seed, "steps": steps})
    step, seconds = int(state.get("step", 0)), float(state.get("seconds", 0.0))
    low_precision = device != "cpu" or bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
    mark, mark_step, recent = time.monotonic(), step, 0.0
    for batch in _batches(tokenizer, seed, step, steps):
        rows = torch.tensor(batch, device=device)
        rate = _rate(step, steps)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * rate
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=low_precision):
            loss = model(input_ids=rows, labels=rows).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        recent = float(loss.detach())
        if progress is not None and (step % 25 == 0 or step == steps):
            speed = (step - mark_step) * ROW * ROWS_PER_STEP / max(1e-9, time.monotonic() - mark)
            progress({"step": step, "steps": steps, "loss": recent, "tokens_per_second": speed})
            mark, mark_step = time.monotonic(), step
        if step % CHECKPOINT_STEPS == 0 or step == steps:
            spent = seconds + time.monotonic() - started
            _save(
                out / "checkpoint.pt", model, optimizers, {"seed": seed, "steps": steps, "step": step, "seconds": spent}
            )
    record = {
        "seed": seed,
        "tokens": steps * ROW * ROWS_PER_STEP,
        "steps": steps,
        "seconds": round(seconds + time.monotonic() - started),
        "final_loss": round(recent, 4),
        "device": device,
        "bfloat16": low_precision,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }
    save_model(model, out)
    (out / "training.json").write_text(json.dumps(record, indent=2) + "\n")
    (out / "checkpoint.pt").unlink(missing_ok=True)
    return record


def _finished(out: Path, seed: int, steps: int) -> dict[str, Any]:
    """The record of the same run if it is already complete; the record is written last."""
    path = out / "training.json"
    record: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return record if (record.get("seed"), record.get("steps")) == (seed, steps) else {}


def build_model(tokenizer: Any) -> Any:
    """The untrained model: 4 layers of width 192, 1.8 million parameters, in float32."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=3,
        num_key_value_heads=1,
        head_dim=64,
        max_position_embeddings=CONTEXT,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True,
        bos_token_id=tokenizer.token_to_id(START),
        eos_token_id=tokenizer.token_to_id(END),
        pad_token_id=tokenizer.token_to_id(PAD),
    )
    return LlamaForCausalLM(config)


def save_model(model: Any, out: Path) -> None:
    """Write float16 weights and a configuration that newer and older loaders both understand."""
    import torch

    model.to(torch.float16).save_pretrained(str(out))
    path = out / "config.json"
    config = json.loads(path.read_text())
    config["dtype"] = config["torch_dtype"] = "float16"
    config["rope_theta"] = config["rope_parameters"]["rope_theta"]
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    generation = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    (out / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    (out / "model.safetensors").chmod(0o644)


def _optimizers(model: Any) -> list[Any]:
    import torch

    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    vectors = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    muon = torch.optim.Muon(matrices, lr=MATRIX_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(vectors, lr=VECTOR_RATE, betas=(0.9, 0.95), weight_decay=0.0)
    for optimizer, rate in ((muon, MATRIX_RATE), (adamw, VECTOR_RATE)):
        for group in optimizer.param_groups:
            group["initial_lr"] = rate
    return [muon, adamw]


def _rate(step: int, steps: int) -> float:
    """The share of the full learning rate: a short warm-up, a plateau, then linear down to a fiftieth."""
    warm = min(1.0, (step + 1) / WARMUP_STEPS)
    left = (steps - step) / max(1.0, steps * (1.0 - DECAY_FROM))
    return warm * max(0.02, min(1.0, left))


def _batches(tokenizer: Any, seed: int, first: int, steps: int) -> Iterator[list[list[int]]]:
    """The token rows of every step from `first` on, the same ones wherever a run was interrupted."""
    for chunk in range(first // STEPS_PER_CHUNK, -(-steps // STEPS_PER_CHUNK)):
        rows = packed_rows(tokenizer, f"{seed}/{chunk}", STEPS_PER_CHUNK * ROWS_PER_STEP)
        for index in range(STEPS_PER_CHUNK):
            if first <= chunk * STEPS_PER_CHUNK + index < steps:
                yield rows[index * ROWS_PER_STEP : (index + 1) * ROWS_PER_STEP]


def packed_rows(tokenizer: Any, seed: str, count: int) -> list[list[int]]:
    """`count` rows of 256 token ids; each begins with a whole document, and the last document of a row is cut."""
    start, end = tokenizer.token_to_id(START), tokenizer.token_to_id(END)
    rows: list[list[int]] = []
    row: list[int] = []
    stream = documents(seed)
    while len(rows) < count:
        group = [next(stream) for _ in range(200)]
        texts = [item.text for document in group for item in document]
        encoded = iter(tokenizer.encode_batch(texts, add_special_tokens=False))
        for document in group:
            for _ in document:
                row += [start, *next(encoded).ids, end]
            if len(row) >= ROW:
                rows.append(row[:ROW])
                row = []
    random.Random(f"forge nano rows {seed}").shuffle(rows)
    return rows[:count]


def _save(path: Path, model: Any, optimizers: list[Any], state: dict[str, Any]) -> None:
    import torch

    parts = {"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers], **state}
    torch.save(parts, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def _load(path: Path, model: Any, optimizers: list[Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Restore a checkpoint of the same run; a checkpoint of another is left alone and overwritten later."""
    import torch

    if not path.exists():
        return {}
    state: dict[str, Any] = torch.load(path, weights_only=True)
    if any(state.get(key) != value for key, value in wanted.items()):
        return {}
    model.load_state_dict(state["model"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return state


def main() -> None:
    """The command line: `--out DIR`, `--tokens N`, `--seed N`, `--device NAME`."""
    parser = argparse.ArgumentParser(prog="python -m forge.nano.pretrain", description="Train the embedded model.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=TOKENS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--device", default="auto")
    chosen = parser.parse_args()

    def show(state: dict[str, float]) -> None:
        print(" ".join(f"{key} {value:.4g}" for key, value in state.items()), flush=True)

    print(json.dumps(pretrain(chosen.out, **{k: v for k, v in vars(chosen).items() if k != "out"}, progress=show)))


if __name__ == "__main__":
    main()
