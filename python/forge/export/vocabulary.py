"""A tokenizer's vocabulary in a GGUF file: tokens, kinds, merges or scores, special tokens, chat template.

llama.cpp knows how text is cut before merging only by a name, so the cutting rule is looked up; what has no
name is still written, and an export is refused where llama.cpp then reads a text as other tokens.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from forge.errors import ConfigError

_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
_REST = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
_TEKKEN = (
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|"
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}|"
    " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
)
_CUTS = {
    (("ByteLevel", True),): "gpt-2",
    (("Digits", True), ("ByteLevel", True)): "smollm",
    (("Split", _CONTRACTIONS + _REST), ("ByteLevel", False)): "qwen2",
    (("Split", _CONTRACTIONS + "{1,3}" + _REST), ("ByteLevel", False)): "llama-bpe",
    (("Split", _TEKKEN), ("ByteLevel", False)): "tekken",
}
_NO_MERGE = -1e6


def write_vocabulary(gguf: Any, writer: Any, tokenizer: Any, folder: Path, config: Any) -> None:
    """Write the tokenizer of the model in `folder`, as many tokens as the config has rows.

    Raises:
        ConfigError: llama.cpp has no tokenizer of that kind, or there are more tokens than rows.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    spec = json.loads(backend.to_str()) if backend is not None else {"model": {"type": type(tokenizer).__name__}}
    kind = spec["model"]["type"]
    if kind != "BPE":
        raise ConfigError(f"a tokenizer of type {kind} cannot be written as GGUF", "known: BPE, by bytes or by pieces")
    size = int(config.vocab_size)
    if max(tokenizer.get_vocab().values()) >= size:
        raise ConfigError(f"the tokenizer of {folder} has more tokens than the model's {size} rows")
    if _parts(spec, "ByteLevel"):
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(_CUTS.get(_cut(spec), "default"))
        writer.add_token_merges([" ".join(pair) for pair in _merges(spec)])
    else:
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_scores(_scores(spec, size))
        writer.add_add_space_prefix(tokenizer.tokenize("a")[0].startswith("▁"))
    tokens, kinds = _tokens(gguf, spec, size)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    _write_special(writer, tokenizer, folder)


def ends(tokenizer: Any, folder: Path) -> list[int]:
    """The tokens that end a completion, the tokenizer's own first."""
    from transformers import AutoConfig, GenerationConfig

    try:
        configured: Any = GenerationConfig.from_pretrained(folder).eos_token_id
    except OSError:
        configured = getattr(AutoConfig.from_pretrained(folder), "eos_token_id", None)
    further = configured if isinstance(configured, list) else [configured]
    return [int(token) for token in dict.fromkeys([tokenizer.eos_token_id, *further]) if token is not None]


def _write_special(writer: Any, tokenizer: Any, folder: Path) -> None:
    for token, write in (
        (tokenizer.bos_token_id, writer.add_bos_token_id),
        (tokenizer.pad_token_id, writer.add_pad_token_id),
        (tokenizer.unk_token_id, writer.add_unk_token_id),
    ):
        if token is not None:
            write(token)
    for token, write in zip(
        ends(tokenizer, folder), (writer.add_eos_token_id, writer.add_eot_token_id, writer.add_eom_token_id),
        strict=False,
    ):  # fmt: skip
        write(token)
    ids = tokenizer("a")["input_ids"]
    writer.add_add_bos_token(bool(ids) and ids[0] == tokenizer.bos_token_id)
    writer.add_add_eos_token(bool(ids) and ids[-1] == tokenizer.eos_token_id)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _tokens(gguf: Any, spec: Any, size: int) -> tuple[list[str], list[Any]]:
    """The text and the kind of each token; rows beyond the vocabulary are filled."""
    types = gguf.TokenType
    texts = [f"[PAD{number}]" for number in range(size)]
    kinds = [types.UNUSED] * size
    pieces = not _parts(spec, "ByteLevel")
    for text, number in spec["model"]["vocab"].items():
        byte = pieces and len(text) == 6 and text.startswith("<0x") and text.endswith(">")
        texts[number], kinds[number] = text, types.BYTE if byte else types.NORMAL
        if pieces and text == spec["model"].get("unk_token"):
            kinds[number] = types.UNKNOWN
    for added in spec["added_tokens"]:
        number = added["id"]
        texts[number] = added["content"]
        if kinds[number] is not types.UNKNOWN:
            kinds[number] = types.CONTROL if added["special"] else types.USER_DEFINED
    return texts, kinds


def _merges(spec: Any) -> list[tuple[str, str]]:
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in spec["model"]["merges"]]
    return [(left.replace(" ", "Ġ"), right.replace(" ", "Ġ")) for left, right in pairs]


def _scores(spec: Any, size: int) -> list[float]:
    """How early each token is merged: llama.cpp merges pieces by the score of what comes out."""
    scores = [_NO_MERGE] * size
    vocabulary = spec["model"]["vocab"]
    for rank, merge in enumerate(spec["model"]["merges"]):
        number = vocabulary.get("".join(merge.split(" ") if isinstance(merge, str) else merge))
        if number is not None and scores[number] == _NO_MERGE:
            scores[number] = float(-rank)
    return scores


def _cut(spec: Any) -> tuple[tuple[str, Any], ...]:
    """What the pre-tokenizer does, in the form of the table above."""
    first = spec.get("pre_tokenizer") or {}
    found = []
    for part in first.get("pretokenizers", [first]):
        if part.get("type") == "Split":
            found.append(("Split", part["pattern"].get("Regex")))
        elif part.get("type") == "Digits":
            found.append(("Digits", part["individual_digits"]))
        elif part.get("type") == "ByteLevel":
            found.append(("ByteLevel", part.get("use_regex", True)))
        else:
            found.append((str(part.get("type")), None))
    return tuple(found)


def _parts(spec: Any, kind: str) -> bool:
    """Whether the pre-tokenizer or the decoder has a part of that kind."""
    return f'"type": "{kind}"' in json.dumps([spec.get("pre_tokenizer"), spec.get("decoder")])
