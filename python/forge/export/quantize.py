"""Precisions that llama.cpp itself has to compute: a float16 file is written first, and quantized in its process."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from forge import _core
from forge.errors import ConfigError
from forge.export.gguf import configuration, write_model
from forge.llama.process import Process

_BLOCK = 256


def write_quantized(folder: Path, out: Path, precision: str, name: str = "") -> None:
    """Write the model in `folder` as the GGUF file `out` with blocks of 4 bits (`q4_k`).

    Raises:
        ConfigError: the model's rows cannot be cut into blocks.
        GeneratorError: llama.cpp refuses.
    """
    config = configuration(folder)
    for key in ("hidden_size", "intermediate_size"):
        if getattr(config, key) % _BLOCK:
            raise ConfigError(
                f"{key} is {getattr(config, key)}, which {precision} cannot cut into blocks of {_BLOCK}",
                "choose q8_0 or f16",
            )
    handle, plain = tempfile.mkstemp(prefix=f".{out.name}.", suffix=".f16", dir=out.parent)
    os.close(handle)
    process = Process([])
    try:
        write_model(folder, Path(plain), "f16", name)
        process.ask(do="quantize", source=plain, out=str(out), precision=precision, threads=_core.processors())
    finally:
        process.close()
        Path(plain).unlink(missing_ok=True)
