"""The header of a run's folder, `run.toml`: resolved config, versions, and digests of what went in.

A run can be repeated from it, and a resumed run is compared with it: another config, model or benchmark in
the same folder is refused. Other versions of the libraries are allowed, the run keeps those it began with.
"""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Mapping
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

from forge.config import Config, to_toml, to_tree
from forge.errors import ConfigError, DataError
from forge.store import write_whole

SCHEMA = 1
"""Changes with the meaning of any field of any row."""

_LIBRARIES = ("torch", "transformers", "peft", "tokenizers")


def begin(folder: Path, settings: Config, inputs: Mapping[str, str]) -> None:
    """Write the header, or compare this run with the one there.

    Raises:
        ConfigError: the folder holds a run of another config, model or benchmark.
        DataError: its header cannot be read.
    """
    path = folder / "run.toml"
    versions = {name: metadata.version(name) for name in _LIBRARIES}
    tree: dict[str, dict[str, Any]] = {
        "forge": {"schema": SCHEMA, "version": metadata.version("forge"), "begun": date.today().isoformat()},
        "versions": {"python": platform.python_version(), **versions},
        "inputs": dict(inputs),
        **to_tree(settings),
    }
    if not path.is_file():
        write_whole(path, to_toml(tree))
        return
    there = read(folder)
    if there.get("forge", {}).get("schema") != SCHEMA:
        raise ConfigError(f"{folder} was written by another version of forge", "choose another --out")
    for section, keys in tree.items():
        for key, value in keys.items() if section not in ("forge", "versions") else ():
            old = there.get(section, {}).get(key)
            if old != value:
                raise ConfigError(
                    f"{folder} holds a run with {section}.{key} = {old!r}, not {value!r}",
                    "choose another --out, or resume with the same config, model and benchmark",
                )


def read(folder: Path) -> dict[str, Any]:
    """The header of the run in a folder.

    Raises:
        DataError: there is none, or it cannot be read.
    """
    path = folder / "run.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as failure:
        raise DataError(f"cannot read {path}: {failure}", "choose another --out") from failure
