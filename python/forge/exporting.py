"""The commands that write a model for other runtimes: `forge export gguf`, `ollama` and `merged`.

Nothing counts as exported until it was judged again through the runtime it is for: until then it lies beside
its place as `unproven-` and its name, and stays there where it is found to be worse.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from forge.console import data, progress, talk

_PRECISIONS = ("f32", "bf16", "f16", "q8_0", "q4_k")
_TOKENS = 128


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--problems", default=100, show_default=True, help="How many of its problems; 0 skips all checks."
        ),
        click.option("--benchmark", default="nano/dev", show_default=True, help="What the export is judged by."),
        click.option("--format", "format_name", default="auto", show_default=True, help="How the model is asked."),
        click.option(
            "--adapter", type=click.Path(path_type=Path, exists=True), help="The folder of an adapter to add."
        ),
        click.option("--out", type=click.Path(path_type=Path), required=True),
        click.argument("model"),
    ):
        command = option(command)
    return command


@click.group("export")
def export_group() -> None:
    """Write a model, and its adapter, for other runtimes; each export is judged again there."""


_precision = click.option("--precision", type=click.Choice(_PRECISIONS), default="f16", show_default=True)


@export_group.command("gguf")
@_precision
@_options
def gguf_command(
    model: str, out: Path, adapter: Path | None, format_name: str, benchmark: str, problems: int, precision: str
) -> None:
    """Write MODEL as the GGUF file --out, for llama.cpp and what is built on it."""
    with _unproven(out) as unproven, _source(model, adapter) as folder:
        _check_template(model, format_name)
        _write_gguf(folder, unproven, precision, _name(model))
        _prove(model, adapter, unproven, format_name, benchmark, problems, precision in ("f32", "f16"))
    data.print(str(out), markup=False)


@export_group.command("ollama")
@_precision
@_options
def ollama_command(
    model: str, out: Path, adapter: Path | None, format_name: str, benchmark: str, problems: int, precision: str
) -> None:
    """Write MODEL as the folder --out with a GGUF file and a Modelfile: `ollama create NAME` there."""
    from forge import models
    from forge.export import ollama
    from forge.export.vocabulary import ends

    with _unproven(out) as unproven, _source(model, adapter) as folder:
        _check_template(model, format_name)
        tokenizer = models.load_tokenizer(model)
        stops = [tokenizer.decode([token]) for token in ends(tokenizer, folder)]
        text = ollama.modelfile(tokenizer, "model.gguf", stops)
        unproven.mkdir(parents=True)
        _write_gguf(folder, unproven / "model.gguf", precision, _name(model))
        (unproven / "Modelfile").write_text(text, encoding="utf-8")
        exact = precision in ("f32", "f16")
        _prove(model, adapter, unproven / "model.gguf", format_name, benchmark, problems, exact)
    data.print(str(out), markup=False)


@export_group.command("merged")
@_options
def merged_command(
    model: str, out: Path, adapter: Path | None, format_name: str, benchmark: str, problems: int
) -> None:
    """Write MODEL with its adapter added as the model folder --out, for whatever loads such folders."""
    from forge import models
    from forge.export.merged import write_merged

    if adapter is None:
        raise click.UsageError("merged needs the --adapter to add")
    with _unproven(out) as unproven:
        _check_template(model, format_name)
        write_merged(models.folder(model), adapter, unproven)
        _prove(model, adapter, unproven, format_name, benchmark, problems, False)
    data.print(str(out), markup=False)


@contextmanager
def _unproven(out: Path) -> Iterator[Path]:
    """Where an export waits until it is proven; then it goes to its place, and replaces nothing there."""
    from forge.errors import ConfigError
    from forge.store import writing

    if out.exists():
        raise ConfigError(f"{out} is there already", "remove it, or choose another --out")
    waiting = out.with_name(f"unproven-{out.name}")
    with writing(waiting):
        waiting.parent.mkdir(parents=True, exist_ok=True)
        if waiting.is_dir():
            shutil.rmtree(waiting)
        waiting.unlink(missing_ok=True)
        yield waiting
        os.replace(waiting, out)


@contextmanager
def _source(model: str, adapter: Path | None) -> Iterator[Path]:
    """The folder to write from: the model's own, or one with the adapter added that is gone afterwards."""
    from forge import models
    from forge.export.merged import write_merged

    folder = models.folder(model)
    if adapter is None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="forge-merged-") as place:
        write_merged(folder, adapter, Path(place))
        yield Path(place)


def _write_gguf(folder: Path, out: Path, precision: str, name: str) -> None:
    from forge.export.gguf import write_model
    from forge.export.quantize import write_quantized

    if precision == "q4_k":
        write_quantized(folder, out, precision, name)
    else:
        write_model(folder, out, precision, name)


def _name(model: str) -> str:
    from forge.config import EMBEDDED

    return "forge-nano" if model == EMBEDDED else Path(model).name


def _check_template(model: str, format_name: str) -> None:
    from forge import models
    from forge.export.template import demand_template

    if format_name in ("auto", "chat"):
        tokenizer = models.load_tokenizer(model)
        models.choose_format(format_name, model, tokenizer)
        demand_template(tokenizer, model)


def _prove(
    model: str, adapter: Path | None, export: Path, format_name: str, benchmark: str, problems: int, exact: bool
) -> None:
    """Judge the export through the runtime it is for, and compare it with the model itself."""
    from forge import benchmarks, models, regrade
    from forge.config import resolve
    from forge.domains import DOMAINS
    from forge.generators.llamacpp import LlamaCppGenerator
    from forge.generators.transformers import TransformersGenerator

    if not problems:
        talk.print("not judged: --problems is 0")
        return
    chosen = benchmarks.load(benchmark)[:problems]
    format = models.choose_format(format_name, model, models.load_tokenizer(model))
    runtime = TransformersGenerator if export.is_dir() else LlamaCppGenerator
    with progress() as shown:
        shown.note(f"judging {export} on {len(chosen)} problems of {benchmark}")
        if not export.is_dir():
            texts = [prompt for problem in chosen if isinstance(prompt := format.solve(problem), str)]
            regrade.demand_same_tokens(model, export, texts or [problem.prompt for problem in chosen])
        original = TransformersGenerator(model, str(adapter or ""))
        exported = runtime(str(export))
        try:
            with resolve(DOMAINS, chosen[0].domain, "domain")() as domain:
                result = regrade.regrade(original, exported, chosen, format, domain, _TOKENS)
        finally:
            original.close()
            exported.close()
    for line in result.told():
        talk.print(line, markup=False, soft_wrap=True)
    regrade.demand(result, exact)
