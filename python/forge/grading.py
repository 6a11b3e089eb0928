"""The commands that grade: `judge` rows, `compare` two files of them, `check` the grader itself."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from forge.console import data, progress, talk

LEVELS = ("full", "no-namespaces", "rlimits-only")


@click.command("judge")
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
@click.option(
    "--fallback", type=click.Choice(["last number"]), default=None, help="In mathematics, what an unstated answer is."
)
@click.option("--wall", default=10.0, show_default=True, metavar="SECONDS", help="Wall time of one program.")
@click.option("--cpu", default=5.0, show_default=True, metavar="SECONDS", help="CPU time of one program.")
@click.option("--memory", default=512, show_default=True, metavar="MIB", help="Memory of one program.")
def judge_command(
    file: str, problems: str | None, benchmark: str | None, extract: bool, out: Path | None, resume: bool,
    workers: int, require: str, allow_shared: bool, modules: tuple[str, ...], fallback: str | None,
    wall: float, cpu: float, memory: int,
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
        asked = list(known.values()) or next(filter(None, map(samples.stated, source.peek())), [])
        options = {"workers": workers, "require": require, "limits": limits, "allow_shared": allow_shared}
        with (
            _domain(asked, modules=modules, fallback=fallback or "", **options) as domain,
            lines.Output(out, resume, known) as output,
        ):
            _judge_rows(source, known, domain, output, extract)


def _domain(problems: list[Any], **options: Any) -> Any:
    """The domain of the first of these problems, with all that they need and the user names."""
    from forge.domains import domain_for

    name = problems[0].domain if problems else "python"
    return domain_for(name, problems, **options)


def _judge_rows(source: Any, known: Any, domain: Any, output: Any, extract: bool) -> None:
    from forge import judge
    from forge.errors import CheckFailed

    began = time.monotonic()
    try:
        with progress() as shown:
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


@click.command("compare")
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


@click.command("check")
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Change a value of CONFIG.")
@click.option("--benchmark", default="nano/dev", show_default=True, help="Whose grader to test.")
@click.option("--problems", default=0, show_default="all", help="How many of its problems to use.")
@click.option("--require", default="full", show_default=True, help="The least isolation that will do.")
def check_command(config: Path | None, overrides: tuple[str, ...], benchmark: str, problems: int, require: str) -> None:
    """Show what this host has and enforces, and judge answers whose verdict is known.

    With CONFIG also load its model, and say from a short probe what the run would take.
    """
    from forge import benchmarks, selftest
    from forge.errors import CheckFailed
    from forge.prompts import FORMATS
    from forge.sandbox import probe

    for wall in probe():
        data.print(f"{'enforced' if wall.enforced else 'MISSING ':<9} {wall.name}: {wall.how}", markup=False)
    chosen = benchmarks.load(benchmark)
    with _domain(chosen, require=require) as domain:
        data.print(f"isolation reached: {domain.box.isolation}")
        result = selftest.run(domain, chosen[: problems or None], 0, FORMATS.values())
    data.print(f"{result.judged} known answers on {benchmark}: {result.kinds}", markup=False)
    if result.misses:
        raise CheckFailed(f"{len(result.misses)} were misjudged: {'; '.join(result.misses[:5])}")
    data.print("all judged right")
    _forecast(config, overrides)


def _forecast(path: Path | None, overrides: tuple[str, ...]) -> None:
    """Print the machine, the engine that suits it and, with a config, what its run would take."""
    import tempfile

    from forge import config, forecast, header, pipeline

    settings, chosen = header.with_engine(config.load(path, overrides), [])
    for line in [*forecast.machine(), chosen or f"generator {settings.model.generator}: as the config says"]:
        data.print(line, markup=False, soft_wrap=True)
    if path is None:
        return
    with (
        tempfile.TemporaryDirectory(prefix="forge-check-") as folder,
        progress() as shown,
        pipeline.opened(settings, Path(folder) / "run", shown) as run,
    ):
        said = forecast.lines(run)
    for line in said:
        data.print(line, markup=False, soft_wrap=True)
