"""Prompt formats: one table used to ask, to train and to measure.

A format turns a problem into what a model is given, and an answer into what the model should have written. `nano`
is the embedded model's own; `completion` is raw text that a base model continues; `few-shot` puts worked examples
before it (`shots`); `chat` suits models with a chat template. Each knows the kinds of problem there are: `Kind`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from forge import extract
from forge.shots import INVENTION, SHOTS
from forge.types import Problem, Prompt


class Kind(StrEnum):
    """How a problem says what is wanted, and so how it can be asked."""

    STUB = "stub"
    """Code that goes on: imports, a `def` line and its docstring."""
    WORDS = "words"
    """Words, and perhaps asserts, that ask for a function or a class."""
    PROGRAM = "program"
    """Words that ask for a program which reads standard input and prints."""
    QUESTION = "question"
    """A question of mathematics."""
    INVENTION = "invention"
    """No problem: one is asked for."""


def kind(problem: Problem) -> Kind:
    """The kind of a problem, by its tests and the characters of its prompt."""
    if problem.domain == "math":
        return Kind.QUESTION
    if extract.is_stub(problem.prompt, str(problem.tests.get("entry_point", ""))):
        return Kind.STUB
    return Kind.PROGRAM if "cases" in problem.tests else Kind.WORDS


@dataclass(frozen=True, slots=True)
class Format:
    """One way of talking to a model.

    `solve` asks for an answer, `repair` shows a failed answer and its feedback, `propose` asks for a new problem;
    `target` is the completion that states an answer (a whole program, or a worked solution). `stops` only save
    tokens: none may cut a right answer, and the grader's self-test looks for one that does. Where a problem's
    kind has none, the completion ends with the end token or at the token limit.
    """

    name: str
    stops: Mapping[Kind, tuple[str, ...]]
    solve: Callable[[Problem], Prompt]
    repair: Callable[[Problem, str, str], Prompt]
    propose: Callable[[], Prompt]
    target: Callable[[Problem, str], str]

    def stops_for(self, problems: Sequence[Problem]) -> tuple[str, ...]:
        """The stop strings that suit every one of these problems."""
        kinds = list(dict.fromkeys(kind(problem) for problem in problems))
        every = [self.stops.get(found, ()) for found in kinds]
        return tuple(stop for stop in every[0] if all(stop in stops for stops in every)) if every else ()


def _body(problem: Problem, answer: str) -> str:
    """The part of a program after the stub it repeats; the whole program where it does not repeat it."""
    return answer[len(problem.prompt) :] if answer.startswith(problem.prompt) else answer


def _nano_repair(problem: Problem, answer: str, feedback: str) -> Prompt:
    return f"# repair\n{answer}\n# error: {feedback}\n# fixed\n"


NANO = Format(
    name="nano",
    stops={},
    solve=lambda problem: f"# solve\n{problem.prompt}",
    repair=_nano_repair,
    propose=lambda: "# invent\n",
    target=_body,
)


def _as_code(prompt: str) -> str:
    """A prompt that code can follow: words become a module's docstring, which a prompt of MBPP already is."""
    if prompt.lstrip().startswith(('"""', "'''", "#", "@", "def ", "class ", "import ", "from ")):
        return prompt
    words = prompt.strip().replace('"""', "'''")
    return f'"""\n{words}\n"""\n'


def _as_words(prompt: str) -> str:
    """A prompt without the marks of a docstring around it."""
    words = prompt.strip()
    quoted = len(words) >= 6 and words[:3] == words[-3:] and words[:3] in ('"""', "'''")
    return words[3:-3].strip() if quoted else words


_ENDS = "Each solution ends in a line of four hashes and the answer alone, like this: #### 7\n\n"


def _question(number: int, question: str) -> str:
    return f"Problem {number}: {question.strip()}\nSolution {number}:"


def _completion_solve(problem: Problem) -> Prompt:
    found = kind(problem)
    if found is Kind.QUESTION:
        return _ENDS + _question(1, problem.prompt)
    return problem.prompt if found is Kind.STUB else _as_code(problem.prompt)


def _completion_repair(problem: Problem, answer: str, feedback: str) -> Prompt:
    found = kind(problem)
    if found is Kind.QUESTION:
        wrong = f"A wrong solution: {answer.strip()}\nWhat is wrong with it: {feedback}\nSolution 1:"
        return f"{_ENDS}Problem 1: {problem.prompt.strip()}\n{wrong}"
    if found is Kind.STUB:
        return (
            f"# A function that does not work yet:\n{answer.rstrip()}\n\n# What goes wrong: {feedback}\n"
            f"# The same function, corrected:\n{problem.prompt}"
        )
    return (
        f"{_as_code(problem.prompt)}\n# A program that does not do this yet:\n{answer.rstrip()}\n\n"
        f"# What goes wrong: {feedback}\n# The same program, corrected:\n"
    )


