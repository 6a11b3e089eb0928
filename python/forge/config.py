"""One TOML file is one run: frozen dataclasses, unknown keys refused, no code and no inheritance.

`load` reads a file, applies `--set section.key=value` overrides and returns a `Config` in which every
value has been checked. It builds nothing: the pipeline turns a config into generators and trainers.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import math
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forge.errors import ConfigError

EMBEDDED = "embedded"
"""The model name that stands for the base model shipped inside the package."""

ALL = "all"
"""The member of `eval.panel` that stands for every prompt format."""


@dataclass(frozen=True, slots=True)
class RunConfig:
    """`name` is the folder below `runs/`; every random choice derives from `seed`."""

    name: str = "run"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """`name`: `embedded`, a local directory or a hub name. `rows`: prompts that the generator is given at once.

    `generator`: `auto` takes the fastest that is installed and suits the model and the device.
    """

    name: str = EMBEDDED
    generator: str = "auto"
    format: str = "auto"
    device: str = "auto"
    rows: int = 512


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What the engine behind the generator may be told; each reads what concerns it, and 0 or `auto` leaves it alone.

    `precision` of the weights: float32, bfloat16, float16, q8_0 or q4_k. `context`: tokens that a sequence may
    hold. `sequences`: how many are decoded at once. `threads`: CPU threads. `memory`: the share of the
    accelerator's memory that may be taken. `gpus`: over how many one model is split; `replicas`: how many copies
    of it answer. `url`: the server to ask, as `http://host:port/v1`.
    """

    precision: str = "auto"
    context: int = 0
    sequences: int = 0
    threads: int = 0
    memory: float = 0.0
    gpus: int = 1
    replicas: int = 1
    url: str = ""


AS_IT_COMES = EngineConfig()
"""An engine that is told nothing."""


@dataclass(frozen=True, slots=True)
class ProposeConfig:
    """How many problems the model is asked to invent, and how."""

    tries: int = 2400
    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 256


@dataclass(frozen=True, slots=True)
class AttemptConfig:
    """How often each problem is tried."""

    samples: int = 8
    temperature: float = 0.8
    top_p: float = 1.0
    max_tokens: int = 128


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """Sandbox workers (0: one per core), the least isolation accepted, and the limits of one attempt.

    `allow_shared` lets a program whose values cannot be carried between processes be judged in the process
    of its tests, where a pass is less certain; without it such an attempt is `refused`. `fallback`, for mathematics:
    what to take for an answer that is never stated, nothing or the `last number`.
    """

    domain: str = "python"
    workers: int = 0
    require: str = "full"
    wall: float = 10.0
    cpu: float = 5.0
    memory_mb: int = 512
    allow_shared: bool = False
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class MineConfig:
    """Which failing attempts make pairs with a passing one.

    `merge`: `behaviour` keeps one of near-duplicates of one problem that end and behave alike; `text` drops what
    equals an earlier failure of any problem but for case and layout (the published recipe); `none` keeps all.
    `per_problem` and `per_behaviour` are quotas, the second for `behaviour` only. `partner`: the `nearest` passing
    answer in tokens, or the `first`. `order`: problems with the fewest passing attempts come first (`hardest`), or
    as drawn by the seed (`drawn`). `classes`: the flaws of a rejected answer that are wanted. `limit` bounds the
    mined (rejected, chosen) couples. `targets`: repair, plain or both; with `both`, each couple gives two rows.
    """

    per_problem: int = 4
    per_behaviour: int = 2
    merge: str = "behaviour"
    partner: str = "nearest"
    order: str = "hardest"
    classes: tuple[str, ...] = ("logic", "format", "other")
    limit: int = 200
    targets: str = "both"


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """LoRA settings. `rate` 0 takes the model's own: 1e-3 for the embedded one, 1e-4 for others."""

    trainer: str = "lora"
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")
    epochs: int = 2
    rate: float = 0.0
    batch: int = 4
    warmup: float = 0.05
    max_length: int = 1024


@dataclass(frozen=True, slots=True)
class ControlsConfig:
    """Arms trained beside the adapter: controls, and `teacher`, which is none."""

    names: tuple[str, ...] = ("corrupted", "format-only")
    teacher: bool = True


@dataclass(frozen=True, slots=True)
class EvalConfig:
    """The held-out benchmark: greedy once, plus `samples` at `temperature`. `limit` 0 takes all problems.

    `also_held_out`: further benchmarks that nothing trained on may repeat. `panel`: the prompt formats in which the
    base model answers greedily beside the run's own; `all` stands for every one that its tokenizer allows.
    """

    benchmark: str = "nano/dev"
    samples: int = 16
    temperature: float = 0.8
    top_p: float = 1.0
    max_tokens: int = 128
    limit: int = 0
    self_test: int = 20
    also_held_out: tuple[str, ...] = ()
    panel: tuple[str, ...] = (ALL,)


