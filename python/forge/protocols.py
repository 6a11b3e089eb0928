"""The seams: what a judge, domain, generator and trainer must do. Structural: nothing to inherit.

An implementation is one file and one line in the dict of names beside it; a dotted path
`package.module:Class` in the config loads one from outside the package the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from forge.types import Adapter, Attempt, Completion, Flaw, Outcome, Pair, Problem, Prompt, Sampling, Verdict

UNJUDGED = "not judged"
"""The reason of a problem that forge failed to vet: it is owed, not rejected."""


SHARED = "+shared-process"
"""How a verdict's `judge` ends where tests and program shared a process."""


RIGHT = frozenset({Outcome.PASS})
"""The outcomes of a completion that is right."""

CUT = frozenset({Outcome.PASS, Outcome.TRUNCATED})
"""Those of one that was cut."""

WRONG = frozenset(Outcome) - {Outcome.PASS, Outcome.ERROR}
"""Those of one that is wrong."""


class Known(NamedTuple):
    """A completion whose verdict is known in advance: which outcomes are right for it.

    It answers `problem` where that is given, a variant of the one that was asked about.
    """

    kind: str
    completion: str
    outcomes: frozenset[Outcome]
    finish: str = "stop"
    problem: Problem | None = None


class Judge(Protocol):
    """Turns attempts into verdicts. Knows nothing of models."""

    version: str
    """Name, version and isolation level: goes into every verdict; a change makes old verdicts owed again."""

    def judge(self, items: Iterable[tuple[Problem, Attempt]]) -> Iterator[Verdict]:
        """One verdict for each item, in the same order; its own failure is `error`, never `fail`."""
        ...


class Domain(Judge, Protocol):
    """A kind of problem that can be judged and, where the domain allows, invented."""

    name: str
    invents: bool
    """Whether what `parse` and `vet` let through can be believed; where not, a run only measures."""

    def parse(self, completion: str) -> Problem | str:
        """The problem that a proposal states, or the named reason why it states none. Executes nothing."""
        ...

    def vet(self, problems: Sequence[Problem], seed: int) -> Iterator[Problem | str]:
        """For each parsed problem, in order: the problem fit for use, its tests strengthened, or a reason.

        The reason `UNJUDGED` means that forge failed: the problem is vetted again.
        """
        ...

    def flaws(self, items: Sequence[tuple[Problem, Verdict, Sequence[str]]]) -> list[Flaw]:
        """What is wrong with each failing answer, by name; beside it stand answers to the same problem that pass."""
        ...

    def overlap_keys(self, prompt: str, answer: str) -> frozenset[str]:
        """Normal forms of a prompt and an answer (either may be empty): sharing one means the same problem."""
        ...


class Voting(Judge, Protocol):
    """A judge whose domain can say which answers to a problem are the same, so that they can be put to a vote."""

    def classes(self, problem: Problem, answers: Sequence[str], seed: int) -> list[int | None]:
        """For each answer the number of its class, None where it has no vote: equal numbers, equivalent answers.

        Looks at the prompt and never at tests or reference. Answers that come later change nothing for those before.
        """
        ...


class Tested(Judge, Protocol):
    """A judge that can be tested, since its domain knows answers with their verdicts."""

    def known(self, problem: Problem) -> Iterator[Known]:
        """Completions for a problem whose verdict is known, made from its reference."""
        ...

    def mutants(self, problems: Sequence[Problem], seed: int) -> list[list[str]]:
        """For each problem, completions that differ from its reference in one place: at least one is wrong."""
        ...


class Generator(Protocol):
    """Turns prompts into completions.

    It is made as `Generator(model, adapter="", device="auto", rows=512, engine=config.AS_IT_COMES)`.
    """

    name: str
    """Backend, model and adapter digest: goes into every attempt."""

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[Completion]:
        """Answer every prompt; completions come as they finish, `index` restores the order.

        Equal prompts, sampling and batch give equal completions on the same machine. A generator that has an
        attribute `independent` which is true is given None in place of a prompt whose completion is not owed.

        Raises:
            GeneratorError: the backend failed, or a prompt cannot fit.
        """
        ...

    def use(self, adapter: str) -> None:
        """Answer with the adapter in this folder from now on, or with the base alone where it is empty.

        Raises:
            GeneratorError: the adapter is unfinished, belongs to another model, or is not live: what the backend
                serves gives the trainer's probe another log-probability than the trainer recorded.
        """
        ...

    def close(self) -> None:
        """Give back memory, processes and the accelerator. May be called again."""
        ...


class Trainer(Protocol):
    """Turns pairs into an adapter."""

    def train(self, pairs: Sequence[Pair], out: Path, seed: int) -> Adapter:
        """Train on `prompt` and `chosen`; write only below `out`, the marker last.

        Raises:
            TrainerError: there is nothing to learn from, or training diverged.
        """
        ...
