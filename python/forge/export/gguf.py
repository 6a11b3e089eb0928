"""A model folder as one GGUF file, the format of llama.cpp: settings, vocabulary, chat template, tensors.

Matrices get the precision asked for, vectors stay float32, as llama.cpp's own converter does it; tensors go
from file to file one at a time. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from forge.errors import ConfigError
from forge.export import families
from forge.export.vocabulary import write_vocabulary
from forge.models import load_tokenizer

PRECISIONS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16", "q8_0": "q8_0", "q4_k": "q4_k"}
"""llama.cpp's names of the precisions that an engine may be told."""

_LARGEST_HALF = 65504.0


def library() -> Any:
    """The gguf library.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import gguf
    except ImportError:
        raise ConfigError("the package gguf is not installed", "pip install 'forge[llama]'") from None
    return gguf


def configuration(folder: Path) -> Any:
    """The transformers config of a model folder."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder).get_text_config()


def stored(folder: Path) -> str:
    """The precision in which a model folder is stored, by llama.cpp's name."""
    dtype = str(getattr(configuration(folder), "dtype", None) or "float32").removeprefix("torch.")
    return PRECISIONS.get(dtype, "f32")


def write_model(folder: Path, out: Path, precision: str, name: str = "") -> None:
    """Write the model in `folder`, and its tokenizer, as the GGUF file `out`; `precision` is f32, bf16, f16 or q8_0.

    Raises:
        ConfigError: the model's family or tokenizer is not known, or its weights do not fit the precision.
    """
    gguf = library()
    config = configuration(folder)
    family = families.family(config)
    writer = gguf.GGUFWriter(out, family.architecture)
    writer.add_type("model")
    writer.add_name(name or folder.name)
    _write_settings(gguf, writer, config, precision)
    write_vocabulary(gguf, writer, load_tokenizer(str(folder)), folder, config)
    kinds: dict[str, Any] = {}
    loads: list[Callable[[], Any]] = []
    for tensor, shape, load in _tensors(gguf, folder, config, family):
        kinds[tensor] = kind = _kind(gguf, tensor, shape, precision)
        size = math.prod(shape[:-1]) * shape[-1] // gguf.GGML_QUANT_SIZES[kind][0] * gguf.GGML_QUANT_SIZES[kind][1]
        writer.add_tensor_info(tensor, shape, _numpy_kind(kind), size, raw_dtype=kind)
        loads.append(load)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for (tensor, kind), load in zip(kinds.items(), loads, strict=True):
            writer.write_tensor_data(_encoded(gguf, tensor, load(), kind))
    finally:
        writer.close()


def _numpy_kind(kind: Any) -> Any:
    import numpy

    return numpy.dtype({"F32": "float32", "F16": "float16"}.get(kind.name, "int8"))


def _kind(gguf: Any, tensor: str, shape: list[int], precision: str) -> Any:
    """How a tensor is stored: vectors in float32, a matrix whose rows cannot be cut into blocks in float16."""
    kinds = gguf.GGMLQuantizationType
    if len(shape) < 2 or tensor.endswith("_norm.weight"):
        return kinds.F32
    kind = kinds[precision.upper()]
    return kind if shape[-1] % gguf.GGML_QUANT_SIZES[kind][0] == 0 else kinds.F16


def _encoded(gguf: Any, tensor: str, weight: Any, kind: Any) -> Any:
    """A tensor's bytes as a numpy array."""
    import torch

    if kind.name == "F16":
        if weight.abs().max() > _LARGEST_HALF:
            raise ConfigError(f"{tensor} holds values that float16 does not", "choose bf16 or f32")
        return weight.to(torch.float16).numpy()
    if kind.name == "BF16":
        return weight.to(torch.bfloat16).view(torch.int8).numpy()
    return gguf.quants.quantize(weight.float().numpy(), kind)


