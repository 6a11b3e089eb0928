"""The embedded model's tokenizer: byte-level BPE over the corpus, single digits, Qwen2's split pattern.

Encoding adds `<|start|>` once; `<|end|>` closes every item. There is no chat template. Heavy imports stay
inside the functions.
"""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

from forge.nano.corpus import documents

START, END, PAD = "<|start|>", "<|end|>", "<|pad|>"
VOCABULARY = 1024
CONTEXT = 1024

_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train_tokenizer(seed: int, count: int = 20_000) -> Any:
    """A `tokenizers.Tokenizer` learned from `count` documents of the corpus."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[START, END, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (item.text for document in islice(documents(f"tokenizer {seed}"), count) for item in document)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A", pair=f"{START} $A {START} $B", special_tokens=[(START, tokenizer.token_to_id(START))]
    )
    return tokenizer


def save_tokenizer(tokenizer: Any, out: Path) -> None:
    """Write the tokenizer as transformers reads it (`tokenizer.json`, `tokenizer_config.json`)."""
    from transformers import PreTrainedTokenizerFast

    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=START,
        eos_token=END,
        pad_token=PAD,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    fast.save_pretrained(str(out))
    path = out / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"  # the name that every version of transformers knows
    settings["add_bos_token"] = True  # read by converters that do not look at the post-processor
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
