"""Python functions judged by asserts: what a completion states, whether it is right, and what went wrong.

A problem's prompt is a stub or says in words what is asked; its tests are

    {"entry_point": "add", "setup": "", "asserts": ["assert add(1, 2) == 3"]}

or one of the other forms in `payload`. `setup` is code that the tests need. Everything a model wrote, tests
included, runs in the sandbox only; outside it, model text is cut into pieces by its characters and never parsed.
"""

from __future__ import annotations

import hashlib
import marshal
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from itertools import count
from typing import Any

from forge import extract, feedback
from forge.domains import flaws, jobs, known_programs, libraries, overlap
from forge.domains.behaviours import Behaviours
from forge.domains.jobs import Jobs, Unready
from forge.protocols import SHARED, UNJUDGED, Known
from forge.sandbox import Execution, Job, Limits, Sandbox
from forge.types import Attempt, Flaw, Outcome, Problem, Verdict, content_id

VERSION = "2"
"""Changes whenever a verdict could: old verdicts are then owed again."""

_PLACE = re.compile(r" \(<\w+>, line \d+\)$")
_REMEMBERED = 8_192
"""Executions kept, so that one of many equal answers is executed: samples of a small model repeat themselves."""

_LIMITS = Limits(output=4 << 20)
"""Those of `Sandbox`, but for programs that talk: official graders let them."""

_STUBS = ("None", "0", "[]", "{first}")


@dataclass(slots=True)
class _Waiting:
    """An item whose verdict is owed: the program being tried, those after it, and what is known in the end."""

    problem: Problem
    attempt: Attempt
    answer: str
    others: list[str]
    execution: Execution | None = None
    source: str = ""
    """What runs in place of the answer, where that is not the answer itself."""
    copies: list[str] = field(default_factory=list)
    """Further sources that must pass for the answer to pass."""


