"""Tiny random models of the families that can be exported, with weights wide enough that no two tokens tie."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

SIZES: dict[str, Any] = {
    "vocab_size": 512, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 128, "max_position_embeddings": 512, "initializer_range": 0.15,
}  # fmt: skip

STRETCHED = {
    "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {"tie_word_embeddings": True}),
    "llama3": ("Llama", {"rope_parameters": STRETCHED, "attention_bias": True, "head_dim": 32}),
    "mistral": ("Mistral", {"sliding_window": None}),
    "qwen2": ("Qwen2", {}),
    "qwen3": ("Qwen3", {"head_dim": 32}),
    "gemma": ("Gemma", {"head_dim": 32}),
    "gemma2": ("Gemma2", {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 32}),
    "gemma3": ("Gemma3Text", {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 32}),
}


def make(family: str, tokenizer: Path, folder: Path) -> Path:
    """A model of that family in `folder`, with the tokenizer of another."""
    import torch
    import transformers

    name, more = FAMILIES[family]
    config = getattr(transformers, f"{name}Config")(**{**SIZES, **more})
    torch.manual_seed(7)
    model = getattr(transformers, f"{name.removesuffix('Text')}ForCausalLM")(config)
    with torch.no_grad():
        for key, weight in model.named_parameters():
            # Norms begin all alike: what is confused or shifted there would not show.
            if key.endswith("norm.weight"):
                weight.add_(0.2 * torch.randn_like(weight))
    model.save_pretrained(folder)
    for path in tokenizer.glob("*token*"):
        shutil.copyfile(path, folder / path.name)
    for path in tokenizer.glob("*.jinja"):
        shutil.copyfile(path, folder / path.name)
    return folder
