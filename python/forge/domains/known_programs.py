"""Programs whose verdict is known in advance, made from a problem's reference: what tests the judge of programs.

References must pass however they are wrapped; cut ones must pass or be called truncated; empty ones, early
exits, exceptions, printed claims and answers that equal everything must not pass. Some are there for what has
made graders wrong before: a stop string or a token limit that cuts right answers, a prompt thrown away with its
imports and helpers, an exception taken for a pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from forge import extract
from forge.protocols import CUT, RIGHT, WRONG, Known
from forge.types import Problem

_EQUAL = (
    "    class Equal(int):\n        __eq__ = __ge__ = __le__ = __gt__ = __lt__ = lambda self, other: True\n"
    "        __ne__ = lambda self, other: False\n        __hash__ = int.__hash__\n    return Equal(0)"
)
_REMARK = "# The next step follows from the one before it, as it has to.\n"
_REMARKS = 24
"""About 400 tokens of remarks: no limit that is short for a program may cut what they stand before."""

_BEFORE = "def _before():\n    return None\n\n\nclass _Before:\n    pass\n\n\n"
_BEHIND = "# What it calls comes here.\nclass _Behind:\n    pass\n\n\ndef _behind():\n    return _Behind()\n"
_HELPER = "def _checked_by_the_prompt(value):\n    return value\n\n\n"
_CALL = "_checked_by_the_prompt(None)"


def known(problem: Problem) -> Iterator[Known]:
    """The reference in several wrappings, and what must not pass for it."""
    whole, stub = problem.reference, problem.prompt
    continued = whole.startswith(stub)
    body = whole[len(stub) :] if continued else whole
    half = body[: len(body) // 2]
    yield Known("reference", body, RIGHT)
    yield Known("whole reference", whole, RIGHT)
    yield Known("fenced reference", f"Sure:\n```python\n{whole}\n```\nThis works.", RIGHT)
    yield Known("open fence", f"```python\n{whole}\n", RIGHT)
    yield Known("special token", body + "<|im_end|>\nuser\nanother", RIGHT)
    yield Known("remarks before", _remarked(body, _REMARK, continued), RIGHT)
    yield Known("long remarks before", _remarked(body, _REMARK * _REMARKS, continued), RIGHT)
    yield Known("helpers before", _BEFORE + whole, RIGHT)
    if problem.tests.get("entry_point"):
        # Where no function is asked for, nothing says where a program ends.
        yield from _running_on(body)
    yield from _with_helper(problem)
    yield Known("cut in half", half, CUT, "length")
    yield Known("empty", "", WRONG)
    yield Known("blank", "\n\n   \n", WRONG)
    for kind, text in (
        ("early exit", "    import os\n    os._exit(0)"),
        ("polite exit", "    raise SystemExit(0)"),
        ("exception", "    raise ValueError('no answer')"),
        ("exception when loaded", "    pass\n\nraise ValueError('no answer')"),
        ("printed claim", "    print('all tests passed')"),
        ("equals everything", _EQUAL),
    ):
        yield Known(kind, text if continued else _headed(problem, text), WRONG)


def _running_on(body: str) -> Iterator[Known]:
    """The body and, behind it, what does not belong to it."""
    yield Known("closed fence", f"{body.rstrip()}\n```\n\nThis works.", RIGHT)
    yield Known("chatter after", body + "\n\nThis function works as follows: it", RIGHT)
    yield Known("run-on", body + "\n\nprint(undefined_name)\nassert False", RIGHT)
    run_on = f"{body.rstrip()}\n\n\ndef another_function(values):\n    return (values +"
    yield Known("run-on that is cut", run_on, RIGHT, "length")


def _remarked(body: str, remarks: str, continued: bool) -> str:
    """The body with remarks at the beginning of lines, where none of them changes anything."""
    return f"\n{remarks}{body.lstrip(chr(10))}" if continued else f"{remarks}{body}"


def _with_helper(problem: Problem) -> Iterator[Known]:
    """The function alone, whose first statement calls what only the prompt holds, or what stands behind it."""
    entry_point = str(problem.tests.get("entry_point", ""))
    whole, stub = problem.reference, problem.prompt
    if not (entry_point and whole.startswith(stub) and extract.is_stub(stub, entry_point)):
        return
    body = whole[len(stub) :].lstrip("\n")
    indent = re.match(r"[ \t]+(?=\S)", body)
    start = re.search(rf"^(?:async[ \t]+)?def[ \t]+{re.escape(entry_point)}\b", stub, re.M)
    if not (indent and stub.endswith("\n")):
        return
    yield Known("helpers behind", f"{indent.group()}_behind()\n{body.rstrip()}\n\n\n{_BEHIND}", RIGHT)
    if start:
        alone = f"{stub[start.start() :]}{indent.group()}{_CALL}\n{body}"
        asked = replace(problem, prompt=_HELPER + stub)
        yield Known("function without the prompt's helper", alone, RIGHT, problem=asked)


def _headed(problem: Problem, text: str) -> str:
    """Indented lines as the body of the function that is asked for, or, where none is, as a program."""
    entry_point = problem.tests.get("entry_point")
    head = f"def {entry_point}(*arguments, **named):\n" if entry_point else "if True:\n"
    return head + text
