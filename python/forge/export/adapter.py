"""A trained adapter as a GGUF file that llama.cpp adds to a model while it runs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from forge.errors import ConfigError
from forge.export import families
from forge.export.gguf import configuration, library, tensor_names

_PREFIX = "base_model.model."


def write_adapter(folder: Path, model: Path, out: Path) -> None:
    """Write the adapter in `folder`, which belongs to the model in the folder `model`, as the GGUF file `out`.

    Raises:
        ConfigError: it is no plain LoRA adapter of such a model.
    """
    from safetensors.torch import load_file

    gguf = library()
    config = configuration(model)
    family = families.family(config)
    settings = _settings(folder)
    names = tensor_names(gguf, config, family)
    writer = gguf.GGUFWriter(out, family.architecture)
    writer.add_type("adapter")
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    # llama.cpp divides by the rank; rank-stabilised adapters divide by its root.
    rank = int(settings["r"])
    scale = math.sqrt(rank) if settings.get("use_rslora") else 1.0
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(settings["lora_alpha"]) * scale)
    for name, weight in sorted(load_file(folder / "adapter_model.safetensors").items()):
        module, _, side = name.removeprefix(_PREFIX).removesuffix(".weight").rpartition(".")
        tensor = names.get_name(f"{module}.weight", try_suffixes=(".weight",))
        if side not in ("lora_A", "lora_B") or tensor is None:
            raise ConfigError(f"{folder} holds a tensor that llama.cpp cannot add: {name}", "train linear layers only")
        heads = families.heads(config, f"{module}.") if family.interleaved and side == "lora_B" else 0
        weight = families.interleave(weight, heads) if heads else weight
        writer.add_tensor(f"{tensor}.{side.lower()}", weight.float().contiguous().numpy())
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / "adapter_config.json"
    try:
        settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as failure:
        raise ConfigError(f"cannot read {path}: {failure}", "give a folder that forge train wrote") from failure
    for key, plain in (
        ("use_dora", False),
        ("alpha_pattern", {}),
        ("rank_pattern", {}),
        ("modules_to_save", None),
        ("bias", "none"),
    ):
        if (settings.get(key) or plain) != plain:
            raise ConfigError(f"{folder} has {key} = {settings[key]!r}", "llama.cpp can add plain LoRA only")
    return settings