def _write_settings(gguf: Any, writer: Any, config: Any, precision: str) -> None:
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(families.context(config))
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    size = families.head_size(config)
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_rope_dimension_count(size)
    rotations = families.rotations(config)
    full = rotations["full_attention"]
    writer.add_rope_freq_base(float(full.get("rope_theta", 10000.0)))
    if full.get("rope_type") == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(full["factor"]))
    if "sliding_attention" in rotations:
        writer.add_rope_freq_base_swa(float(rotations["sliding_attention"]["rope_theta"]))
    if config.model_type.startswith("gemma") and getattr(config, "sliding_window", None):
        writer.add_sliding_window(config.sliding_window)
    for attribute, write in (
        ("attn_logit_softcapping", writer.add_attn_logit_softcapping),
        ("final_logit_softcapping", writer.add_final_logit_softcapping),
    ):
        if getattr(config, attribute, None):
            write(float(getattr(config, attribute)))
    writer.add_file_type(gguf.LlamaFileType[{"f32": "ALL_F32"}.get(precision, f"MOSTLY_{precision.upper()}")])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _tensors(
    gguf: Any, folder: Path, config: Any, family: families.Family
) -> Iterator[tuple[str, list[int], Callable[[], Any]]]:
    """Each tensor's GGUF name, its shape, and a function that reads it."""
    names = tensor_names(gguf, config, family)
    tied = bool(getattr(config, "tie_word_embeddings", False))
    for name, shape, read in _stored_tensors(folder):
        if name.endswith(".rotary_emb.inv_freq") or (tied and name == "lm_head.weight"):
            continue
        tensor = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if tensor is None:
            raise ConfigError(f"{folder} holds a tensor that llama.cpp has no name for: {name}")
        yield tensor, shape, _changed(config, family, name, read)
    full = families.rotations(config)["full_attention"]
    if full.get("rope_type") == "llama3":
        yield "rope_freqs.weight", [families.head_size(config) // 2], lambda: _stretched(config, full)


def tensor_names(gguf: Any, config: Any, family: families.Family) -> Any:
    """The map from transformers' names of tensors to those of GGUF."""
    architecture = next(kind for kind, name in gguf.MODEL_ARCH_NAMES.items() if name == family.architecture)
    return gguf.get_tensor_name_map(architecture, config.num_hidden_layers)


def _stored_tensors(folder: Path) -> Iterator[tuple[str, list[int], Callable[[], Any]]]:
    from safetensors import safe_open

    index = folder / "model.safetensors.index.json"
    files = {"model.safetensors"}
    if index.is_file():
        files = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    for file in sorted(files):
        if not (folder / file).is_file():
            raise ConfigError(f"{folder} holds no {file}", "save the model with save_pretrained")
        with safe_open(folder / file, framework="pt") as tensors:
            shapes = {name: list(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
        for name, shape in shapes.items():
            yield name, shape, partial(_read, folder / file, name)


def _read(file: Path, name: str) -> Any:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as tensors:
        return tensors.get_tensor(name)


def _changed(config: Any, family: families.Family, name: str, read: Callable[[], Any]) -> Callable[[], Any]:
    heads = families.heads(config, name) if family.interleaved else 0
    shifted = family.offset and re.search(r"norm\.weight$", name)

    def changed() -> Any:
        weight = read()
        if heads:
            weight = families.interleave(weight, heads)
        return (weight.float() + family.offset if shifted else weight).contiguous()

    return changed


def _stretched(config: Any, rotary: dict[str, Any]) -> Any:
    """Llama 3's divisors of the rotary frequencies, [head size / 2]."""
    import torch

    size = families.head_size(config)
    base = float(rotary["rope_theta"])
    waves = 2 * math.pi * base ** (torch.arange(0, size, 2, dtype=torch.float32) / size)
    factor, low, high = (float(rotary[key]) for key in ("factor", "low_freq_factor", "high_freq_factor"))
    old = float(rotary["original_max_position_embeddings"])
    smooth = ((old / waves - low) / (high - low)).clamp(0, 1)
    return 1 / ((1 - smooth) / factor + smooth)
