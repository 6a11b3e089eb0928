"""Runs untrusted Python programs against tests, in parallel, and proves what it says about them.

A `Sandbox` owns a few warm interpreters behind walls; `run` streams jobs through them and yields one
`Execution` for each. A pass means that every test ran and held, seen from outside the program: tests and
program live in different processes, and only plain values travel between them. Where that cannot be done
the two share a process, and the execution says so.

This module is the thin Python face: it checks and converts. It does not decide what a verdict means, knows
no model and no domain, and never raises because of what a program does.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from forge import _core, installed
from forge.errors import SandboxError
from forge.forms import Call, Case, Command, Job, Limits
from forge.types import Outcome

__all__ = [
    "Call",
    "Case",
    "Command",
    "Execution",
    "Failure",
    "Job",
    "Limits",
    "Probe",
    "Sandbox",
    "Wall",
    "probe",
]

_BOOT = (
    "import sys, _imp\n"
    "from importlib.machinery import ExtensionFileLoader, ModuleSpec\n"
    "path = sys.argv[1]\n"
    "spec = ModuleSpec('forge._core', ExtensionFileLoader('forge._core', path), origin=path)\n"
    "core = _imp.create_dynamic(spec)\n"
    "_imp.exec_dynamic(core)\n"
    "core.zygote()\n"
)
_FLAGS = ("-s", "-S", "-P", "-B", "-X", "utf8", "-W", "ignore")
_THREADED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_ENVIRONMENT = (("PYTHONHASHSEED", "0"), *((name, "1") for name in _THREADED))
# Users for each sandbox's workers that nobody else has: what an earlier one left, if only for its parent to take note
# of, would count against the process limit.
_FIRST_USER = 1_879_048_192
_SEATS = 1 << 22
_IN_FLIGHT_PER_WORKER = 16
_LIMITS = Limits()
_OWN = ("/tmp", "/dev", "/proc", "/sys", "/old", "/new")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the test at index `test` did not hold.

    `kind` is `value` (a comparison: `got` and `expected` are representations), `raise` (`exception` and
    `message`) or `false` (any other assertion). All texts are bounded and the same on every run. For a case,
    `call` is its input, `got` and `expected` begin at the first line that differs, and a program that was ended
    or left with another status than 0 without an exception of Python's has an empty `exception`.
    """

    test: int
    kind: str
    call: str
    got: str
    expected: str
    exception: str
    message: str


@dataclass(frozen=True, slots=True)
class Probe:
    """The plain value of a probe and its representation, or the exception that it raised."""

    value: Any
    text: str
    exception: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Execution:
    """What the sandbox saw of the job at position `index`.

    `behaviour` is a hash of everything the program answered, in order: equal programs, equal behaviour.
    `seconds` is wall time, `cpu` the CPU seconds of all processes, `memory` the largest process in bytes.
    `stdout` and `stderr` are those of the first case that did not hold, else of the last.

    A `Command` has no tests: it passes if its exit `status` is 0; a signal that ended it is a negative status,
    and there is none if the sandbox ended it. `files` holds the outputs asked for, by name.
    """

    index: int
    outcome: Outcome
    tests_passed: int = 0
    tests_total: int = 0
    failures: tuple[Failure, ...] = ()
    values: tuple[Probe, ...] = ()
    behaviour: str = ""
    stdout: str = ""
    stderr: str = ""
    detail: str = ""
    seconds: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    isolation: str = ""
    shared_process: bool = False
    status: int | None = None
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wall:
    """One thing that candidates must not be able to do: whether it is enforced here, and what was seen."""

    name: str
    enforced: bool
    how: str


@dataclass(slots=True)
class _Feed:
    """The positions of jobs that never reach a worker, and of those that do."""

    positions: dict[int, int] = field(default_factory=dict)
    ready: list[Execution] = field(default_factory=list)


