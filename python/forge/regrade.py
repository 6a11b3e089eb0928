"""Whether an export still does what the model did: the same problems, asked of both, judged, and compared in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forge import attempt, compare, models
from forge.errors import CheckFailed
from forge.generators import parity
from forge.prompts import Format
from forge.tally import Count
from forge.types import Outcome, Problem, Sampling

LEAST_SAME = 0.9
"""The share of greedy completions that an unquantized export must give token by token."""


@dataclass(frozen=True, slots=True)
class Regraded:
    """What came out: the comparison of pass rates, export minus model, and the agreement of the tokens."""

    found: compare.Comparison
    same: parity.Parity

    def told(self) -> list[str]:
        """The result in words, one line for each fact."""
        found = self.found
        lines = [
            f"the model passes {100 * found.before:.1f} % of {found.n} problems, the export {100 * found.after:.1f} %: "
            f"{100 * found.value:+.1f} points ({100 * found.low:+.1f} to {100 * found.high:+.1f})",
            f"{self.same.equal} of {self.same.total} greedy completions agree in every token",
        ]
        return lines + ([f"the first difference: {self.same.first}"] if self.same.first else [])


def regrade(model: Any, export: Any, problems: Sequence[Problem], format: Format, domain: Any, tokens: int) -> Regraded:
    """Answer each problem greedily with the model and with its export, both generators, and compare.

    Raises:
        GeneratorError: one of them failed.
    """
    sampling = Sampling(0.0, max_tokens=tokens, stops=format.stops_for(problems))
    judged = [_judged(generator, problems, format, domain, sampling) for generator in (model, export)]
    prompts = [format.solve(problem) for problem in problems]
    return Regraded(compare.compare(*judged), parity.compare(model, export, prompts, tokens))


def demand(result: Regraded, exact: bool) -> None:
    """Refuse an export that passes fewer problems than chance explains or, where it should, says something else.

    Raises:
        CheckFailed: so it is.
    """
    if result.found.high < 0 or (result.found.value < 0 and result.found.p < 0.05):
        raise CheckFailed(f"the export is worse than the model: {result.told()[0]}", "choose a higher --precision")
    if exact and result.same.equal < LEAST_SAME * result.same.total:
        raise CheckFailed(f"the export says something else than the model: {'; '.join(result.told()[1:])}")


def demand_same_tokens(model: str, export: Path, texts: Sequence[str]) -> None:
    """Refuse an export whose own tokenizer reads a text as other tokens than the model's.

    Raises:
        CheckFailed: so it does.
    """
    ours, theirs = models.load_tokenizer(model), models.load_tokenizer(str(export))
    for text in texts:
        expected, found = ours(text)["input_ids"], theirs(text)["input_ids"]
        if list(expected) != list(found):
            raise CheckFailed(
                f"llama.cpp reads {text[:60]!r} as other tokens than the model: {found[:12]}, not {expected[:12]}",
                "its tokenizer has no name in GGUF; forge's own llamacpp generator works, since it gives token ids",
            )


def _judged(generator: Any, problems: Sequence[Problem], format: Format, domain: Any, sampling: Sampling) -> Any:
    by_id = {problem.id: problem for problem in problems}
    made = list(attempt.attempts(problems, format.solve, generator, sampling, 1, len(problems)))
    counts: dict[str, Count] = {}
    errors = 0
    for verdict, one in zip(domain.judge((by_id[one.problem_id], one) for one in made), made, strict=True):
        if verdict.outcome is Outcome.ERROR:
            errors += 1
        else:
            counts[one.problem_id] = Count().more(verdict.outcome is Outcome.PASS)
    return compare.Judged(generator.name, counts, errors, 0)
