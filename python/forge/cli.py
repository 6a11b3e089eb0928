"""The command line: parse, build, call, print. Data goes to stdout, talk to stderr.

Exit codes: 0 done; 1 the result is bad (a check failed); 2 the use was wrong; 3 forge or the host is broken;
130 interrupted (the same command resumes).
"""

from __future__ import annotations

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
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from forge import __version__
from forge.config import load
from forge.errors import ForgeError

LEVELS = ("full", "no-namespaces", "rlimits-only")

talk = Console(stderr=True, highlight=False)
data = Console(highlight=False)


class _Shown:
    """Progress on the terminal: a bar a stage with its rate; a line a stage where there is no terminal."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars

    def stage(self, name: str, total: int | None) -> Callable[[int], None]:
        if not talk.is_terminal:
            talk.print(name if total is None else f"{name}: {total}", markup=False)
            return lambda done: None
        bar = self.bars.add_task(name, total=total)
        return lambda done: self.bars.advance(bar, done)

    def note(self, text: str) -> None:
        talk.print(text, markup=False, soft_wrap=True)


@contextmanager
def _progress() -> Iterator[_Shown]:
    columns = (
        TextColumn("{task.description:<32}"), BarColumn(bar_width=None), MofNCompleteColumn(),
        _Rate("{task.speed}"), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=talk, disable=not talk.is_terminal) as bars:
        yield _Shown(bars)


class _Rate(TextColumn):
    def render(self, task: Any) -> Any:
        from rich.text import Text

        speed = task.finished_speed or task.speed
        return Text(f"{speed:.0f}/s" if speed else "", justify="right")


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
def _opened(config: Path, seed: int | None, overrides: tuple[str, ...], out: Path | None) -> Iterator[Any]:
    from forge import pipeline

    settings = load(config, [*overrides, *([] if seed is None else [f"run.seed={seed}"])])
    folder = out or Path("runs") / f"{settings.run.name}-{settings.run.seed}"
    with _progress() as progress, pipeline.opened(settings, folder, progress) as run:
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
@_run_options
def run_command(config: Path, seed: int | None, overrides: tuple[str, ...], out: Path | None) -> None:
    """Do everything in CONFIG: measure, propose, attempt, mine, train, control, measure again, report.

    Interrupt it whenever you like: the same command resumes.
    """
    from forge import report, results

    with _opened(config, seed, overrides, out) as run:
        _announce(run)
        run.everything()
        content = results.finish(run)
    data.print()
    data.print(report.table(content))
    for sentence in content.conclusion:
        data.print(f"- {sentence}", markup=False)
    talk.print(f"report: {run.files.path / 'report.html'}", markup=False)


def _announce(run: Any) -> None:
    from forge import stats

    held = len(run.held)
    smallest = stats.detectable_gain(held, 0.35)
    run.progress.note(
        f"{run.config.model.name} in {run.files.path}, isolation {run.domain.box.isolation}, {held} held-out problems: "
        f"from a base at 35 %, a gain below {100 * smallest:.1f} points would not be distinguishable"
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
    return f"{len(run.files.pairs.read())} pairs in {run.files.pairs.path}"


def _train(run: Any) -> str:
    trained = [arm for arm in run.every_arm() if run.train(arm)]
    return f"trained: {', '.join(trained)}" if trained else "nothing was mined, so there is nothing to train on"


def _eval(run: Any) -> str:
    run.check_grader()
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


@commands.command("judge")
@click.argument("file")
@click.option("--problems", metavar="FILE", help="Problems that rows name, in forge's or a benchmark's own format.")
@click.option("--benchmark", metavar="NAME", help="The same, of a benchmark that forge knows: humaneval, mbpp...")
@click.option("--extract", is_flag=True, help="Find the program in completions that do not pass as they stand.")
@click.option("--out", type=click.Path(path_type=Path), help="Where verdicts go [default: standard output].")
@click.option("--resume", is_flag=True, help="Go on after the rows that --out holds.")
@click.option("--workers", type=click.IntRange(0), default=0, show_default="one a processor")
@click.option("--require", type=click.Choice(LEVELS), default="full", show_default=True, help="The least isolation.")
@click.option("--allow-shared", is_flag=True, help="Let tests share a process with a program they cannot leave.")
@click.option("--module", "modules", multiple=True, metavar="NAME", help="A library that programs may import, too.")
@click.option("--wall", default=10.0, show_default=True, metavar="SECONDS", help="Wall time of one program.")
@click.option("--cpu", default=5.0, show_default=True, metavar="SECONDS", help="CPU time of one program.")
@click.option("--memory", default=512, show_default=True, metavar="MIB", help="Memory of one program.")
def judge_command(
    file: str, problems: str | None, benchmark: str | None, extract: bool, out: Path | None, resume: bool,
    workers: int, require: str, allow_shared: bool, modules: tuple[str, ...], wall: float, cpu: float, memory: int,
) -> None:  # fmt: skip
    """Judge each program in FILE, rows of JSON, gzipped or not, or - for standard input.

    Writes one row for each, in order. docs/judge.md describes both.
    """
    from forge import lines, samples

    if problems and benchmark:
        raise click.UsageError("--problems and --benchmark both say where problems come from: give one")
    if resume and not out:
        raise click.UsageError("--resume needs the --out to go on with")
    if file.endswith(".toml"):
        raise click.UsageError(f"{file} is a config: forge rejudge judges what its run owes")
    limits = _limits(wall, cpu, memory)
    with lines.Source(file) as source:
        known = _known(problems, benchmark)
        asked = list(known.values()) or samples.stated(source.first())
        with (
            _domain(
                asked, modules, workers=workers, require=require, limits=limits, allow_shared=allow_shared
            ) as domain,
            lines.Output(out, resume, {name: problem.id for name, problem in known.items()}) as output,
        ):
            _judge_rows(source, known, domain, output, extract)


def _domain(problems: list[Any], modules: tuple[str, ...] = (), **options: Any) -> Any:
    """The domain of these problems, with the libraries that they and the user name where these are installed."""
    from forge.config import resolve
    from forge.domains import DOMAINS

    name = problems[0].domain if problems else "python"
    wanted = {*modules, *(module for problem in problems for module in problem.tests.get("modules", ()))}
    if wanted:
        options["modules"] = {"numpy", *wanted}
    return resolve(DOMAINS, name, "domain")(**options)


def _judge_rows(source: Any, known: Any, domain: Any, output: Any, extract: bool) -> None:
    from forge import judge
    from forge.errors import CheckFailed

    began = time.monotonic()
    try:
        with _progress() as shown:
            advance = shown.stage("judge", None) if output.path or not sys.stdout.isatty() else lambda done: None
            judge.run(source, known, domain, domain.box.isolation, output, shown.note, advance, extract)
    except KeyboardInterrupt:
        more = "the same command with --resume goes on" if output.path else "with --out it could go on"
        talk.print(f"interrupted after {output.rows} rows; {more}", markup=False)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    finally:
        count = len({problem.id for problem in known.values()})
        talk.print(
            judge.summary(output, time.monotonic() - began, domain.box.isolation, count), markup=False, soft_wrap=True
        )
    if errors := output.outcomes["error"]:
        raise CheckFailed(f"{errors} of {output.rows} rows could not be judged", "their `detail` says why")


def _limits(wall: float, cpu: float, memory: int) -> Any:
    from forge.sandbox import Limits

    try:
        return Limits(wall=wall, cpu=cpu, memory=memory << 20, output=4 << 20)
    except ValueError as failure:
        raise click.UsageError(str(failure)) from failure


def _known(problems: str | None, benchmark: str | None) -> dict[str, Any]:
    """The problems that rows may name, by their names."""
    from forge import benchmarks

    if problems:
        return benchmarks.named(benchmarks.read(problems))
    return benchmarks.named(benchmarks.load(benchmark, references=False)) if benchmark else {}


@commands.command("compare")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
def compare_command(before: str, after: str) -> None:
    """Compare two files of judged rows on the problems that both have: B minus A, with a paired test."""
    from forge import compare
    from forge.errors import CheckFailed

    def say(text: str) -> None:
        talk.print(text, markup=False, soft_wrap=True)

    judged = [compare.read(name, say) for name in (before, after)]
    for line in compare.told(compare.compare(*judged), *judged):
        data.print(line, markup=False, soft_wrap=True)
    if faults := sum(one.faults for one in judged):
        raise CheckFailed(f"{faults} rows could not be read and were left out", "their lines are above")


@commands.command("check")
@click.option("--benchmark", default="nano/dev", show_default=True, help="Whose grader to test.")
@click.option("--problems", default=0, show_default="all", help="How many of its problems to use.")
@click.option("--require", default="full", show_default=True, help="The least isolation that will do.")
def check_command(benchmark: str, problems: int, require: str) -> None:
    """Show what this host enforces, and judge answers whose verdict is known."""
    from forge import benchmarks, selftest
    from forge.errors import CheckFailed
    from forge.sandbox import probe

    for wall in probe():
        data.print(f"{'enforced' if wall.enforced else 'MISSING ':<9} {wall.name}: {wall.how}", markup=False)
    chosen = benchmarks.load(benchmark)
    with _domain(chosen, require=require) as domain:
        data.print(f"isolation reached: {domain.box.isolation}")
        result = selftest.run(domain, chosen[: problems or None], 0)
    data.print(f"{result.judged} known answers on {benchmark}: {result.kinds}", markup=False)
    if result.misses:
        raise CheckFailed(f"{len(result.misses)} were misjudged: {'; '.join(result.misses[:5])}")
    data.print("all judged right")


@commands.group("nano")
def nano_group() -> None:
    """The embedded base model: train it again, or measure the weights that ship."""


@nano_group.command("pretrain")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for weights and checkpoints.")
@click.option("--seed", default=1, show_default=True, help="That of the weights that ship.")
def pretrain_command(out: Path, seed: int) -> None:
    """Train the embedded model from scratch: corpus, tokenizer, weights. Resumes from its checkpoints."""
    from forge.nano import pretrain

    with _progress() as shown:
        advance: list[Callable[[int], None]] = []
        seen = [0]

        def progress(now: dict[str, float]) -> None:
            if not advance:
                advance.append(shown.stage("pretrain", int(now["steps"])))
            advance[0](int(now["step"]) - seen[0])
            seen[0] = int(now["step"])

        record = pretrain.pretrain(out, seed=seed, progress=progress)
    data.print(f"{out}: {record}", markup=False)


@nano_group.command("gate")
@click.option("--benchmark", default="nano/final", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/nano-gate"), show_default=True)
def gate_command(benchmark: str, out: Path) -> None:
    """Measure the shipped weights against the figures that a release must show."""
    from forge import gate, pipeline

    settings = load(None, ["run.name=nano-gate", f"eval.benchmark={benchmark}", "eval.samples=16"])
    with _progress() as progress, pipeline.opened(settings, out, progress) as run:
        lines = gate.lines(run)
    for line in lines:
        data.print(f"{'ok    ' if line.held else 'MISSED'} {line.text}", markup=False)
    gate.demand(lines)