def _continued(problem: Problem, answer: str) -> str:
    """What follows the prompt of a raw format."""
    return f" {answer.strip()}\n" if kind(problem) is Kind.QUESTION else _body(problem, answer)


COMPLETION = Format(
    name="completion",
    # Behind the function that a stub begins nothing is needed that stands below its first call. Elsewhere these
    # marks may come before the function that is asked for, or be part of the program.
    stops={
        Kind.STUB: ("\nif __name__", "\nassert ", "\nprint("),
        Kind.WORDS: ("\nif __name__",),
        Kind.QUESTION: ("\nProblem 2:",),
        Kind.INVENTION: ("\n# Another short Python problem",),
    },
    solve=_completion_solve,
    repair=_completion_repair,
    propose=lambda: INVENTION,
    target=_continued,
)


def _shown(found: Kind, number: int, prompt: str) -> str:
    """One problem of several, numbered: an answer is over where the next number stands."""
    return _question(number, prompt) if found is Kind.QUESTION else f"# Problem {number}\n{_as_code(prompt)}"


def _few_shot_solve(problem: Problem) -> Prompt:
    found = kind(problem)
    shots = SHOTS[found]
    space, end = (" ", "\n\n") if found is Kind.QUESTION else ("", "\n")
    shown = [f"{_shown(found, i, prompt)}{space}{answer}{end}" for i, (prompt, answer) in enumerate(shots, start=1)]
    return "".join(shown) + _shown(found, len(shots) + 1, problem.prompt)


def _next(found: Kind) -> str:
    """How the problem begins that would follow the one that is asked."""
    number = len(SHOTS[found]) + 2
    return f"\nProblem {number}:" if found is Kind.QUESTION else f"\n# Problem {number}"


FEW_SHOT = Format(
    name="few-shot",
    stops={
        **{found: (_next(found),) for found in (Kind.STUB, Kind.WORDS, Kind.PROGRAM, Kind.QUESTION)},
        Kind.INVENTION: COMPLETION.stops[Kind.INVENTION],
    },
    solve=_few_shot_solve,
    repair=_completion_repair,
    propose=COMPLETION.propose,
    target=_continued,
)

_CODER = {"role": "system", "content": "You write correct Python. Answer with one Python code block and nothing else."}
_SOLVER = {"role": "system", "content": "You solve problems in mathematics."}
_BOXED = "Reason step by step, then end with the answer alone in \\boxed{}."


def _turn(text: str, system: Mapping[str, str] = _CODER) -> Prompt:
    return (system, {"role": "user", "content": text})


def _fenced(text: str) -> str:
    return f"```python\n{text.strip()}\n```"


def _chat_solve(problem: Problem) -> Prompt:
    words = _as_words(problem.prompt)
    match kind(problem):
        case Kind.QUESTION:
            return _turn(f"{words}\n\n{_BOXED}", _SOLVER)
        case Kind.STUB:
            return _turn(f"Complete this function. Repeat it in full.\n\n{_fenced(problem.prompt)}")
        case Kind.PROGRAM:
            return _turn(f"Write a whole program that reads standard input and prints what is asked for.\n\n{words}")
        case _:
            return _turn(f"Write the code that this asks for, with the names that it gives.\n\n{words}")


def _chat_repair(problem: Problem, answer: str, feedback: str) -> Prompt:
    found = kind(problem)
    wrong = f"What goes wrong: {feedback}\n\n"
    if found is Kind.STUB:
        failed = f"This function should work but does not:\n\n{_fenced(answer)}\n\n"
        return _turn(f"{failed}{wrong}Write the corrected function in full.")
    asked = f"{_as_words(problem.prompt)}\n\nThis answer should be right but is not:\n\n"
    if found is Kind.QUESTION:
        return _turn(f"{asked}{answer.strip()}\n\n{wrong}{_BOXED}", _SOLVER)
    return _turn(f"{asked}{_fenced(answer)}\n\n{wrong}Write the corrected program in full.")


CHAT = Format(
    name="chat",
    stops={},
    solve=_chat_solve,
    repair=_chat_repair,
    propose=lambda: _turn(
        "Invent a short programming problem. Write one Python function with a docstring that says exactly "
        "what it returns, then its body, then three `assert` lines that call it, one line each."
    ),
    target=lambda problem, answer: answer if kind(problem) is Kind.QUESTION else _fenced(answer),
)

FORMATS: dict[str, Format] = {format.name: format for format in (NANO, COMPLETION, FEW_SHOT, CHAT)}


def render(tokenizer: Any, prompt: Prompt) -> str:
    """The text that the model reads: chat turns go through the tokenizer's own template."""
    if isinstance(prompt, str):
        return prompt
    return str(
        tokenizer.apply_chat_template([dict(turn) for turn in prompt], tokenize=False, add_generation_prompt=True)
    )
