"""Prompt formats: one table used to ask, to train and to measure.

A format turns a problem into what a model is given, and an answer into what the model should have
written. `nano` is the embedded model's own, `completion` suits base models, `chat` suits models with a
chat template. Problems reach a format as a stub: imports, a `def` line and its docstring.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from forge.types import Problem, Prompt


@dataclass(frozen=True, slots=True)
class Format:
    """One way of talking to a model.

    `solve` asks for an answer, `repair` shows a failed answer and its feedback, `propose` asks for a new
    problem; `target` is the completion that states an answer (a whole program). `stops` only saves
    tokens: extraction never depends on it.
    """

    name: str
    stops: tuple[str, ...]
    solve: Callable[[Problem], Prompt]
    repair: Callable[[Problem, str, str], Prompt]
    propose: Callable[[], Prompt]
    target: Callable[[Problem, str], str]


def _body(problem: Problem, answer: str) -> str:
    """The part of a program after the stub it repeats; the whole program where it does not repeat it."""
    return answer[len(problem.prompt) :] if answer.startswith(problem.prompt) else answer


def _nano_repair(problem: Problem, answer: str, feedback: str) -> Prompt:
    return f"# repair\n{answer}\n# error: {feedback}\n# fixed\n"


NANO = Format(
    name="nano",
    stops=(),
    solve=lambda problem: f"# solve\n{problem.prompt}",
    repair=_nano_repair,
    propose=lambda: "# invent\n",
    target=_body,
)

_SHOT = '''# A short Python problem: a function with a docstring and its body, then three asserts.

def count_vowels(text):
    """Return how many of the characters of text are vowels."""
    return sum(character in "aeiou" for character in text.lower())

assert count_vowels("Banana") == 3
assert count_vowels("") == 0
assert count_vowels("xyz") == 0

# Another short Python problem: a function with a docstring and its body, then three asserts.

'''


def _completion_repair(problem: Problem, answer: str, feedback: str) -> Prompt:
    return (
        f"# A function that does not work yet:\n{answer.rstrip()}\n\n# What goes wrong: {feedback}\n"
        f"# The same function, corrected:\n{problem.prompt}"
    )


COMPLETION = Format(
    name="completion",
    stops=("\nif __name__", "\nassert ", "\nprint("),
    solve=lambda problem: problem.prompt,
    repair=_completion_repair,
    propose=lambda: _SHOT,
    target=_body,
)

_CODER = {"role": "system", "content": "You write correct Python. Answer with one Python code block and nothing else."}


def _turn(text: str) -> Prompt:
    return (_CODER, {"role": "user", "content": text})


def _fenced(text: str) -> str:
    return f"```python\n{text.strip()}\n```"


CHAT = Format(
    name="chat",
    stops=(),
    solve=lambda problem: _turn(f"Complete this function. Repeat it in full.\n\n{_fenced(problem.prompt)}"),
    repair=lambda problem, answer, feedback: _turn(
        f"This function should work but does not:\n\n{_fenced(answer)}\n\nWhat goes wrong: {feedback}\n\n"
        "Write the corrected function in full."
    ),
    propose=lambda: _turn(
        "Invent a short programming problem. Write one Python function with a docstring that says exactly "
        "what it returns, then its body, then three `assert` lines that call it, one line each."
    ),
    target=lambda problem, answer: _fenced(answer),
)

FORMATS: dict[str, Format] = {format.name: format for format in (NANO, COMPLETION, CHAT)}


def render(tokenizer: Any, prompt: Prompt) -> str:
    """The text that the model reads: chat turns go through the tokenizer's own template."""
    if isinstance(prompt, str):
        return prompt
    return str(
        tokenizer.apply_chat_template([dict(turn) for turn in prompt], tokenize=False, add_generation_prompt=True)
    )
