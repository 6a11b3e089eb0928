"""Where the rows of a run are: one folder, and below it a file for each noun.

run.toml                         the header
proposals/                       attempts at inventing, and their verdicts
problems.jsonl                   the problems that were kept
attempts.jsonl verdicts.jsonl    attempts at them
pairs.jsonl adapter/             what was mined, and what was trained on it
controls/NAME/                   the same two for each control, and for the teacher
eval/ARM/greedy|sampled/         attempts at the held-out problems, and their verdicts
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
from forge.store import Rows, write_whole
from forge.types import Attempt, Pair, Problem, Verdict


@dataclass(frozen=True, slots=True)
class Judged:
    """The attempts and verdicts of one folder."""

    attempts: Rows[Attempt]
    verdicts: Rows[Verdict]

    @classmethod
    def below(cls, folder: Path) -> Judged:
        """Those in this folder."""
        return cls(Rows(folder / "attempts.jsonl", Attempt), Rows(folder / "verdicts.jsonl", Verdict))

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

    def record(self, stage: str) -> dict[str, Any]:
        """What `finish` recorded of a stage; empty where it has not finished."""
        path = self._record(stage)
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}

    def finished(self, stage: str, rows: Rows[Pair]) -> bool:
        """Whether the stage has finished and its rows are all there."""
        record = self.record(stage)
        return bool(record) and record["rows"] == len(rows.read())

    def finish(self, stage: str, rows: Rows[Pair], made: Sequence[Pair], facts: Mapping[str, Any]) -> None:
        """Write what a stage made all at once: rows that a crash left behind are kept, not doubled."""
        there = {row.id for row in rows.read()}
        rows.append([row for row in made if row.id not in there])
        write_whole(self._record(stage), json.dumps({**facts, "rows": len(made)}) + "\n")

    def _record(self, stage: str) -> Path:
        return self.path / "stages" / f"{_plain(stage)}.json"


def _plain(arm: str) -> str:
    return arm.replace(score.CONTROL, "").replace(" ", "-")
