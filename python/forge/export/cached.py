"""Exports kept for use: each model, precision and adapter is written once into the user's cache folder.

A file's name holds the digest of what it was made from, so nothing there is ever out of date; the folder may
be removed at any time.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from forge import models
from forge.export.adapter import write_adapter
from forge.export.gguf import write_model
from forge.export.quantize import write_quantized
from forge.store import writing

_FORMAT = 1
"""Changes when forge writes the same model in another way."""


def folder() -> Path:
    """Where exports are kept: `forge` below XDG_CACHE_HOME, or below ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "forge" / "gguf"


def model(place: Path, precision: str) -> Path:
    """The model folder `place` as a GGUF file; `precision` is f32, bf16, f16, q8_0 or q4_k.

    Raises:
        ConfigError: it cannot be written as GGUF.
    """
    name = f"{place.name}-{models.digest(str(place))}-{precision}-{_FORMAT}.gguf"
    write = write_quantized if precision == "q4_k" else write_model
    return made(name, lambda out: write(place, out, precision))


def adapter(place: Path, model: Path) -> Path:
    """The adapter in `place`, which belongs to the model folder `model`, as a GGUF file.

    Raises:
        ConfigError: it cannot be written as GGUF.
    """
    name = f"adapter-{models.digest(str(place))}-{models.digest(str(model))}-{_FORMAT}.gguf"
    return made(name, lambda out: write_adapter(place, model, out))


def made(name: str, write: Callable[[Path], None]) -> Path:
    """The file of that name, written whole or not at all where it is not there yet."""
    target = folder() / name
    if target.is_file():
        return target
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(prefix=f".{name}.", dir=target.parent)
        os.close(handle)
        try:
            write(Path(unfinished))
            os.replace(unfinished, target)
        finally:
            Path(unfinished).unlink(missing_ok=True)
    return target
