"""One line of feedback on a failed answer: the wording is shared by judges and by the embedded model's corpus.

A line holds what a solver may see (the call, what it gave, what was expected, the exception) and nothing
that differs between two runs of the same program: no path, address or time.
"""

import re

MAX_CHARACTERS = 200
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")


def returned(call: str, got: str, expected: str) -> str:
    """A call that came back with the wrong value; all three are source text."""
    return _line(f"{call} returned {got}, expected {expected}")


def raised(call: str, exception: str, message: str) -> str:
    """A call that raised; `exception` is the type's name."""
    return _line(f"{call} raised {exception}: {message}" if message else f"{call} raised {exception}")


def unloadable(exception: str, message: str) -> str:
    """A program that does not compile, or raises before its function can be called."""
    return _line(f"{exception}: {message}" if message else exception)


def undefined(name: str) -> str:
    """A program that runs but lacks the function it was asked for."""
    return _line(f"{name} is not defined")


def failed(test: str) -> str:
    """A test that did not hold and has no single call to show."""
    return _line(f"{test} does not hold")


def unequal(answer: str) -> str:
    """An answer that is not the reference; the reference is not told."""
    return _line(f"the answer {answer} is not right")


def unstated() -> str:
    """A solution that never says what its answer is."""
    return "no answer is stated"


def limit(what: str) -> str:
    """A program stopped at a limit: `time`, `memory` or `output`."""
    return f"stopped at the {what} limit"


def _line(text: str) -> str:
    text = _ADDRESS.sub("0x", " ".join(text.split()))
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 3] + "..."