class PythonDomain:
    """Judges Python functions; holds a sandbox, so close it or use it in a `with` block."""

    name = "python"
    invents = True

    def __init__(
        self,
        workers: int = 0,
        require: str = "full",
        limits: Limits | None = None,
        allow_shared: bool = False,
        modules: Iterable[str] = ("numpy",),
    ) -> None:
        """Open the sandbox.

        Args:
            workers: as in `Sandbox`; 0 for one a processor.
            require: the least isolation to accept.
            limits: of one program.
            allow_shared: whether any program may share a process with tests that cannot be kept apart from it;
                else only those of problems that say so (`beside`).
            modules: libraries that programs may import where they are installed, with what these need.

        Raises:
            SandboxError: this host gives less isolation than `require`.
        """
        self.modules = libraries.installed(modules)
        self.allow_shared = allow_shared
        self.box = Sandbox(
            workers=workers or None, limits=limits or _LIMITS, require=require, modules=sorted(self.modules)
        )
        self._jobs = Jobs(self.box)
        self._known: dict[bytes, Execution] = {}
        self._behaviours = Behaviours(self.box, self._inputs)
        self.version = f"python-{VERSION}+{self.box.version}+{self.box.isolation}"

    def __enter__(self) -> PythonDomain:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the sandbox's processes."""
        self.box.close()

    def judge(self, items: Iterable[tuple[Problem, Attempt]]) -> Iterator[Verdict]:
        """One verdict for each item, in order."""
        return self.judge_answers((problem, attempt, [self.answer(problem, attempt)]) for problem, attempt in items)

    def judge_answers(self, items: Iterable[tuple[Problem, Attempt, Sequence[str]]]) -> Iterator[Verdict]:
        """One verdict for each item, in order: on the first of its programs that passes, else on the last.

        Items are taken as the sandbox has room. A verdict waits for those of all items before it, however many
        come behind. A program that was executed lately, by this call or another, is not executed again.
        """
        waiting: deque[_Waiting] = deque()
        again: deque[_Waiting] = deque()
        submitted: dict[int, tuple[_Waiting, bytes]] = {}
        source = iter(items)

        def jobs() -> Iterator[Job]:
            submitted.clear()
            positions = count()
            while True:
                if again:
                    item = again.popleft()
                elif (found := next(source, None)) is not None:
                    item = _Waiting(*found[:2], found[2][0], [text for text in found[2][1:] if text != found[2][0]])
                    waiting.append(item)
                else:
                    return
                if (job := self._started(item)) is not None:
                    submitted[next(positions)] = item, _key(*job)
                    yield job[0]

        while True:
            for execution in self.box.run(jobs()):
                item, key = submitted.pop(execution.index)
                self._remember(key, execution)
                self._settle(item, execution)
                if item.execution is None:
                    again.append(item)
                while waiting and waiting[0].execution is not None:
                    yield self._verdict(waiting.popleft())
            if not again:
                break
        for item in waiting:
            yield self._verdict(item)

    def _started(self, item: _Waiting) -> tuple[Job, int] | None:
        """The job that is to be run for an item; None if its execution is known without."""
        while item.execution is None:
            reason = jobs.missing(item.problem, self.modules)
            try:
                job = self._jobs.job(item.problem, item.source or item.answer)
            except Unready as failure:
                reason = reason or str(failure)
            if reason:
                item.execution = Execution(0, Outcome.ERROR, detail=reason)
                break
            known = self._known.get(_key(*job))
            if known is None:
                return job
            self._settle(item, known)
        return None

    def _settle(self, item: _Waiting, execution: Execution) -> None:
        """Take an execution as the item's, or go on to its next source or its next program."""
        allowed = self._allowed(item.problem, execution)
        name = _entry(item.problem)
        if allowed.outcome is Outcome.REFUSED and execution.outcome is Outcome.PASS and name and not item.source:
            item.source, *item.copies = (jobs.carried(item.answer, name, kind) for kind in ("list", "tuple"))
        elif allowed.outcome is Outcome.PASS and item.copies:
            item.source = item.copies.pop(0)
        elif allowed.outcome in (Outcome.PASS, Outcome.ERROR) or not item.others:
            # What a changed program does wrong is not the answer's fault.
            unknown = item.source and allowed.outcome not in (Outcome.PASS, Outcome.ERROR)
            item.execution = replace(allowed, outcome=Outcome.REFUSED) if unknown else allowed
        else:
            item.answer, item.source, item.copies = item.others.pop(0), "", []

    def _remember(self, key: bytes, execution: Execution) -> None:
        if execution.outcome is Outcome.ERROR:
            return
        if execution.stdout or execution.stderr or len(execution.failures) > 1:
            execution = replace(execution, stdout="", stderr="", failures=execution.failures[:1])
        self._known[key] = execution
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]

    def answer(self, problem: Problem, attempt: Attempt) -> str:
        """The program that a completion states; empty where it states none."""
        entry_point = str(problem.tests.get("entry_point", ""))
        return extract.program(problem.prompt, entry_point, attempt.completion, cut=attempt.finish == "length")

    def parse(self, completion: str) -> Problem | str:
        """The invented problem in a completion, or why there is none. Executes nothing."""
        found = extract.proposal(completion)
        if isinstance(found, str):
            return found
        tests = {"entry_point": found.entry_point, "setup": "", "asserts": list(found.asserts)}
        reference = found.stub + found.body
        number = content_id(found.stub, reference, tests)
        return Problem(f"own/{number}", self.name, "train", found.stub, tests, reference)

    def vet(self, problems: Sequence[Problem], seed: int) -> Iterator[Problem | str]:
        """Each invented problem with its tests strengthened, or the reason why it is unfit.

        Its reference must pass its own tests, twice with equal behaviour; an answer that ignores its
        input must not; then the reference answers mutated inputs, and must pass those tests as well.
        """
        verdicts: dict[str, Problem | str] = {}

        def passing(problems: Sequence[Problem], reason: str) -> list[tuple[Problem, str]]:
            """Those whose reference passes, with its behaviour; the others get their verdict."""
            found = []
            executions = self._executions([(problem, problem.reference) for problem in problems])
            for problem, execution in zip(problems, executions, strict=True):
                if execution.outcome is Outcome.PASS:
                    found.append((problem, execution.behaviour))
                else:
                    ours = execution.outcome is Outcome.ERROR
                    verdicts[problem.id] = UNJUDGED if ours else reason.format(execution.outcome)
            return found

        first = passing(problems, "reference: {}")
        again = {p.id: b for p, b in passing([problem for problem, _ in first], "nondeterministic")}
        trivial = self._trivial([problem for problem, _ in first])
        steady = []
        for problem, behaviour in first:
            if problem.id in verdicts:
                continue
            if again[problem.id] != behaviour:
                verdicts[problem.id] = "nondeterministic"
            elif (outcome := trivial[problem.id]) is not None:
                verdicts[problem.id] = UNJUDGED if outcome is Outcome.ERROR else "vacuous tests"
            else:
                steady.append(problem)
        stronger = []
        for problem, added in zip(steady, self._strengthened(steady, seed), strict=True):
            if isinstance(added, Problem):
                stronger.append(added)
            else:
                verdicts[problem.id] = added
        verdicts |= {problem.id: problem for problem, _ in passing(stronger, "nondeterministic")}
        for problem in problems:
            yield verdicts[problem.id]

    def known(self, problem: Problem) -> Iterator[Known]:
        """Completions whose verdict is known: the reference in several wrappings, and what must not pass."""
        return known_programs.known(problem)

    def mutants(self, problems: Sequence[Problem], seed: int) -> list[list[str]]:
        """For each problem, programs that differ from its reference in one token."""
        found = self._inside(problems, lambda p: f"mutants({p.reference!r}, {_entry(p)!r}, {seed})")
        return [texts or [] for texts in found]

    def flaws(self, items: Sequence[tuple[Problem, Verdict, Sequence[str]]]) -> list[Flaw]:
        """What is wrong with each failing answer, by what it takes to make it pass: as `flaws` tells it.

        Beside each answer stand answers to the same problem that pass.
        """
        problems = [problem for problem, _, _ in items]
        texts = iter([verdict.answer for _, verdict, _ in items])
        shapes = self._inside(problems, lambda problem: f"shape({next(texts)!r}, {_entry(problem)!r})")
        parts = [flaws.cuts(verdict.answer, _entry(problem)) for problem, verdict, _ in items]
        pieces = [(problem, part) for problem, found in zip(problems, parts, strict=True) for part in found]
        passes = iter([execution.outcome is Outcome.PASS for execution in self._executions(pieces)])
        told = []
        for (problem, verdict, right), shape, found in zip(items, shapes, parts, strict=True):
            begin = [verdict.answer, *flaws.functions(verdict.answer, _entry(problem))]
            begun = any(flaws.goes_on(begin, other) for other in right)
            begun = begun or verdict.outcome is Outcome.TRUNCATED
            told.append(flaws.flaw(shape[0] if shape else "broken", [next(passes) for _ in found], begun))
        return told

    def classes(self, problem: Problem, answers: Sequence[str], seed: int) -> list[int | None]:
        """Programs that behave alike on generated inputs are in one class (`behaviours`)."""
        return self._behaviours.classes(problem, answers, seed)

    def overlap_keys(self, prompt: str, answer: str) -> frozenset[str]:
        """Normal forms: the docstring with its numbers masked, and the code with its names renamed."""
        return overlap.keys(prompt, answer)

    def _verdict(self, item: _Waiting) -> Verdict:
        attempt, answer, execution = item.attempt, item.answer, item.execution
        assert execution is not None, "a verdict is given when its answer was executed"
        outcome = execution.outcome
        if not answer.strip():
            outcome = Outcome.INVALID
        cut = attempt.finish == "length" and outcome not in (Outcome.PASS, Outcome.ERROR)
        if cut or (outcome is Outcome.INVALID and extract.unfinished(answer)):
            outcome = Outcome.TRUNCATED
        return Verdict(
            attempt_id=attempt.id,
            outcome=outcome,
            answer=answer,
            tests_passed=execution.tests_passed,
            tests_total=execution.tests_total,
            behaviour=execution.behaviour,
            feedback="" if outcome is Outcome.PASS else _feedback(item.problem, answer, execution),
            seconds=round(execution.seconds, 4),
            judge=self.version + (SHARED if execution.shared_process else ""),
        )

    def _executions(self, items: Sequence[tuple[Problem, str]]) -> list[Execution]:
        executions = self._run([self._jobs.job(problem, answer)[0] for problem, answer in items])
        return [self._allowed(item[0], execution) for item, execution in zip(items, executions, strict=True)]

    def _allowed(self, problem: Problem, execution: Execution) -> Execution:
        """The execution, or a refusal if its tests shared a process with the program and may not."""
        if not execution.shared_process or self.allow_shared or problem.tests.get("beside"):
            return execution
        return replace(execution, outcome=Outcome.REFUSED, tests_passed=0, failures=(), shared_process=False)

    def _run(self, jobs: Sequence[Job]) -> list[Execution]:
        """Executions in the order of their jobs."""
        return sorted(self.box.run(jobs), key=lambda execution: execution.index)

    def _trivial(self, problems: Sequence[Problem]) -> dict[str, Outcome | None]:
        """For each problem, `pass` if an answer that ignores its input passes, `error` if that is unknown."""
        items = []
        for problem in problems:
            first = re.search(r"def\s+\w+\s*\(\s*(\w+)", problem.prompt)
            for stub in _STUBS:
                value = stub.format(first=first.group(1) if first else "None")
                items.append((problem, f"{problem.prompt}    return {value}\n"))
        found: dict[str, Outcome | None] = {problem.id: None for problem in problems}
        for (problem, _), execution in zip(items, self._executions(items), strict=True):
            if execution.outcome is Outcome.PASS or (execution.outcome is Outcome.ERROR and not found[problem.id]):
                found[problem.id] = execution.outcome
        return found

    def _strengthened(self, problems: Sequence[Problem], seed: int) -> list[Problem | str]:
        """Each problem with more asserts, or why it could not get any."""

        def call(problem: Problem) -> str:
            return f"strengthen({problem.reference!r}, {_entry(problem)!r}, {problem.tests['asserts']!r}, {seed})"

        found: list[Problem | str] = []
        for problem, added in zip(problems, self._inside(problems, call), strict=True):
            if added is None:
                found.append("tests cannot be strengthened")
            else:
                tests = {**problem.tests, "asserts": [*problem.tests["asserts"], *added]}
                found.append(replace(problem, tests=tests))
        return found

    def _inputs(self, problem: Problem, seed: int) -> list[str]:
        """Arguments for the problem's function by its prompt alone: neither tests nor reference are looked at."""
        name = _entry(problem)
        [found] = self._inside([problem], lambda p: f"inputs({p.prompt!r}, {name!r}, {seed})") if name else [None]
        return found or []

    def _inside(self, problems: Sequence[Problem], call: Callable[[Problem], str]) -> list[list[str] | None]:
        """The list of texts that a call of `inside` gives for each problem; None where it fails, even twice."""
        source = (files("forge.domains") / "inside.py").read_text(encoding="utf-8")
        jobs = [Job(source, probes=(call(problem),)) for problem in problems]
        executions = self._run(jobs)
        failed = [place for place, execution in enumerate(executions) if execution.outcome is Outcome.ERROR]
        for execution in self.box.run([jobs[place] for place in failed]):
            executions[failed[execution.index]] = execution
        found: list[list[str] | None] = []
        for execution in executions:
            value: Any = execution.values[0].value if execution.outcome is Outcome.PASS else None
            found.append([text for text in value if isinstance(text, str)] if isinstance(value, list) else None)
        return found


