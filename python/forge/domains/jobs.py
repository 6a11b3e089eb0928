"""A problem's tests and an answer as a job for the sandbox, in whichever form the tests are (`payload`).

Where a problem gives inputs only, its reference is run once, in the sandbox, to say what is expected, and the
comparison is that of EvalPlus: equal, or for floats within `tolerance`. A few problems have an `oracle` of their
own there, since they have more than one right answer.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from forge.sandbox import Call, Case, Execution, Job, Limits, Sandbox
from forge.types import Outcome, Problem

NEAR = 1e-6
"""The tolerance of floats where a problem with inputs states none. Source: EvalPlus 0.3."""

_NUMBERS = "inf = float('inf')\nnan = float('nan')\n"
_PATIENT = Limits(wall=120.0, cpu=60.0, memory=4 << 30, output=4 << 20)

ORACLES = {
    "same members": "assert set({call}) == set({expected})",
    "truth": "assert bool({call}) == {truth}",
    "ends": "{call}",
    "or zero": "answer = {call}\nassert answer == {expected} or answer == 0",
    "root": "assert abs(sum(factor * math.pow({call}, power) for power, factor in enumerate(*{input}))) <= {near}",
    "pyramid": (
        "answer = {call}\nbase, height = {input}\n"
        "assert answer == {expected} or abs(answer - round(base * base + 2 * base * math.hypot(base / 2, height)))"
        " <= {near}"
    ),
    "digits": (
        "answer = {call}\nfirst, second = map(str, {input})\nwidth = max(len(first), len(second))\n"
        "pairs = zip(first.zfill(width), second.zfill(width))\n"
        "assert answer == {expected} or answer == sum(abs(int(a) - int(b)) for a, b in pairs)"
    ),
}
"""Tests for problems that have several right answers, as EvalPlus's special cases have it."""


_CARRIED = """

def {name}(*arguments, _function={name}, **named):
    import collections
    from collections.abc import Iterator, MappingView
    answer = _function(*arguments, **named)
    if isinstance(answer, (Iterator, MappingView, collections.deque)):
        return {kind}(answer)
    return answer.item() if hasattr(answer, "dtype") and hasattr(answer, "item") and not answer.shape else answer
"""


def carried(source: str, name: str, kind: str) -> str:
    """The program with a function that hands iterators over as a `list` or a `tuple`, and numpy's numbers as Python's.

    Tests kept apart from the program can take those and not the originals. Tests that hold for both kinds would
    hold for the iterator, since a comparison with it, which would not, cannot hold for both.
    """
    return source + _CARRIED.format(name=name, kind=kind)


class Unready(Exception):
    """A problem cannot be judged here; the text says why."""


class Jobs:
    """Makes jobs; keeps what the references of problems with inputs answered."""

    def __init__(self, box: Sandbox) -> None:
        self._box = box
        self._known: dict[str, tuple[Problem, Job | str, int]] = {}
        self._made_so_far = 0

    def job(self, problem: Problem, answer: str) -> tuple[Job, int]:
        """The job that holds an answer against the problem's tests, and the number of these if the job lacks them.

        Raises:
            Unready: the reference does not say what is expected.
        """
        tests = problem.tests
        entry_point = str(tests.get("entry_point", ""))
        if "before" in tests or "after" in tests:
            answer = f"{tests.get('before', '')}{answer}{tests.get('after', '')}"
        if "asserts" in tests:
            return Job(answer, tuple(tests["asserts"]), entry_point, setup=str(tests.get("setup", ""))), 0
        known = self._known.get(problem.id)
        if known is None or (known[0] is not problem and known[0] != problem):
            self._made_so_far += 1
            try:
                form: Job | str = self._made(problem, entry_point)
            except (Unready, ValueError, TypeError) as failure:
                form = str(failure)
            known = self._known[problem.id] = problem, form, self._made_so_far
        form, number = known[1:]
        if isinstance(form, str):
            raise Unready(form)
        return Job(answer, form.tests, form.entry_point, form.setup, calls=form.calls, cases=form.cases), number

    def _made(self, problem: Problem, entry_point: str) -> Job:
        """A job without a program."""
        tests = problem.tests
        tolerance = float(tests.get("tolerance", 0.0))
        if "cases" in tests:
            return Job("", cases=tuple(Case(c["stdin"], c["stdout"], tolerance) for c in tests["cases"]))
        if "calls" in tests:
            calls = [Call(entry_point, c["input"], c["expected"], tolerance=tolerance) for c in tests["calls"]]
            return Job("", calls=tuple(calls), entry_point=entry_point)
        inputs, expected = self._answers(problem, entry_point)
        oracle = str(tests.get("oracle", ""))
        if oracle:
            asserts = [_stated(oracle, entry_point, *pair, tolerance) for pair in zip(inputs, expected, strict=True)]
            return Job("", tuple(asserts), entry_point, setup=f"import math\n{_NUMBERS}")
        pairs = zip(inputs, expected, strict=True)
        return Job("", calls=tuple(Call(entry_point, i, e, tolerance=_near(e, tolerance)) for i, e in pairs))

    def _answers(self, problem: Problem, entry_point: str) -> tuple[list[Any], list[Any]]:
        """The inputs, and what the reference answers to them."""
        literal = str(problem.tests["inputs"])
        answer = "a is not None" if problem.tests.get("oracle") == "truth" else "a"
        probes = (literal, f"[{answer} for i in {literal} for a in [{entry_point}(*i)]]")
        job = Job(problem.reference, probes=probes, entry_point=entry_point, setup=_NUMBERS, limits=_PATIENT)
        [found] = self._box.run([job])
        if found.outcome is not Outcome.PASS or any(probe.exception for probe in found.values):
            raise Unready(f"its reference does not say what is expected: {_reason(found)}")
        return found.values[0].value, found.values[1].value


def _reason(found: Execution) -> str:
    said = [f"{probe.exception}: {probe.message}" for probe in found.values if probe.exception]
    return said[0] if said else f"{found.outcome} {found.detail}"


def _near(expected: Any, tolerance: float) -> float:
    """The tolerance for one expected value: floats are never compared exactly."""
    parts = expected if isinstance(expected, list | tuple) and expected else [expected]
    return tolerance or (NEAR if all(isinstance(part, float) for part in parts) else 0.0)


def _stated(oracle: str, entry_point: str, arguments: Any, expected: Any, tolerance: float) -> str:
    if oracle not in ORACLES:
        raise Unready(f"unknown tests.oracle {oracle!r}")
    call = f"{entry_point}({', '.join(map(_literal, arguments))})"
    near = _literal(tolerance or NEAR)
    return ORACLES[oracle].format(
        call=call, expected=_literal(expected), input=_literal(arguments), near=near, truth=bool(expected)
    )


def _literal(value: Any) -> str:
    return repr(value) if not isinstance(value, float) or math.isfinite(value) else f"float('{value!r}')"


def missing(problem: Problem, modules: Collection[str]) -> str:
    """Why the problem cannot be judged for want of a library; empty where all are there."""
    wanted = [name for name in problem.tests.get("modules", ()) if name not in modules]
    return f"needs {', '.join(wanted)}, not installed here" if wanted else ""
