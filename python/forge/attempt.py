"""Asking a model: problems in, attempts out, in batches that content alone fixes.

A batch is owed as a whole while one of its attempts is: since its prompts and its seed follow from the
problems and the run's seed, a resumed run asks exactly what the interrupted one would have asked. A generator
whose completions do not depend on each other is asked for those alone that are owed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from forge.protocols import Generator
from forge.types import Attempt, Problem, Prompt, Sampling, content_id

Key = tuple[str, int]
"""Which attempt: a problem's id and the number of the sample."""


def attempts(
    problems: Sequence[Problem],
    ask: Callable[[Problem], Prompt],
    generator: Generator,
    sampling: Sampling,
    samples: int,
    rows: int,
    done: Collection[Key] = frozenset(),
    since: int = 0,
) -> Iterator[Attempt]:
    """The attempts that are owed: `samples` for each problem, less those `done` or before `since`, as they finish.

    Raises:
        GeneratorError: the model failed; attempts yielded before stay good.
    """
    for batch in _batches(problems, range(since, samples), rows):
        if all((problem.id, index) in done for problem, index in batch):
            continue
        first, index = batch[0]
        seed = int(content_id(sampling.seed, first.id, index, len(batch)), 16)
        # What is not owed keeps its place, since places and seeds belong together.
        alone = getattr(generator, "independent", False)
        prompts: list[Any] = [None if alone and (p.id, number) in done else ask(p) for p, number in batch]
        for completion in generator.generate(prompts, replace(sampling, seed=seed)):
            problem, index = batch[completion.index]
            if (problem.id, index) not in done:
                yield _attempt(problem, index, completion.text, completion.finish, generator.name)


def _batches(problems: Sequence[Problem], indices: range, rows: int) -> Iterator[list[tuple[Problem, int]]]:
    everything = ((problem, index) for problem in problems for index in indices)
    while batch := list(islice(everything, rows)):
        yield batch


def _attempt(problem: Problem, index: int, text: str, finish: str, name: str) -> Attempt:
    number = content_id(problem.id, index, text, finish, name)
    return Attempt(number, problem.id, index, text, finish, name)