def _entry(problem: Problem) -> str:
    return str(problem.tests.get("entry_point", ""))


def _key(job: Job, number: int) -> bytes:
    """Equal for equal jobs, and for no others; `number` stands for tests that the job's texts do not hold."""
    # The second version of the format writes equal values alike, and takes any text.
    parts = marshal.dumps((job.source, tuple(job.tests), job.entry_point, job.setup, number), 2)
    return hashlib.blake2b(parts, digest_size=16).digest()


def _feedback(problem: Problem, answer: str, execution: Execution) -> str:
    """What the failed answer's author may see: the first failing test, or what stopped the program."""
    if not answer.strip():
        return "there is no code in the answer"
    limits = {Outcome.TIMEOUT: "time", Outcome.MEMORY: "memory", Outcome.OUTPUT: "output"}
    if execution.outcome in limits:
        return feedback.limit(limits[execution.outcome])
    if execution.outcome is Outcome.REFUSED:
        return "the answer gives or takes a value that is not plain data"
    if execution.failures:
        failure = execution.failures[0]
        if failure.kind == "value":
            return feedback.returned(failure.call, failure.got, failure.expected)
        if failure.kind == "raise":
            return feedback.raised(failure.call, failure.exception, failure.message)
        return feedback.failed(failure.call)
    exception, _, message = execution.detail.partition(": ")
    return feedback.unloadable(exception, _PLACE.sub("", message))