@dataclass(frozen=True, slots=True)
class Config:
    """A whole run."""

    run: RunConfig = field(default_factory=RunConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    propose: ProposeConfig = field(default_factory=ProposeConfig)
    attempt: AttemptConfig = field(default_factory=AttemptConfig)
    judge: JudgeConfig = field(default_factory=JudgeConfig)
    mine: MineConfig = field(default_factory=MineConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    controls: ControlsConfig = field(default_factory=ControlsConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)


def load(path: Path | None, overrides: Iterable[str] = ()) -> Config:
    """The config in a TOML file (defaults alone without one), with `section.key=value` overrides applied.

    Raises:
        ConfigError: the file cannot be read, or a section, key or value is not what it should be.
    """
    tree = _read(path) if path else {}
    for override in overrides:
        _override(tree, override)
    config: Config = _build(Config, tree, "")
    _check(config)
    return config


def to_tree(config: Config) -> dict[str, dict[str, Any]]:
    """The config as nested plain data, as TOML and JSON hold it."""
    tree = dataclasses.asdict(config)
    return {
        section: {key: list(value) if isinstance(value, tuple) else value for key, value in keys.items()}
        for section, keys in tree.items()
    }


def to_toml(tree: Mapping[str, Mapping[str, Any]]) -> str:
    """TOML text of a two-level tree of strings, numbers, booleans and lists of strings."""
    blocks = []
    for section, keys in tree.items():
        lines = [f"[{section}]", *(f"{key} = {_toml_value(value)}" for key, value in keys.items())]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def resolve(names: Mapping[str, str], name: str, kind: str) -> Any:
    """The object behind a name: one of `names`, or a dotted path `package.module:Object` of the user's own.

    Raises:
        ConfigError: nothing answers to that name.
    """
    target = names.get(name, name)
    module, _, attribute = target.partition(":")
    if not attribute:
        raise ConfigError(f"unknown {kind} {name!r}", _nearest(name, names) or f"known: {', '.join(sorted(names))}")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as failure:
        raise ConfigError(f"cannot load {kind} {name!r}: {failure}", "check the dotted path") from failure


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return repr(value)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no config file at {path}", "configs/laptop.toml is a good start") from None
    except (OSError, UnicodeDecodeError) as failure:
        raise ConfigError(f"cannot read config {path}: {failure}") from failure
    except tomllib.TOMLDecodeError as failure:
        raise ConfigError(f"config {path} is not valid TOML: {failure}") from failure


def _override(tree: dict[str, Any], override: str) -> None:
    place, equals, text = override.partition("=")
    section, dot, key = place.strip().partition(".")
    if not (equals and dot and section and key):
        raise ConfigError(f"cannot read override {override!r}", "write --set section.key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    keys = tree.setdefault(section, {})
    if not isinstance(keys, dict):
        raise ConfigError(f"{section!r} is not a section", "write --set section.key=value")
    keys[key] = value


def _build(kind: Any, tree: Any, where: str) -> Any:
    if not isinstance(tree, Mapping):
        raise ConfigError(f"[{where}] should be a section with keys, not {tree!r}")
    hints = typing.get_type_hints(kind)
    for key in tree:
        if key not in hints:
            place = f"[{where}] {key}" if where else f"[{key}]"
            raise ConfigError(f"unknown key {place}", _nearest(key, hints) or f"known: {', '.join(hints)}")
    values = {}
    for key, value in tree.items():
        place = f"{where}.{key}" if where else key
        hint = hints[key]
        values[key] = _build(hint, value, place) if dataclasses.is_dataclass(hint) else _typed(hint, value, place)
    return kind(**values)


def _typed(hint: Any, value: Any, place: str) -> Any:
    if isinstance(typing.get_origin(hint), type) and typing.get_origin(hint) is tuple:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise ConfigError(f"{place} should be a list of strings, not {value!r}")
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, types.UnionType) or not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f"{place} should be {hint.__name__}, not {value!r}")
    return value


def _nearest(key: str, known: Iterable[str]) -> str:
    match = difflib.get_close_matches(key, list(known), n=1, cutoff=0.5)
    return f"did you mean {match[0]!r}?" if match else ""


_CHOICES: dict[tuple[str, str], tuple[str, ...]] = {
    ("mine", "targets"): ("repair", "plain", "both"),
    ("mine", "merge"): ("behaviour", "text", "none"),
    ("mine", "partner"): ("nearest", "first"),
    ("mine", "order"): ("hardest", "drawn"),
    ("judge", "require"): ("full", "no-namespaces", "rlimits-only"),
    ("judge", "fallback"): ("", "last number"),
    ("engine", "precision"): ("auto", "float32", "bfloat16", "float16", "q8_0", "q4_k"),
}
_POSITIVE = {
    ("model", "rows"), ("propose", "tries"), ("propose", "max_tokens"), ("attempt", "samples"),
    ("attempt", "max_tokens"), ("mine", "per_problem"), ("mine", "per_behaviour"), ("mine", "limit"),
    ("train", "rank"), ("train", "alpha"), ("train", "epochs"), ("train", "batch"), ("train", "max_length"),
    ("eval", "samples"), ("eval", "max_tokens"), ("judge", "wall"), ("judge", "cpu"), ("judge", "memory_mb"),
    ("eval", "self_test"), ("engine", "gpus"), ("engine", "replicas"),
}  # fmt: skip
_SHARE = {("train", "dropout"), ("train", "warmup"), ("engine", "memory")}
_FRACTION = {("propose", "top_p"), ("attempt", "top_p"), ("eval", "top_p")}


def _check(config: Config) -> None:
    for section, keys in to_tree(config).items():
        for key, value in keys.items():
            place = (section, key)
            if place in _CHOICES and value not in _CHOICES[place]:
                known = _CHOICES[place]
                raise ConfigError(
                    f"{section}.{key} is {value!r}", f"one of {', '.join(name or '(empty)' for name in known)}"
                )
            if place in _POSITIVE and not value > 0:
                raise ConfigError(f"{section}.{key} is {value!r}, but must be above 0")
            if place in _FRACTION and not 0 < value <= 1:
                raise ConfigError(f"{section}.{key} is {value!r}, but must be above 0 and at most 1")
            if isinstance(value, int | float) and not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{section}.{key} is {value!r}, but must be a number that is not negative")
            if place in _SHARE and not value < 1:
                raise ConfigError(f"{section}.{key} is {value!r}, but must be below 1")
    if not config.run.name or "/" in config.run.name or config.run.name.startswith("."):
        raise ConfigError(f"run.name is {config.run.name!r}", "a plain folder name")
