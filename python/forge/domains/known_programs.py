"""Programs whose verdict is known in advance, made from a problem's reference: what tests the judge of programs.

References must pass however they are wrapped; cut ones must pass or be called truncated; empty ones, early
exits, printed claims and answers that equal everything must not pass.
"""

from __future__ import annotations

from collections.abc import Iterator

from forge.protocols import CUT, RIGHT, WRONG, Known
from forge.types import Problem

_EQUAL = (
    "    class Equal(int):\n        __eq__ = __ge__ = __le__ = __gt__ = __lt__ = lambda self, other: True\n"
    "        __ne__ = lambda self, other: False\n        __hash__ = int.__hash__\n    return Equal(0)"
)


def known(problem: Problem) -> Iterator[Known]:
    """The reference in several wrappings, and what must not pass for it."""
    whole, stub = problem.reference, problem.prompt
    body = whole[len(stub) :] if whole.startswith(stub) else whole
    half = body[: len(body) // 2]
    yield Known("reference", body, RIGHT)
    yield Known("whole reference", whole, RIGHT)
    yield Known("fenced reference", f"Sure:\n```python\n{whole}\n```\nThis works.", RIGHT)
    yield Known("open fence", f"```python\n{whole}\n", RIGHT)
    yield Known("chatter after", body + "\n\nThis function works as follows: it", RIGHT)
    yield Known("special token", body + "<|im_end|>\nuser\nanother", RIGHT)
    yield Known("run-on", body + "\n\nprint(undefined_name)\nassert False", RIGHT)
    run_on = f"{body.rstrip()}\n\n\ndef another_function(values):\n    return (values +"
    yield Known("run-on that is cut", run_on, RIGHT, "length")
    yield Known("cut in half", half, CUT, "length")
    yield Known("empty", "", WRONG)
    yield Known("blank", "\n\n   \n", WRONG)
    yield Known("early exit", "    import os\n    os._exit(0)", WRONG)
    yield Known("polite exit", "    raise SystemExit(0)", WRONG)
    yield Known("printed claim", "    print('all tests passed')", WRONG)
    yield Known("equals everything", _EQUAL, WRONG)