class Sandbox:
    """Warm interpreters behind walls. Use as a context manager; leaving it ends every process.

    Args:
        workers: how many jobs run at once; the number of usable processors if None.
        limits: for jobs that bring none of their own.
        require: the least isolation to accept: `full`, `no-namespaces` or `rlimits-only`.
        allow_shared: whether jobs whose tests cannot be kept apart may share a process with the program;
            if not, they end `refused`.
        readable: absolute paths of files and directories that programs and commands may read and execute
            beside Python's library and the system's shared libraries. A directory of installed packages that one
            of them lies in is shown whole.
        modules: installed modules that programs may import beyond the standard library, with those that
            they need themselves: `("numpy",)`, `("pandas", "numpy", "dateutil", "pytz", "six")`. They are loaded
            once for all programs. A module of a package, `"scipy.stats"`, is loaded too, and all of the package
            can be read.

    Raises:
        SandboxError: this host gives less isolation than required, no worker can be started, a module is not
            installed, or something that is to be readable does not exist or cannot be shown.
    """

    def __init__(
        self,
        workers: int | None = None,
        limits: Limits = _LIMITS,
        require: str = "full",
        allow_shared: bool = True,
        readable: Sequence[str | os.PathLike[str]] = (),
        *,
        level: str = "full",
        modules: Sequence[str] = (),
    ) -> None:
        levels = _core.levels()
        for name in (require, level):
            if name not in levels:
                raise SandboxError(f"no isolation level {name!r}", hint=f"use one of {', '.join(levels)}")
        self.limits = limits
        self.workers = workers if workers is not None else _core.processors()
        self._readable = _shown(readable)
        library, covered = installed.library()
        try:
            self._core = _core.Supervisor(
                program=getattr(sys, "_base_executable", None) or sys.executable,
                arguments=[*_FLAGS, "-c", _BOOT, _core.__file__],
                environment=list(_ENVIRONMENT),
                readable=[*library, *self._readable],
                covered=[path for path in covered if not any(_lies_in(asked, path) for asked in self._readable)],
                scratch=limits.files,
                user=_FIRST_USER + secrets.randbelow(_SEATS) * 64,
                most=level,
                least=require,
                workers=self.workers,
                allow_shared=allow_shared,
                limits=_numbers(limits),
                modules=list(modules),
                packages=installed.packages(modules),
            )
        except RuntimeError as error:
            raise SandboxError(
                f"isolation {require!r} cannot be reached: {error}",
                hint="allow user namespaces for this user, or accept less with a lower `require`",
            ) from error
        self.isolation: str = self._core.level
        self.version: str = _core.version

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends every process. Harmless if done before."""
        self._core.close()

    def run(self, jobs: Iterable[Job | Command]) -> Iterator[Execution]:
        """Execute jobs and yield each execution as it finishes; `index` is the job's position.

        Jobs are taken from the iterable as there is room for them, so that it may still be producing.
        Closing the iterator early, or an exception in it, ends what is still running.

        Raises:
            SandboxError: the sandbox is closed.
        """
        try:
            batch = self._core.batch()
        except RuntimeError as error:
            raise SandboxError(str(error), hint="run jobs inside the `with` block") from error
        feed = _Feed()
        room = self.workers * _IN_FLIGHT_PER_WORKER
        try:
            for position, job in enumerate(jobs):
                self._submit(batch, feed, position, job)
                while len(feed.positions) >= room:
                    yield from self._finished(batch, feed, 3600.0)
                yield from self._finished(batch, feed, 0.0)
            while feed.positions:
                yield from self._finished(batch, feed, 3600.0)
        finally:
            batch.cancel()

    def _submit(self, batch: _core.Batch, feed: _Feed, position: int, job: Job | Command) -> None:
        outcome, total = Outcome.INVALID, 0
        number: int | None = None
        limits = _numbers(job.limits or self.limits)
        if isinstance(job, Command):
            reason = self._obstacle(job)
            if reason:
                outcome = Outcome.REFUSED
            else:
                number = batch.submit_command(*job.parts, limits)
        else:
            total = len(job.tests) + len(job.calls) + len(job.cases)
            texts, reason = _texts(job)
            if not reason:
                number = _submit_source(batch, job, texts, limits)
        if number is not None:
            feed.positions[number] = position
            return
        detail = reason or "too large"
        feed.ready.append(Execution(position, outcome, tests_total=total, detail=detail, isolation=self.isolation))

    def _obstacle(self, command: Command) -> str:
        path = os.path.normpath(command.argv[0])
        if any(_lies_in(path, readable) for readable in self._readable):
            return ""
        return f"{command.argv[0]} is not among what this sandbox shows: see `readable`"

    def _finished(self, batch: _core.Batch, feed: _Feed, patience: float) -> Iterator[Execution]:
        while feed.ready:
            yield feed.ready.pop(0)
        while feed.positions:
            facts = batch.next(patience)
            if facts is None:
                return
            patience = 0.0
            yield _execution(facts, feed.positions.pop(facts["index"]))


def _numbers(limits: Limits) -> tuple[float, float, int, int, int, int]:
    return limits.wall, limits.cpu, limits.memory, limits.output, limits.processes, limits.files


def _texts(job: Job) -> tuple[list[bytes], str]:
    """All texts of a job, and what is wrong with them."""
    try:
        texts = [text.encode() for text in (job.source, job.entry_point, job.setup, *job.tests, *job.probes)]
    except UnicodeEncodeError:
        return [], "lone surrogate in the text"
    if any(b"\0" in text for text in texts):
        return [], "null character in the text"
    return texts, "" if job.tests or job.probes or job.calls or job.cases else "no tests"


def _submit_source(
    batch: _core.Batch, job: Job, texts: list[bytes], limits: tuple[float, float, int, int, int, int]
) -> int | None:
    source, entry_point, setup = texts[:3]
    if job.calls:
        return batch.submit_calls(source, [call.packed for call in job.calls], entry_point, limits)
    if job.cases:
        return batch.submit_cases(source, [case.parts for case in job.cases], limits)
    count = 3 + len(job.tests)
    return batch.submit(source, texts[3:count], entry_point, setup, texts[count:], limits)


def _lies_in(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _shown(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """The paths that are to be readable, checked."""
    shown = [os.path.normpath(os.fspath(path)) for path in paths]
    for path in shown:
        if not os.path.isabs(path) or not os.path.exists(path):
            raise SandboxError(f"{path} cannot be made readable", hint="name an absolute path that exists")
        places = path, os.path.realpath(path)
        if "/" in places or any(_lies_in(place, own) for place in places for own in _OWN):
            raise SandboxError(f"{path} cannot be made readable", hint="the sandbox has its own; name another place")
    return shown


def _execution(facts: dict[str, Any], position: int) -> Execution:
    facts["index"] = position
    facts["outcome"] = Outcome(facts["outcome"])
    facts["failures"] = tuple(Failure(test, *texts) for test, texts in facts["failures"])
    facts["values"] = tuple(Probe(*parts) for parts in facts.pop("probes"))
    return Execution(**facts)


_ATTEMPTS: dict[str, str] = {
    "files": "return open('/etc/passwd').read(9)",
    "processes in sight": "return os.listdir('/proc/self')[0]",
    "environment": "return os.environ['PATH']",
    "library": "path = os.path.dirname(os.__file__) + '/probe'\nos.mkdir(path)\nos.rmdir(path)\nreturn path",
    "sockets": "return str(socket.socket().fileno())",
    "signals": "need(os.getppid() > 0)\nreturn os.kill(os.getppid(), 0) or 'sent'",
    "tracing": "return call('ptrace', 16, os.getppid() or 2, 0, 0)",
    "namespaces": "return call('unshare', 0x10000000)",
    "mounts": "return call('mount', b'none', b'/tmp', b'tmpfs', 0, None)",
    "privileges": "return os.setuid(0) or 'became root'",
    "shared memory": "return call('shmget', 77, 4096, 0o1666)",
    "other programs": "import subprocess\nreturn subprocess.check_output(['/bin/sh', '-c', 'echo ran'])",
    "processes": "for count in range(256):\n    if os.fork() == 0: time.sleep(9)\nreturn 'made 256'",
    "memory": "return len(bytearray(1 << 34))",
    "disk": "return open('fill', 'wb').write(bytes(64 << 20))",
    "output": "return os.write(1, bytes(1 << 20)) and time.sleep(0.2)",
    "CPU time": "while True: pass",
    "wall time": "time.sleep(9)\nreturn 'slept'",
}
_PREFACE = """import ctypes, os, signal, socket, sys, time
def need(truth):
    if not truth:
        raise OSError("nothing in sight")
