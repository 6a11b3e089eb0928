"""Samples as others write them: one row states a program and the problem it should solve, or names the problem.

    {"task_id": "t/1", "solution": "def inc(x): return x + 1", "tests": ["assert inc(1) == 2"]}
    {"task_id": "HumanEval/0", "completion": "    return [x for x in ..."}
    {"id": "0f3a", "problem_id": "own/77", "index": 0, "completion": "...", "finish": "stop", "generator": "..."}

A row is recognised by its keys; docs/judge.md lists them. Here rows become values; nothing is read, executed
or parsed, and whatever is wrong with a row is a ValueError in words. What problems look like is in `payload`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from forge import payload
from forge.lines import parsed
from forge.payload import DOMAIN, identity, name_of, text_of
from forge.types import Attempt, Problem, from_row

_PROGRAMS = ("source", "solution")
_FINISH = ("finish", "finish_reason", "stop_reason")
_CUT = frozenset({"length", "max_tokens", "model_length"})
_NOTHING = Problem("", DOMAIN, "", "", {"entry_point": "", "asserts": [], "answer": ""})
"""What every domain can judge, and nothing solves."""


class Sample(NamedTuple):
    """One row of input: the programs that it states, in the order in which they are tried.

    With `extract`, the program found in the attempt's completion is tried last. `task` and `id` are what the
    row calls them, None where it does not; `fault` says why the row cannot be judged.
    """

    problem: Problem
    attempt: Attempt
    programs: tuple[str, ...]
    extract: bool = False
    task: str | int | None = None
    id: str | int | None = None
    fault: str = ""


def faulty(fault: str, row: Any = None) -> Sample:
    """What stands for a row that cannot be judged."""
    row = row if isinstance(row, Mapping) else {}
    task = row.get("problem_id", row.get("task_id"))
    return Sample(_NOTHING, _attempt("", ""), ("",), False, name_of(task), name_of(row.get("id")), fault)


def each(row: Any) -> Iterator[Any]:
    """The samples that one line holds: itself, or what a log of another tool recorded in it.

    Known are a line of lm-evaluation-harness's sample log (`doc` and `resps`) and a sample of Inspect's log
    (`output` with `choices`, or with `completion`).
    """
    if isinstance(row, Mapping) and isinstance(row.get("doc"), Mapping) and isinstance(row.get("resps"), list):
        name = row["doc"].get("task_id", row.get("doc_id"))
        for text in _texts(row["resps"]):
            yield {"task_id": name, "completion": text}
    elif isinstance(row, Mapping) and isinstance(row.get("output"), Mapping) and "input" in row:
        output = row["output"]
        choices = output.get("choices") or [{}]
        finish = choices[0].get("stop_reason", "") if isinstance(choices[0], Mapping) else ""
        yield {"task_id": row.get("id"), "response": _said(output), "finish": finish}
    else:
        yield row


def stated(line: bytes) -> list[Problem]:
    """The problem that a line of samples states itself; empty where it states none."""
    try:
        row = next(each(parsed(line)))
        return [payload.problem(row)] if payload.has_tests(row) else []
    except (ValueError, RecursionError, StopIteration):
        return []


def _texts(found: Any) -> Iterator[str]:
    """The texts in lists of lists, in order."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, list):
        for part in found:
            yield from _texts(part)


def _said(output: Mapping[str, Any]) -> Any:
    """The text of Inspect's model output: its first choice's, whole or in parts."""
    if isinstance(output.get("completion"), str):
        return output["completion"]
    message = (output.get("choices") or [{}])[0].get("message", {})
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return content


def sample(row: Any, problems: Mapping[str, Problem], extract: bool = False) -> Sample:
    """The sample that a row states; `problems` are those that rows may name.

    A `completion` is read as the problem's official grader reads it; with `extract`, and where there is no
    such grader, the program is looked for in it.

    Raises:
        ValueError: a key is missing or not of its type, or the problem is not among `problems`.
    """
    if not isinstance(row, Mapping):
        raise ValueError(f"a row should be a JSON object, not {type(row).__name__}")
    if "problem_id" in row:
        attempt = from_row(Attempt, row)
        return Sample(_named(attempt.problem_id, problems), attempt, (), True, attempt.problem_id, attempt.id)
    task, number = name_of(row.get("task_id")), name_of(row.get("id"))
    named = problems and "task_id" in row and "tests" not in row and "test" not in row
    if payload.has_tests(row) and not named:
        found = payload.check(payload.problem(row))
    elif "task_id" not in row:
        raise ValueError("has neither tests nor a task_id")
    else:
        found = _named(identity(row), problems)
    for key in _PROGRAMS:
        if key in row and found.domain == DOMAIN:
            attempt = _attempt(found.id, "", _finish(row))
            return Sample(found, attempt, (text_of(row, key),), False, task, number)
    for key in ("completion", "response"):
        if key in row:
            attempt = _attempt(found.id, text_of(row, key), _finish(row))
            given, open_ended = ((), True) if key == "response" else payload.official(found, attempt.completion)
            return Sample(found, attempt, given, extract or open_ended, task, number)
    raise ValueError("has no source, solution or completion")


def _named(name: str, problems: Mapping[str, Problem]) -> Problem:
    """A problem by its name, or by the number that ends it: `HumanEval/0`, `mbpp/2`, `2`."""
    found = problems.get(name)
    if found is None:
        family, _, number = name.rpartition("/")
        near = problems.get(number)
        if near and near.id.rpartition("/")[0].casefold() == family.casefold():
            found = near
    if found is None and not problems:
        raise ValueError("has no tests, and no problems were named with --problems or --benchmark")
    if found is None:
        raise ValueError(f"names the unknown problem {name[:100]!r}")
    return found


def _finish(row: Mapping[str, Any]) -> str:
    """`length` where the row says that a token limit ended the text, else `stop`."""
    return "length" if any(row.get(key) in _CUT for key in _FINISH if isinstance(row.get(key), str)) else "stop"


def _attempt(problem_id: str, completion: str, finish: str = "stop") -> Attempt:
    return Attempt("", problem_id, 0, completion, finish, "")
