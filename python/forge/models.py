"""Finding and loading a causal language model: the embedded one, a local folder, or a hub name.

Both the generator and the trainer load through here, so that they mean the same weights by the same name.
torch and transformers are imported only when something is loaded.
"""

from __future__ import annotations

import gc
import hashlib
import json
from pathlib import Path
from typing import Any

from forge.config import EMBEDDED
from forge.errors import ConfigError, DataError
from forge.nano import weights
from forge.prompts import CHAT, COMPLETION, FORMATS, NANO, Format

MARKER = "forge-adapter.json"
"""Written last into an adapter's folder: an adapter without it is not finished."""

GGUF = ".gguf"
"""How a file ends that llama.cpp runs as it is: it has its own tokenizer, and cannot be trained on."""

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
"""What torch computes in."""

_NANO_START = "<|start|>"
_WHOLE = 2**30
_SMALL = 20_000_000
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model")


def location(name: str) -> str:
    """Where the weights of `name` are: a folder, a GGUF file, or the hub name itself.

    Raises:
        ConfigError: the name looks like a folder that does not exist or holds no model.
    """
    if name == EMBEDDED:
        return str(weights())
    folder = Path(name).expanduser()
    if folder.suffix == GGUF and folder.is_file():
        return str(folder)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ConfigError(f"{folder} holds no config.json", "model.name must be a transformers model folder")
        return str(folder)
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ConfigError(f"no model folder at {name!r}", "check model.name; a hub name has the form owner/name")
    return name


def default_rate(model: Any) -> float:
    """The learning rate that suits a model: small ones need, and stand, ten times more."""
    return 1e-3 if model.num_parameters() < _SMALL else 1e-4


