"""The command line: parse, build, call, print. Data goes to stdout, talk to stderr.

Exit codes: 0 done; 1 the result is bad (a check failed); 2 the use was wrong; 3 forge or the host is broken;
130 interrupted (the same command resumes).
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from forge import __version__, exporting, grading
from forge.config import load
from forge.console import data, progress, talk
from forge.errors import ForgeError


def main() -> None:
    """Run the command and leave with its exit code."""
    _quiet()
    try:
        commands(standalone_mode=False)
    except click.ClickException as failure:
        failure.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        talk.print("interrupted; the same command resumes where it stopped")
        sys.exit(130)
    except ForgeError as failure:
        talk.print(f"error: {failure}", markup=False)
        if failure.hint:
            talk.print(f"hint: {failure.hint}", markup=False)
        sys.exit(failure.exit_code)
    except MemoryError:
        talk.print("error: too little memory\nhint: a smaller model.name, or model.rows lower", markup=False)
        sys.exit(3)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(0)
    except Exception as failure:
        talk.print(traceback.format_exc(), markup=False, style="dim")
        talk.print(
            f"error: forge itself failed: {failure!r}\nhint: please report it with the lines above", markup=False
        )
        sys.exit(3)


def _quiet() -> None:
    """Keep the libraries from talking over the progress; forge says itself what matters."""
    warnings.filterwarnings("ignore")
    logging.basicConfig(level=logging.ERROR, format="%(name)s: %(message)s")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # torch's threads spin while they wait; beside a busy sandbox that costs ten times what they compute.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="forge")
def commands() -> None:
    """Make a small language model better at anything that has a test, and prove that it got better."""


def _run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--out", type=click.Path(path_type=Path), help="The run's folder [default: runs/NAME-SEED]."),
        click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Change a config value."),
        click.option("--seed", type=int, help="Change run.seed."),
        click.argument("config", type=click.Path(path_type=Path)),
    ):
        command = option(command)
    return command


@contextmanager
def _opened(
    config: Path, seed: int | None, overrides: tuple[str, ...], out: Path | None, reuse: Path | None = None
) -> Iterator[Any]:
    from forge import pipeline

    settings = load(config, [*overrides, *([] if seed is None else [f"run.seed={seed}"])])
    folder = out or Path("runs") / f"{settings.run.name}-{settings.run.seed}"
    with progress() as shown, pipeline.opened(settings, folder, shown, reuse) as run:
        yield run


def _stage(name: str, help: str, work: Callable[[Any], str]) -> None:
    """A command for one stage of a run; `work` does it and returns a sentence on the result."""

    @commands.command(name, help=help)
    @_run_options
    def stage(config: Path, seed: int | None, overrides: tuple[str, ...], out: Path | None) -> None:
        with _opened(config, seed, overrides, out) as run:
            said = work(run)
        talk.print(said, markup=False)


@commands.command("run")
@click.option(
    "--reuse", type=click.Path(path_type=Path, exists=True), metavar="FOLDER",
    help="Begin with the attempts of the run in FOLDER, which differs in mine, train and controls only.",
)  # fmt: skip
@_run_options
def run_command(
    config: Path, seed: int | None, overrides: tuple[str, ...], out: Path | None, reuse: Path | None
) -> None:
    """Do everything in CONFIG: measure, propose, attempt, mine, train, control, measure again, report.

    Interrupt it whenever you like: the same command resumes.
    """
    from forge import report, results

    with _opened(config, seed, overrides, out, reuse) as run:
        _announce(run)
        run.everything()
        content = results.finish(run)
    data.print()
    data.print(report.table(content))
    for sentence in content.conclusion:
        data.print(f"- {sentence}", markup=False)
    talk.print(f"report: {run.files.path / 'report.html'}", markup=False)


def _announce(run: Any) -> None:
    from forge import power

    held = len(run.held)
    smallest = power.detectable_gain(held, 0.35)
    below = f"below {100 * smallest:.1f} points " if smallest < 1 else "of any size "
    run.progress.note(
        f"{run.config.model.name} in {run.files.path}, isolation {run.domain.box.isolation}, {held} held-out problems: "
        f"from a base at 35 %, a gain {below}would not be distinguishable"
    )


def _propose(run: Any) -> str:
    run.propose()
    return f"{len(run.files.problems.read())} problems in {run.files.problems.path}"


def _attempt(run: Any) -> str:
    run.attempt()
    return f"{len(run.files.tried.attempts.read())} attempts in {run.files.tried.attempts.path}"


def _rejudge(run: Any) -> str:
    run.judge()
    return f"{len(run.files.tried.verdicts.read())} verdicts in {run.files.tried.verdicts.path}"


def _mine(run: Any) -> str:
    run.mine()
    run.control()
    flaws = ", ".join(f"{count} {name}" for name, count in run.files.record("pairs")["flaws"].items())
    return (
        f"{len(run.files.pairs.read())} pairs in {run.files.pairs.path}; what was wrong with failures: {flaws or '-'}"
    )


def _train(run: Any) -> str:
    trained = [arm for arm in run.every_arm() if run.train(arm)]
    return f"trained: {', '.join(trained)}" if trained else "nothing was mined, so there is nothing to train on"


def _eval(run: Any) -> str:
    run.check_grader()
    run.measure_panel()
    for arm in run.arms():
        run.measure(arm)
    return f"measured: {', '.join(run.arms())}"


def _report(run: Any) -> str:
    from forge import report, results

    data.print(report.table(results.finish(run)))
    return f"report: {run.files.path / 'report.html'}"


_stage("propose", "Let the model of CONFIG invent problems; keep those that can be used.", _propose)
_stage("attempt", "Attempt each problem of the run and judge the attempts.", _attempt)
_stage("rejudge", "Judge what the run owes: attempts without a verdict of this judge.", _rejudge)
_stage("mine", "Make pairs for the adapter and its controls.", _mine)
_stage("train", "Train every arm that has pairs.", _train)
_stage("eval", "Measure the base and every trained arm on the held-out problems.", _eval)
_stage("report", "Score what was measured and write scores.json and report.html.", _report)


@commands.command("sample")
@click.option("--benchmark", metavar="NAME", help="Whose problems to attempt [default: nano/dev].")
@click.option("--problems", metavar="FILE", help="The same, of a file of problems.")
@click.option("--limit", type=click.IntRange(1), help="Only so many of the problems [default: all].")
@click.option("--model", metavar="NAME", help="As model.name in a config [default: embedded].")
@click.option("--adapter", type=click.Path(path_type=Path, exists=True), metavar="FOLDER", help="Trained on the model.")
@click.option("--best-of", type=click.IntRange(1, 4096), default=16, show_default=True, help="Attempts a problem.")
@click.option("--stop-early", is_flag=True, help="Draw no more attempts once the vote on a problem is decided.")
@click.option("--temperature", type=click.FloatRange(0, min_open=True), default=0.8, show_default=True)
@click.option("--max-tokens", type=click.IntRange(1), default=512, show_default=True, help="Of one attempt.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Change another config value.")
@click.option("--out", type=click.Path(path_type=Path), help="The folder [default: runs/sample-BENCHMARK-SEED].")
def sample_command(
    benchmark: str | None, problems: str | None, limit: int | None, model: str | None, adapter: Path | None,
    best_of: int, stop_early: bool, temperature: float, max_tokens: int, seed: int, overrides: tuple[str, ...],
    out: Path | None,
) -> None:  # fmt: skip
    """Attempt each problem several times, and choose among the answers by a vote that sees no tests.

    Prints how often any of k answers passes (the oracle), and how often the one that most of them agree with does.
    docs/sampling.md describes both. Interrupt it whenever you like: the same command resumes.
    """
    from forge import benchmarks, best_of as sampling, pipeline  # noqa: I001

    if problems and benchmark:
        raise click.UsageError("--problems and --benchmark both say where problems come from: give one")
    source = problems or benchmark or "nano/dev"
    domains = sorted({problem.domain for problem in benchmarks.load(source)})
    if len(domains) > 1:
        raise click.UsageError(f"{source} holds problems of {' and '.join(domains)}: give one kind at a time")
    name = "sample-" + "".join(letter if letter.isalnum() else "-" for letter in Path(source).name)
    values = {
        "run.name": name, "run.seed": seed, "model.name": model, "judge.domain": domains[0], "eval.benchmark": source,
        "eval.samples": best_of, "eval.limit": limit, "eval.temperature": temperature, "eval.max_tokens": max_tokens,
    }  # fmt: skip
    chosen = load(
        None, [*(f"{key}={json.dumps(value)}" for key, value in values.items() if value is not None), *overrides]
    )
    with progress() as shown, pipeline.opened(chosen, out or Path("runs") / f"{name}-{seed}", shown) as run:
        lines = sampling.best_of(run, str(adapter or ""), stop_early)
    for line in lines:
        data.print(line, markup=False, soft_wrap=True)


@commands.command("dedup")
@click.argument("file")
@click.option("--text", metavar="FIELD", help="The field that holds code [default: code, source, completion or text].")
@click.option("--key", "keys", metavar="FIELD", multiple=True, help="Merge only rows that agree here; repeatable.")
@click.option(
    "--threshold", type=click.FloatRange(0, 1, min_open=True), help="Least similarity [default: 0.45 by key]."
)
@click.option("--out", type=click.Path(path_type=Path), help="Where rows go [default: standard output].")
@click.option("--all", "every", is_flag=True, help="Write every row, with its cluster, level and similarity.")
def dedup_command(
    file: str, text: str | None, keys: tuple[str, ...], threshold: float | None, out: Path | None, every: bool
) -> None:
    """Keep each row of FILE whose code is new: rows of JSON, gzipped or not, or - for standard input.

    Without --key only code that means the same is merged. docs/dedup.md says what that is.
    """
    from forge import duplicates, lines
    from forge.errors import CheckFailed

    began = time.monotonic()
    try:
        with lines.Source(file) as source, duplicates.opened(out) as output, progress() as shown:
            count = duplicates.run(source, output, text, keys, threshold, every, shown.note)
    except BrokenPipeError:
        sys.exit(0)
    talk.print(duplicates.summary(count, time.monotonic() - began), markup=False)
    if count.faults:
        raise CheckFailed(f"{count.faults} rows could not be read", "the lines above say why; the others were done")


for command in (grading.judge_command, grading.compare_command, grading.check_command, exporting.export_group):
    commands.add_command(command)


@commands.group("nano")
def nano_group() -> None:
    """The embedded base model: train it again, or measure the weights that ship."""


@nano_group.command("pretrain")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for weights and checkpoints.")
@click.option("--seed", default=1, show_default=True, help="That of the weights that ship.")
def pretrain_command(out: Path, seed: int) -> None:
    """Train the embedded model from scratch: corpus, tokenizer, weights. Resumes from its checkpoints."""
    from forge.nano import pretrain

    with progress() as shown:
        advance: list[Callable[[int], None]] = []
        seen = [0]

        def tell(now: dict[str, float]) -> None:
            if not advance:
                advance.append(shown.stage("pretrain", int(now["steps"])))
            advance[0](int(now["step"]) - seen[0])
            seen[0] = int(now["step"])

        record = pretrain.pretrain(out, seed=seed, progress=tell)
    data.print(f"{out}: {record}", markup=False)


@nano_group.command("gate")
@click.option("--benchmark", default="nano/final", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/nano-gate"), show_default=True)
def gate_command(benchmark: str, out: Path) -> None:
    """Measure the shipped weights against the figures that a release must show."""
    from forge import gate, pipeline

    settings = load(
        None, ["run.name=nano-gate", "model.generator=transformers", f"eval.benchmark={benchmark}", "eval.samples=16"]
    )
    with progress() as shown, pipeline.opened(settings, out, shown) as run:
        lines = gate.lines(run)
    for line in lines:
        data.print(f"{'ok    ' if line.held else 'MISSED'} {line.text}", markup=False)
    gate.demand(lines)