def call(name, *arguments):
    answer = getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments)
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer
"""


def probe(level: str = "full") -> list[Wall]:
    """Try, from inside, to get through each wall that this host offers up to `level`.

    Raises:
        SandboxError: no worker can be started at all.
    """
    limits = Limits(wall=1.5, cpu=0.5, memory=128 << 20, output=4096, files=1 << 20)
    jobs = []
    for body in _ATTEMPTS.values():
        lines = "".join(f"    {line}\n" for line in body.split("\n"))
        jobs.append(Job(f"{_PREFACE}def attempt():\n{lines}", (), "attempt", "", ("attempt()",)))
    jobs.append(Job("def attempt():\n    return 'ran'\n", (), "attempt", "", ("attempt()",)))
    with Sandbox(2, limits, require="rlimits-only", level=level) as sandbox:
        found = sorted(sandbox.run(jobs), key=lambda execution: execution.index)
    *attempts, control = found
    if control.outcome != Outcome.PASS:
        raise SandboxError(f"an honest program ends as {control.outcome}: {control.detail}")
    return [_wall(name, execution) for name, execution in zip(_ATTEMPTS, attempts, strict=True)]


def _wall(name: str, execution: Execution) -> Wall:
    if execution.outcome == Outcome.PASS:
        return Wall(name, False, f"reached: {execution.values[0].text}")
    if execution.outcome == Outcome.FAIL:
        refusal = execution.values[0]
        return Wall(name, True, f"{refusal.exception}: {refusal.message}")
    return Wall(name, execution.outcome != Outcome.ERROR, f"{execution.outcome}: {execution.detail}")