def load_tokenizer(name: str) -> Any:
    """The model's tokenizer, padding on the left, with a padding token.

    Raises:
        ConfigError: there is none, or the model cannot be found.
    """
    from transformers import AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    place = location(name)
    if place.endswith(GGUF):
        from forge.llama.tokenizer import GgufTokenizer

        return GgufTokenizer(place)
    # Without its files transformers would make up an empty tokenizer.
    if Path(place).is_dir() and not any((Path(place) / file).is_file() for file in _TOKENIZER_FILES):
        raise ConfigError(f"{place} holds no tokenizer", f"the folder needs one of {', '.join(_TOKENIZER_FILES)}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(place)
    except Exception as failure:
        raise _not_loaded("tokenizer", name, failure) from failure
    if tokenizer.eos_token_id is None:
        raise ConfigError(f"the tokenizer of {name!r} has no end token", "generation could never stop: set eos_token")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return tokenizer


def load_model(name: str, device: str, precision: str = "auto", threads: int = 0) -> Any:
    """The model in evaluation mode; without a `precision`, float32 on a CPU and bfloat16 on an accelerator.

    Raises:
        ConfigError: it cannot be found, is no causal language model, or torch has no such precision.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    place = location(name)
    if place.endswith(GGUF):
        raise ConfigError(f"{name} can be run by llama.cpp alone", "set model.generator to llamacpp")
    if precision not in PRECISIONS:
        raise ConfigError(f"torch has no engine.precision {precision!r}", f"one of {', '.join(PRECISIONS)}")
    dtype = getattr(torch, precision) if precision != "auto" else torch.float32 if device == "cpu" else torch.bfloat16
    try:
        model = AutoModelForCausalLM.from_pretrained(place, dtype=dtype)
        if threads:
            torch.set_num_threads(threads)
        elif device == "cpu" and model.num_parameters() < _SMALL:
            # Nothing is gained by sharing such small products, and the sandbox has use for the other cores.
            torch.set_num_threads(1)
        return model.to(device).eval()
    except (MemoryError, torch.OutOfMemoryError):
        raise ConfigError(f"too little memory to load {name!r}", "choose a smaller model.name") from None
    except Exception as failure:
        raise _not_loaded("model", name, failure) from failure


def device(wanted: str) -> str:
    """The device to compute on: `auto` takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        ConfigError: the device asked for is not there.
    """
    import torch

    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    if torch.cuda.is_available():
        there.insert(0, "cuda")
    if wanted == "auto":
        return there[0]
    if wanted.split(":")[0] not in there:
        raise ConfigError(f"model.device is {wanted!r}", f"this machine has {', '.join(there)}")
    return wanted


def give_back() -> None:
    """Return the accelerator's memory that torch keeps for later, once nothing holds on to a model."""
    import torch

    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def choose_format(wanted: str, name: str, tokenizer: Any) -> Format:
    """The prompt format: `auto` is the embedded model's own, chat where there is a template, else completion.

    Raises:
        ConfigError: no format has that name.
    """
    if wanted == "auto" and tokenizer is None:
        return COMPLETION
    if wanted != "auto":
        if wanted not in FORMATS:
            raise ConfigError(f"unknown model.format {wanted!r}", f"known: auto, {', '.join(FORMATS)}")
        if wanted == CHAT.name and tokenizer is not None and not tokenizer.chat_template:
            raise ConfigError(f"{name!r} has no chat template", "set model.format to completion or auto")
        return FORMATS[wanted]
    if name == EMBEDDED or tokenizer.bos_token == _NANO_START:
        return NANO
    return CHAT if tokenizer.chat_template else COMPLETION


def formats(tokenizer: Any) -> list[Format]:
    """The prompt formats that a tokenizer allows: raw text always, chat with a template, the embedded model's own."""
    barred = [NANO] if tokenizer.bos_token != _NANO_START else []
    barred += [] if tokenizer.chat_template else [CHAT]
    return [format for format in FORMATS.values() if format not in barred]


def context(name: str) -> int:
    """How many tokens the model takes, prompt and completion together; 0 where its configuration does not say."""
    from transformers import AutoConfig

    if location(name).endswith(GGUF):
        return 0
    try:
        settings = AutoConfig.from_pretrained(location(name)).get_text_config()
    except Exception as failure:
        raise _not_loaded("configuration", name, failure) from failure
    return int(getattr(settings, "max_position_embeddings", 0) or 0)


def encode(tokenizer: Any, prompt: Any, text: str) -> list[int]:
    """Token ids of a rendered prompt: a chat template brings its own special tokens, raw text gets them here."""
    return list(tokenizer(text, add_special_tokens=isinstance(prompt, str))["input_ids"])


def digest(place: str) -> str:
    """A short hash of a model's or adapter's files; the name alone for a model that is on no disk."""
    folder = Path(place)
    hasher = hashlib.blake2b(digest_size=6)
    if folder.is_file():
        _hash_file(hasher, folder)
    elif not folder.is_dir():
        hasher.update(place.encode())
    else:
        for file in sorted(folder.iterdir()):
            if file.suffix in (".json", ".safetensors", ".bin") and file.name != MARKER:
                hasher.update(f"{file.name} {file.stat().st_size}\n".encode())
                _hash_file(hasher, file)
    return hasher.hexdigest()


def _hash_file(hasher: Any, file: Path) -> None:
    with file.open("rb") as stream:
        hasher.update(stream.read(_WHOLE))
        if file.stat().st_size > _WHOLE:
            stream.seek(-(2**20), 2)
            hasher.update(stream.read())


def read_marker(folder: Path) -> dict[str, Any] | None:
    """What the trainer recorded beside a finished adapter; None where training did not finish.

    Raises:
        DataError: the marker is there but cannot be read.
    """
    path = folder / MARKER
    if not path.is_file():
        return None
    try:
        marker: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as failure:
        raise DataError(f"cannot read {path}: {failure}", "remove the folder to train again") from failure
    return marker


def _not_loaded(what: str, name: str, failure: Exception) -> ConfigError:
    first = str(failure).strip().split("\n")[0][:200]
    hint = "check model.name"
    if not Path(location(name)).is_dir():
        hint += "; a hub name needs the network the first time, a local folder never does"
    return ConfigError(f"cannot load the {what} of {name!r}: {first}", hint)


def folder(name: str) -> Path:
    """The folder with the files of a model: its own, or where the hub's copy is kept.

    Raises:
        ConfigError: there is none on this machine.
    """
    from huggingface_hub import snapshot_download

    place = location(name)
    if Path(place).is_dir():
        return Path(place)
    try:
        return Path(snapshot_download(place, local_files_only=True))
    except Exception as failure:
        raise _not_loaded("model", name, failure) from failure
