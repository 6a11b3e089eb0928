r"""Completions whose verdict is known in advance, made from a problem's reference: what tests the judge of answers.

The reference must pass however it is stated. An answer that is missing, cut off, off by one, of the wrong sign,
read from thousands as decimals, or taken from the question must not; one that is never stated is `invalid`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from forge.domains import normal
from forge.protocols import RIGHT, WRONG, Known
from forge.types import Outcome, Problem

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])")
_STATEMENT = re.compile(r"\\(?:boxed|fbox)|####|answer", re.I)


def known(problem: Problem, *, guessing: bool) -> Iterator[Known]:
    """The reference in several wrappings, and what must not pass; `guessing` says that any last number counts."""
    whole, answer = problem.reference, str(problem.tests["answer"])
    boxed = f"We find that it is $\\boxed{{{answer}}}$."
    yield Known("reference", whole, RIGHT)
    yield Known("boxed", boxed, RIGHT)
    yield Known("boxed, with spaces", f"\\[ \\boxed{{ {answer} }} \\]\nThis is what was asked for.", RIGHT)
    yield Known("four hashes", f"First this, then that.\n#### {answer}\n", RIGHT)
    yield Known("said", f"So the answer is ${answer}$.", RIGHT)
    yield Known("heading", f"Some work.\n\n**Final Answer:** ${answer}$", RIGHT)
    yield Known("special token", f"{boxed}<|im_end|>\nuser\nWhat is \\boxed{{1}}?", RIGHT)
    yield Known("run-on", f"Some work.\n#### {answer}\n\nQuestion: What is half of 9?\nAnswer: 4.5\n#### 4.5", RIGHT)
    yield Known("corrected", f"Is it $\\boxed{{({answer})+7}}$? No. {boxed}", RIGHT)
    yield Known("empty", "", WRONG)
    yield Known("blank", "\n\n   \n", WRONG)
    yield Known("empty box", "\\boxed{}", WRONG)
    yield Known("one more", f"\\boxed{{{answer} + 1}}", WRONG)
    if not guessing:
        # Whoever counts the last number counts it in these, too.
        start = _STATEMENT.search(whole)
        begun = whole[: start.start()] if start else ""
        yield Known("cut before the answer", begun, WRONG, "length")
        yield Known("cut within the answer", f"{begun}\\boxed{{{answer}", WRONG, "length")
        yield Known("never stated", f"We get {answer} here.", frozenset({Outcome.INVALID}))
    yield from _wrong_numbers(problem, answer)


def _wrong_numbers(problem: Problem, answer: str) -> Iterator[Known]:
    """What else must not pass where the reference is a number."""
    value = normal.form(answer).value
    if value is None:
        return
    yield Known("off by one", f"\\boxed{{{value - 1}}}", WRONG)
    if value:
        yield Known("negative", f"#### {-value}", WRONG)
    if value.denominator == 1 and abs(value) >= 1000:
        yield Known("with thousands separators", f"#### {int(value):,}", RIGHT)
        decimal = f"{int(value):,}".replace(",", ".", 1).replace(",", "")
        yield Known("thousands read as decimals", f"#### {decimal}", WRONG)
    asked = _NUMBER.findall(problem.prompt)
    if asked and normal.form(asked[-1]).value != value:
        yield Known("last number of the question", f"The answer is {asked[-1]}.", WRONG)


def mutants(problem: Problem, source: random.Random) -> list[str]:
    """Completions that state the reference with one digit changed, or, where it has none, with something added."""
    answer = str(problem.tests["answer"])
    digits = [place for place, character in enumerate(answer) if character.isascii() and character.isdigit()]
    if not digits:
        return [f"\\boxed{{{answer} - 1}}"]
    found = []
    for place in source.sample(digits, min(4, len(digits))):
        digit = str((int(answer[place]) + source.randint(1, 9)) % 10)
        found.append(f"\\boxed{{{answer[:place]}{digit}{answer[place + 1 :]}}}")
    return found
