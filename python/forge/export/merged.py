"""A model and its adapter as one model folder, which every runtime of the model's family can load."""

from __future__ import annotations

import shutil
from pathlib import Path

from forge import models
from forge.errors import GeneratorError

_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".safetensors.index.json", ".bin.index.json")


def write_merged(folder: Path, adapter: Path, out: Path) -> None:
    """Write the model in `folder` with the adapter added to its weights, in the precision the model is stored in.

    Raises:
        GeneratorError: the adapter is not finished.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    if models.read_marker(adapter) is None:
        raise GeneratorError(f"no finished adapter in {adapter}", "run forge train")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    kept = model.dtype
    # Added in float32 and rounded once: a small change would drown in the rounding of each step.
    merged = PeftModel.from_pretrained(model.to(torch.float32), str(adapter)).merge_and_unload()
    out.mkdir(parents=True, exist_ok=True)
    merged.to(kept).save_pretrained(out)
    for path in folder.iterdir():
        if path.is_file() and not path.name.endswith(_WEIGHTS) and not (out / path.name).exists():
            shutil.copyfile(path, out / path.name)
