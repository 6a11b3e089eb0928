"""The judge by itself: rows of samples in, a verdict for each out, in order, however many there are.

Nothing is held but a bounded window of rows: reading stops while the oldest of them is still running and the
window is full. A row that cannot be judged gets a row that says why, and the rest is judged. What a row may
look like is in `samples`; what a verdict means is the domain's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from forge import samples, stats, tally
from forge.errors import DataError
from forge.lines import NOT_JSON, Output, Source, parsed
from forge.protocols import SHARED
from forge.samples import Sample
from forge.types import Attempt, Outcome, Problem, Verdict

WINDOW = 4096
"""The most rows between the oldest that is not judged and the newest that was read."""

HELD = 32 << 20
"""The most bytes of input among them, unless a single row has more."""

SHOWN = 100
"""How many faulty rows are talked about; the others are in the output only."""

_OTHER = "give the same file as before, or choose another --out"

Say = Callable[[str], None]


class Grader(Protocol):
    """A domain that can judge both a completion and a program as it stands."""

    name: str

    def answer(self, problem: Problem, attempt: Attempt) -> str:
        """The program that a completion states."""
        ...

    def judge_answers(self, items: Iterable[tuple[Problem, Attempt, Sequence[str]]]) -> Iterator[Verdict]:
        """One verdict for each item, in order, on its first program that passes, else on its last."""
        ...


def run(
    source: Source,
    problems: Mapping[str, Problem],
    grader: Grader,
    isolation: str,
    output: Output,
    say: Say,
    advance: Callable[[int], None],
    extract: bool = False,
) -> None:
    """Judge every row of `source` that `output` does not hold yet; `advance` counts them by the handful.

    With `extract`, the program is looked for in completions that do not pass as they stand.

    Raises:
        DataError: the source ended in something unreadable, or `output` belongs to another; what could be
            judged was.
    """
    count = fenced = 0
    for sample, verdict in _judged(grader, _samples(source, problems, grader.name, extract, output, say)):
        output.add(_row(sample, verdict, isolation))
        count += 1
        official = sample.programs and not sample.extract
        fenced += bool(official and verdict.outcome is not Outcome.PASS and "```" in sample.attempt.completion)
        if count % 64 == 0:
            advance(64)
    advance(count % 64)
    if fenced:
        many = "1 completion that does not pass" if fenced == 1 else f"{fenced} completions that do not pass"
        say(f"{many} as official graders read it: a fence is in the way; --extract finds the program in it")
    if source.failure:
        raise source.failure


def summary(output: Output, seconds: float, isolation: str, problems: int = 0) -> str:
    """For people: how many rows, how fast, how they ended, the share that passed, and pass@k over `problems`."""
    fresh = output.rows - output.before
    count = f"{output.rows} {'row' if output.rows == 1 else 'rows'}"
    ended = ", ".join(f"{name} {number}" for name, number in output.outcomes.most_common()) or "none"
    passed, errors = output.outcomes[Outcome.PASS], output.outcomes[Outcome.ERROR]
    judged = output.rows - errors
    low, high = stats.wilson(passed, judged)
    before = f", {output.before} of them before" if output.before else ""
    rate = f"{fresh / seconds:.0f}/s" if seconds > 0 else "at once"
    left = f"; {errors} not judged and left out" if errors else ""
    share = f"{100 * passed / judged:.1f} % ({100 * low:.1f} to {100 * high:.1f})" if judged else "unknown"
    lines = [f"{count}{before}, {seconds:.1f} s, {rate}, isolation {isolation}", f"outcomes: {ended}"]
    return "\n".join([*lines, f"passed: {share}{left}", *tally.told(output.counts, problems)])


def _judged(grader: Grader, rows: Iterable[tuple[Sample, int]]) -> Iterator[tuple[Sample, Verdict]]:
    """Samples with their verdicts, in order. With a full window the grader is let run dry, then fed again."""
    source = iter(rows)
    held: deque[tuple[Sample, int]] = deque()
    size = 0
    ended = False

    def items() -> Iterator[tuple[Problem, Attempt, Sequence[str]]]:
        nonlocal size, ended
        while len(held) < WINDOW and size < HELD:
            try:
                sample, length = next(source)
            except StopIteration:
                ended = True
                return
            held.append((sample, length))
            size += length
            programs = sample.programs
            if sample.extract:
                programs += (grader.answer(sample.problem, sample.attempt),)
            yield sample.problem, sample.attempt, programs

    while not ended:
        for verdict in grader.judge_answers(items()):
            sample, length = held.popleft()
            size -= length
            yield sample, verdict


def _samples(
    source: Source, problems: Mapping[str, Problem], domain: str, extract: bool, output: Output, say: Say
) -> Iterator[tuple[Sample, int]]:
    """What the lines after those that were judged before state, each with its bytes."""
    skipped = faults = 0
    for number, line in source:
        for sample in _stated(line, problems, domain, extract):
            if skipped < output.before:
                skipped += 1
                if skipped == output.before:
                    _demand_same(sample, number, source, output)
                continue
            if sample.fault:
                if not line.endswith(b"\n") and sample.fault.startswith(NOT_JSON):
                    say(f"{source.name}, line {number}: torn, so passed over")
                    return
                sample = sample._replace(fault=f"{source.unit} {number}: {sample.fault}")
                faults += 1
                if faults <= SHOWN:
                    say(f"{source.name}, {sample.fault}")
                if faults == SHOWN:
                    say("what is wrong with further rows is in their `detail` only")
            yield sample, len(line)
    if skipped < output.before and not source.failure:
        raise DataError(f"{output.path} holds {output.before} rows, {source.name} only {skipped}", _OTHER)


def _demand_same(sample: Sample, number: int, source: Source, output: Output) -> None:
    """Compare the last row that was written with the sample that it should belong to."""
    if sample.task != output.task:
        what = f"row {output.before} of {output.path} is on {output.task!r}"
        raise DataError(f"{what}, {source.unit} {number} of {source.name} on {sample.task!r}", _OTHER)


def _stated(line: bytes, problems: Mapping[str, Problem], domain: str, extract: bool) -> Iterator[Sample]:
    """The samples of one line, usually one; what is wrong with one is its fault."""
    row = None
    try:
        row = parsed(line)
        rows = list(samples.each(row))
    except (ValueError, RecursionError) as failure:
        yield samples.faulty(str(failure), row)
        return
    for row in rows:
        try:
            found = samples.sample(row, problems, extract)
            if found.problem.domain != domain:
                raise ValueError(f"is of the domain {found.problem.domain}, in a file of {domain}: judge it by itself")
            yield found
        except (ValueError, RecursionError) as failure:
            yield samples.faulty(str(failure), row)


def _row(sample: Sample, verdict: Verdict, isolation: str) -> dict[str, Any]:
    row: dict[str, Any] = {"task_id": sample.task}
    if sample.id is not None:
        row["id"] = sample.id
    outcome = Outcome.ERROR if sample.fault else verdict.outcome
    row |= {
        "passed": outcome is Outcome.PASS,
        "outcome": outcome,
        "feedback": "" if sample.fault else verdict.feedback,
        "tests_passed": verdict.tests_passed,
        "tests_total": verdict.tests_total,
        "isolation": "" if sample.fault else isolation,
        "shared_process": verdict.judge.endswith(SHARED),
    }
    if sample.problem.domain == "math" and not sample.fault:
        row["judge"] = verdict.judge
    if sample.attempt.completion:
        row["read"] = "as given" if sample.programs and verdict.answer == sample.programs[0] else "extracted"
    if outcome is Outcome.ERROR:
        row["detail"] = sample.fault or verdict.feedback
    return row
