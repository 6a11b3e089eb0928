"""The judge by itself: rows of samples in, a verdict for each out, in order, however many there are.

Nothing is held but a bounded window of rows: reading stops while the oldest of them is still running and the
window is full. A row that cannot be judged gets a row that says why, and the rest is judged. What a row may
look like is in `samples`; what a verdict means is the domain's.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from forge import samples, stats
from forge.errors import DataError
from forge.lines import LONGEST, Output, Source
from forge.protocols import SHARED
from forge.samples import Sample
from forge.types import Attempt, Outcome, Problem, Verdict

WINDOW = 4096
"""The most rows between the oldest that is not judged and the newest that was read."""

HELD = 32 << 20
"""The most bytes of input among them, unless a single row has more."""

SHOWN = 100
"""How many faulty rows are talked about; the others are in the output only."""

_NOT_JSON = "not JSON"
_OTHER = "give the same file as before, or choose another --out"

Say = Callable[[str], None]


class Grader(Protocol):
    """A domain that can judge both a completion and a program as it stands."""

    def answer(self, problem: Problem, attempt: Attempt) -> str:
        """The program that a completion states."""
        ...

    def judge_answers(self, items: Iterable[tuple[Problem, Attempt, str]]) -> Iterator[Verdict]:
        """One verdict for each item, in order; items are taken as there is room."""
        ...


def problems_in(name: str) -> dict[str, Problem]:
    """The problems in a JSONL file, plain or gzip, by what rows call them.

    Raises:
        DataError: the file cannot be read, holds none, or a row is not a problem or is there twice.
    """
    found: dict[str, Problem] = {}
    with Source(name) as source:
        for number, line in source:
            try:
                problem = samples.problem(_parsed(line))
            except (ValueError, RecursionError) as failure:
                raise DataError(f"{name}, line {number}: {failure}", "restore the line or remove it") from failure
            if problem.id in found:
                raise DataError(f"problem {problem.id!r} of {name} appears twice")
            found[problem.id] = problem
    if source.failure:
        raise source.failure
    if not found:
        raise DataError(f"{name} holds no problem")
    return found


def run(
    source: Source,
    problems: Mapping[str, Problem],
    grader: Grader,
    isolation: str,
    output: Output,
    say: Say,
    advance: Callable[[int], None],
) -> None:
    """Judge every row of `source` that `output` does not hold yet; `advance` counts them by the handful.

    Raises:
        DataError: the source ended in something unreadable, or `output` belongs to another; what could be
            judged was.
    """
    count = 0
    for sample, verdict in _judged(grader, _samples(source, problems, output, say)):
        output.add(_row(sample, verdict, isolation))
        count += 1
        if count % 64 == 0:
            advance(64)
    advance(count % 64)
    if source.failure:
        raise source.failure


def summary(output: Output, seconds: float, isolation: str) -> str:
    """One paragraph for people: how many rows, how fast, how they ended, and the share that passed."""
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
    return f"{count}{before}, {seconds:.1f} s, {rate}, isolation {isolation}\noutcomes: {ended}\npassed: {share}{left}"


def _judged(grader: Grader, rows: Iterable[tuple[Sample, int]]) -> Iterator[tuple[Sample, Verdict]]:
    """Samples with their verdicts, in order. With a full window the grader is let run dry, then fed again."""
    source = iter(rows)
    held: deque[tuple[Sample, int]] = deque()
    size = 0
    ended = False

    def items() -> Iterator[tuple[Problem, Attempt, str]]:
        nonlocal size, ended
        while len(held) < WINDOW and size < HELD:
            try:
                sample, length = next(source)
            except StopIteration:
                ended = True
                return
            held.append((sample, length))
            size += length
            program = sample.program
            yield (
                sample.problem,
                sample.attempt,
                grader.answer(sample.problem, sample.attempt) if program is None else program,
            )

    while not ended:
        for verdict in grader.judge_answers(items()):
            sample, length = held.popleft()
            size -= length
            yield sample, verdict


def _samples(source: Source, problems: Mapping[str, Problem], output: Output, say: Say) -> Iterator[tuple[Sample, int]]:
    """What the lines after those that were judged before state, each with its bytes."""
    skipped = faults = 0
    for number, line in source:
        if skipped < output.before:
            skipped += 1
            if skipped == output.before:
                _demand_same(line, number, source, output)
            continue
        sample = _sample(line, problems)
        if sample.fault:
            if not line.endswith(b"\n") and sample.fault.startswith(_NOT_JSON):
                say(f"{source.name}, line {number}: torn, so passed over")
                return
            sample = sample._replace(fault=f"line {number}: {sample.fault}")
            faults += 1
            if faults <= SHOWN:
                say(f"{source.name}, {sample.fault}")
            if faults == SHOWN:
                say("what is wrong with further rows is in their `detail` only")
        yield sample, len(line)
    if skipped < output.before and not source.failure:
        raise DataError(f"{output.path} holds {output.before} rows, {source.name} only {skipped}", _OTHER)


def _demand_same(line: bytes, number: int, source: Source, output: Output) -> None:
    """Compare the last row that was written with the line that it should belong to."""
    task = _sample(line, {}).task
    if task != output.task:
        what = f"row {output.before} of {output.path} is on {output.task!r}, line {number} of {source.name} on {task!r}"
        raise DataError(what, _OTHER)


def _sample(line: bytes, problems: Mapping[str, Problem]) -> Sample:
    row = None
    try:
        row = _parsed(line)
        return samples.sample(row, problems)
    except (ValueError, RecursionError) as failure:
        return samples.faulty(str(failure), row)


def _parsed(line: bytes) -> Any:
    if len(line) > LONGEST:
        raise ValueError(f"longer than {LONGEST >> 20} MiB")
    try:
        return json.loads(line)
    except json.JSONDecodeError as failure:
        reason = f"{failure.msg[:1].lower()}{failure.msg[1:]} at character {failure.pos + 1}"
        raise ValueError(f"{_NOT_JSON}: {reason}") from failure
    except ValueError as failure:
        raise ValueError(f"{_NOT_JSON}: {failure}") from failure


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
    if outcome is Outcome.ERROR:
        row["detail"] = sample.fault or verdict.feedback
    return row
