"""The families of models that can be written as GGUF, and how each differs between the two worlds.

A family says how llama.cpp calls its architecture and what its tensors go through on the way there. What
llama.cpp would compute differently is refused here rather than found out later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from forge.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Family:
    """`interleaved`: rotary pairs lie side by side, not in two halves. `offset` is added to each norm's weight."""

    architecture: str
    activation: tuple[str, ...] = ("silu",)
    interleaved: bool = False
    offset: float = 0.0


_GELU = ("gelu_pytorch_tanh", "gelu")

FAMILIES = {
    "llama": Family("llama", interleaved=True),
    "mistral": Family("llama", interleaved=True),
    "qwen2": Family("qwen2"),
    "qwen3": Family("qwen3"),
    "gemma": Family("gemma", _GELU, offset=1.0),
    "gemma2": Family("gemma2", _GELU, offset=1.0),
    "gemma3_text": Family("gemma3", _GELU, offset=1.0),
}
"""By the `model_type` of a transformers config."""

_ROTARY = ("default", "linear", "llama3")


def family(config: Any) -> Family:
    """The family of a transformers config.

    Raises:
        ConfigError: llama.cpp does not know it, or would compute it differently.
    """
    found = FAMILIES.get(config.model_type)
    if found is None:
        raise ConfigError(
            f"a model of type {config.model_type!r} cannot be written as GGUF", f"known: {', '.join(FAMILIES)}"
        )
    if getattr(config, "quantization_config", None):
        raise ConfigError("a quantized model cannot be written as GGUF", "give the model it was quantized from")
    activation = getattr(config, "hidden_activation", None) or getattr(config, "hidden_act", None)
    if activation is not None and activation not in found.activation:
        raise ConfigError(f"llama.cpp computes {found.activation[0]} where this model has {activation!r}")
    for rotary in rotations(config).values():
        if rotary.get("rope_type", "default") not in _ROTARY:
            kind = rotary["rope_type"]
            raise ConfigError(f"rotary positions of type {kind!r} are not supported", f"known: {', '.join(_ROTARY)}")
    return found


def rotations(config: Any) -> dict[str, dict[str, Any]]:
    """The rotary settings by kind of attention; `full_attention` alone where a model has but one kind."""
    found = dict(getattr(config, "rope_parameters", None) or {})
    return found if "full_attention" in found else {"full_attention": found}


def head_size(config: Any) -> int:
    """Numbers in one attention head."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def context(config: Any) -> int:
    """Tokens that a sequence may hold. Where llama.cpp has no window for a model that has one, the window."""
    longest = int(config.max_position_embeddings)
    window = getattr(config, "sliding_window", None)
    return min(longest, window) if window and config.model_type == "mistral" else longest


def interleave(weight: Any, heads: int) -> Any:
    """Rows of a query or key projection, [rows, ...], each head's two halves interleaved."""
    rows = weight.shape[0]
    return weight.reshape(heads, 2, rows // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def heads(config: Any, name: str) -> int:
    """The heads of the projection with that tensor name, 0 where it is neither of queries nor of keys."""
    if ".q_proj." in name:
        return int(config.num_attention_heads)
    return int(config.num_key_value_heads) if ".k_proj." in name else 0
