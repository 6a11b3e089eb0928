"""The published kind of control: correct out-of-family functions and mechanical corruptions of them.

A corruption changes one token of the body (an operator, a comparison, a number by one, a truth value, a
negated return). Corrupted programs are text here and never run: some still pass their tests and some do
not end, which the caller finds out in the sandbox.
"""

from __future__ import annotations

import io
import random
import re
import tokenize
from collections.abc import Iterator
from typing import Any

from forge.nano.foreign_functions import TEMPLATES, Template
from forge.types import Problem

_SWAPS = {
    "+": "-", "-": "+", "*": "+", "//": "%", "%": "//", "<": "<=", "<=": "<", ">": ">=", ">=": ">",
    "==": "!=", "!=": "==", "and": "or", "or": "and", "True": "False", "False": "True", "in": "not in",
}  # fmt: skip


def foreign_pairs(seed: int, count: int) -> Iterator[tuple[Problem, str, str]]:
    """`count` different triples of a problem, a corrupted program and the right one; several per function.

    Raises:
        ValueError: more were asked for than there are.
    """
    rng = random.Random(f"forge nano foreign {seed}")
    yielded: set[str] = set()
    misses = 0
    while len(yielded) < count:
        for template in rng.sample(TEMPLATES, len(TEMPLATES)):
            if len(yielded) == count:
                return
            stub, program = _filled(template, rng)
            broken = stub + rng.choice(corruptions(program[len(stub) :]))
            if broken in yielded:
                misses += 1
                if misses > 1000 + 20 * count:
                    raise ValueError(f"there are fewer than {count} foreign pairs")
                continue
            yielded.add(broken)
            yield _problem(template, f"foreign/{seed}/{len(yielded):04d}", stub, program), broken, program


def corruptions(body: str) -> list[str]:
    """Every body that differs from this one by a single mechanical change, in order."""
    found = []
    lines = body.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO("if 1:\n" + body + "\n").readline):
        row = token.start[0] - 2
        if row < 0 or token.start[0] != token.end[0] or row >= len(lines):
            continue
        for text in _replacements(token, lines[row]):
            line = lines[row][: token.start[1]] + text + lines[row][token.end[1] :]
            found.append("".join([*lines[:row], line, *lines[row + 1 :]]))
    return found


def _replacements(token: tokenize.TokenInfo, line: str) -> list[str]:
    if token.type == tokenize.NUMBER:
        return [str(int(token.string) + 1), str(int(token.string) - 1)]
    if token.string == "in" and line.lstrip().startswith("for "):
        return []
    if token.string == "return":
        return ["return not"]
    swapped = _SWAPS.get(token.string)
    return [swapped] if swapped else []


def _filled(template: Template, rng: random.Random) -> tuple[str, str]:
    """The stub and the whole program with constants put in for `K` and `M`."""
    constant = rng.choice(template.constants)

    def fill(text: str) -> str:
        return re.sub(r"\bM\b", str(constant + 6), re.sub(r"\bK\b", str(constant), text))

    stub = f'def {template.head}:\n    """{fill(template.docstring)}"""\n'
    return stub, stub + fill(template.body)


def _problem(template: Template, label: str, stub: str, program: str) -> Problem:
    """The problem of a filled template, with expected values from its own right program."""
    name = template.head.partition("(")[0]
    namespace: dict[str, Any] = {}
    exec(compile(program, "<foreign>", "exec"), namespace)
    asserts = []
    for arguments in template.arguments:
        value = eval(f"{name}({arguments})", namespace)
        asserts.append(f"assert {name}({arguments}) == {value!r}")
    return Problem(
        id=label,
        domain="python",
        split="train",
        prompt=stub,
        tests={"entry_point": name, "asserts": asserts},
        reference=program,
    )
