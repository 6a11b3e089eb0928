"""Which engine: the fastest that is installed and suits the model and the device, and why it was taken."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from forge import models
from forge.config import AS_IT_COMES, EngineConfig, resolve
from forge.errors import ConfigError
from forge.export.families import family
from forge.generators import GENERATORS
from forge.generators.vllm import computes_on_cpu

AUTO = "auto"
_QUANTIZED = ("q8_0", "q4_k")


def choose(model: str, device: str = AUTO, engine: EngineConfig = AS_IT_COMES) -> tuple[str, str]:
    """The name of the engine for this model and device, and the reason in a few words.

    Raises:
        ConfigError: there is no such device or model.
    """
    if engine.url:
        return "server", f"engine.url is {engine.url}"
    if model.endswith(".gguf"):
        return "llamacpp", "the model is a GGUF file"
    if engine.precision in _QUANTIZED:
        return "llamacpp", f"engine.precision is {engine.precision}"
    found = models.device(device)
    if found.startswith("cuda"):
        if _installed("vllm") and not computes_on_cpu():
            return "vllm", f"vLLM is installed and the device is {found}"
        return "transformers", f"the device is {found} and vLLM is not installed (pip install 'forge[vllm]')"
    if not (_installed("llama_cpp") and _installed("gguf")):
        return "transformers", f"the device is {found} and llama.cpp is not installed (pip install 'forge[llama]')"
    if why := _not_exported(model):
        return "transformers", why
    return "llamacpp", f"llama.cpp is installed and the device is {found}"


def make(model: str, adapter: str = "", device: str = AUTO, rows: int = 512, engine: EngineConfig = AS_IT_COMES) -> Any:
    """The generator that suits.

    Raises:
        ForgeError: it cannot be made.
    """
    name, _ = choose(model, device, engine)
    return resolve(GENERATORS, name, "generator")(model, adapter=adapter, device=device, rows=rows, engine=engine)


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _not_exported(model: str) -> str:
    """Why llama.cpp cannot have a model; nothing where it can."""
    from transformers import AutoConfig

    place = models.location(model)
    if not Path(place).is_dir():
        return "only a model in a folder is written as GGUF"
    try:
        family(AutoConfig.from_pretrained(place))
    except ConfigError as failure:
        return str(failure)
    return ""
