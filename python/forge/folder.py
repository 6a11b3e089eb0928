"""Where the rows of a run are: one folder, and below it a file for each noun.

run.toml                         the header
proposals/                       attempts at inventing, and their verdicts
problems.jsonl                   the problems that were kept
attempts.jsonl verdicts.jsonl    attempts at them
pairs.jsonl adapter/             what was mined, and what was trained on it
controls/NAME/                   the same two for each control, and for the teacher
eval/ARM/greedy|sampled/         attempts at the held-out problems, and their verdicts
eval/base/asked/FORMAT/          the base model's greedy ones in another prompt format
stages/NAME.json                 what a stage that ends all at once recorded
scores.json report.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forge import models, score
from forge.mine import by_problem
from forge.prompts import FORMATS
from forge.store import Rows, write_whole
from forge.types import Attempt, Outcome, Pair, Problem, Verdict


@dataclass(frozen=True, slots=True)
class Judged:
    """The attempts and verdicts of one folder."""

    attempts: Rows[Attempt]
    verdicts: Rows[Verdict]

    @classmethod
    def below(cls, folder: Path) -> Judged:
        """Those in this folder."""
        return cls(Rows(folder / "attempts.jsonl", Attempt), Rows(folder / "verdicts.jsonl", Verdict))

    def made_with(self, marker: Mapping[str, Any] | None) -> list[Attempt]:
        """The attempts that the adapter with this marker made; all of them where there is no adapter."""
        end = "" if marker is None else f"+{marker['digest']}"
        return [attempt for attempt in self.attempts.read() if attempt.generator.endswith(end)]

    def latest(self) -> list[Verdict]:
        """The last verdict of each attempt."""
        return list({verdict.attempt_id: verdict for verdict in self.verdicts.read()}.values())

    def by_problem(self) -> dict[str, list[Verdict]]:
        """Each problem's verdicts in the order of its samples."""
        return by_problem(self.attempts.read(), self.verdicts.read())


class Folder:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems = Rows(path / "problems.jsonl", Problem)
        self.proposals = Judged.below(path / "proposals")
        self.tried = Judged.below(path)
        self.pairs = self.arm_pairs(score.ADAPTER)

    def arm(self, arm: str) -> Path:
        """Where an arm's pairs and adapter are: the run itself for the adapter, `controls/` for the others."""
        return self.path if arm == score.ADAPTER else self.path / "controls" / _plain(arm)

    def arm_pairs(self, arm: str) -> Rows[Pair]:
        """The pairs that an arm is trained on."""
        return Rows(self.arm(arm) / "pairs.jsonl", Pair)

    def adapter(self, arm: str) -> Path:
        """Where an arm's adapter is, or will be."""
        return self.arm(arm) / "adapter"

    def marker(self, arm: str) -> dict[str, Any] | None:
        """What the trainer recorded of an arm's finished adapter; None without one."""
        return None if arm == score.BASE else models.read_marker(self.adapter(arm))

    def measured(self, arm: str, kind: str) -> Judged:
        """The attempts of an arm at the held-out problems; `kind` is `greedy` or `sampled`."""
        return Judged.below(self.path / "eval" / _plain(arm) / kind)

    def asked(self, format: str) -> Judged:
        """The greedy attempts of the base at the held-out problems in a prompt format other than the run's."""
        return Judged.below(self.path / "eval" / score.BASE / "asked" / format)

    def record(self, stage: str) -> dict[str, Any]:
        """What `finish` recorded of a stage; empty where it has not finished."""
        path = self._record(stage)
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}

    def finished(self, stage: str, rows: Rows[Pair], inputs: str) -> bool:
        """Whether the stage has finished on these inputs and its rows are all there."""
        record = self.record(stage)
        return bool(record) and record["inputs"] == inputs and record["rows"] == len(rows.read())

    def finish(self, stage: str, rows: Rows[Pair], made: Sequence[Pair], inputs: str, facts: Mapping[str, Any]) -> None:
        """Write what a stage made all at once, in place of what it made of other inputs."""
        rows.replace(made)
        write_whole(self._record(stage), json.dumps({**facts, "inputs": inputs, "rows": len(made)}) + "\n")

    def kept(self) -> list[Problem]:
        """The problems whose proposal was accepted by its latest verdict, in the order they were kept."""
        accepted = {v.answer for v in self.proposals.latest() if v.outcome is Outcome.PASS}
        return list({p.id: p for p in self.problems.read() if p.reference in accepted}.values())

    def served(self, arm: str, kind: str) -> list[Attempt]:
        """The measured attempts that this arm's present adapter made; older ones no longer count."""
        return self.measured(arm, kind).made_with(self.marker(arm))

    def take_attempts(self, other: Path) -> None:
        """Copy what another run did before it mined: proposals, problems, attempts, and the measured base."""
        theirs = Folder(other)
        base = [(theirs.measured(score.BASE, kind), self.measured(score.BASE, kind)) for kind in ("greedy", "sampled")]
        base += [
            (theirs.asked(format), self.asked(format)) for format in FORMATS if theirs.asked(format).attempts.read()
        ]
        for old, new in [(theirs.proposals, self.proposals), (theirs.tried, self.tried), *base]:
            new.attempts.replace(old.attempts.read())
            new.verdicts.replace(old.verdicts.read())
        self.problems.replace(theirs.problems.read())

    def _record(self, stage: str) -> Path:
        return self.path / "stages" / f"{_plain(stage)}.json"


def _plain(arm: str) -> str:
    return arm.replace(score.CONTROL, "").replace(" ", "-")
