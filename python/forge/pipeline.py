"""A run: what each stage still owes, doing it, and writing it down. The one place that joins stages to the disk.

Every stage asks what is owed by content, does that and appends, so a run that was interrupted anywhere is
finished by starting it again. The order of the methods below is the order of a run. What a stage means is
in its own module; how a person is told is the command line's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from forge import attempt, benchmarks, config, controls, couples, header, mine, models, propose, score, selftest, stream
from forge.config import Config
from forge.decontaminate import Heldout
from forge.domains import domain_for
from forge.errors import CheckFailed, ConfigError, DataError
from forge.folder import Folder, Judged
from forge.generators import GENERATORS
from forge.mine import Couple
from forge.named import demand_names
from forge.panel import other_formats
from forge.prompts import Format, Kind
from forge.sandbox import Limits
from forge.store import locked, write_whole
from forge.trainers import TRAINERS
from forge.types import Attempt, Problem, Sampling, Verdict, content_id, to_row


@contextmanager
def opened(settings: Config, folder: Path, progress: stream.Progress, reuse: Path | None = None) -> Iterator[Run]:
    """The run in `folder`, begun or resumed, with its sandbox open, held by this process alone.

    A run that begins takes over the attempts of the run in `reuse`, which must differ in later stages only.

    Raises:
        ConfigError: the folder holds a run of another config, model or benchmark.
        SandboxError: this host gives less isolation than the config asks for.
        ForgeError: the folder cannot be written, or another process works in it.
    """
    demand_names(settings)
    settings, chosen = header.with_engine(settings, [folder, *([reuse] if reuse else [])])
    if chosen:
        progress.note(chosen)
    with locked(folder):
        held = benchmarks.load(settings.eval.benchmark)[: settings.eval.limit or None]
        judge = settings.judge
        limits = Limits(wall=judge.wall, cpu=judge.cpu, memory=judge.memory_mb * 2**20)
        with domain_for(
            judge.domain, held, every=True, workers=judge.workers, require=judge.require, limits=limits,
            allow_shared=judge.allow_shared, fallback=judge.fallback,
        ) as domain:  # fmt: skip
            run = Run(settings, folder, domain, progress, held)
            name = settings.model.name
            inputs = {
                "model": models.digest(models.location(name)) if run.loads_model else name,
                "benchmark": content_id([to_row(problem) for problem in held]),
            }
            if reuse is not None and not header.is_begun(folder):
                header.demand_same_attempts(reuse, settings, inputs)
                run.files.take_attempts(reuse)
            header.begin(folder, settings, inputs)
            try:
                yield run
            finally:
                run.release()


class Run:
    """One run in one folder. Use `opened`."""

    def __init__(
        self, settings: Config, folder: Path, domain: Any, progress: stream.Progress, held: list[Problem]
    ) -> None:
        self.config = settings
        self.files = Folder(folder)
        self.domain = domain
        self.progress = progress
        self.held = held
        self.tokenizer: Any = None
        self._generator: Any = None
        self._adapter = ""

    # -- what every stage needs ------------------------------------------------------------------

    def seed(self, label: str) -> int:
        """The seed of one purpose in this run."""
        return int(content_id(self.config.run.seed, label), 16) % 2**31

    @property
    def loads_model(self) -> bool:
        """Whether `model.name` names weights; replay takes a file, and a server may have a model that is not here."""
        name, generator = self.config.model.name, self.config.model.generator
        here = name == config.EMBEDDED or Path(name).expanduser().is_dir()
        return generator != "replay" and (generator != "server" or here)

    @property
    def format(self) -> Format:
        """The prompt format of this run's model."""
        if self.tokenizer is None and self.loads_model:
            self.tokenizer = models.load_tokenizer(self.config.model.name)
        return models.choose_format(self.config.model.format, self.config.model.name, self.tokenizer)

    @cached_property
    def panel(self) -> tuple[list[Format], list[str]]:
        """The formats in which the base is measured beside the run's own, and why others are not among them."""
        settings = self.config.eval
        own, name, context = self.format, self.config.model.name, self.config.engine.context
        return other_formats(settings.panel, name, self.tokenizer, own, self.held, settings.max_tokens, context)

    def generator(self, adapter: str = "") -> Any:
        """The model with this adapter, loaded when it is first asked for."""
        if self._generator is None:
            model = self.config.model
            make = config.resolve(GENERATORS, model.generator, "generator")
            self._generator = make(
                model.name, adapter=adapter, device=model.device, rows=model.rows, engine=self.config.engine
            )
        elif self._adapter != adapter:
            self._generator.use(adapter)
        self._adapter = adapter
        return self._generator

    def release(self) -> None:
        """Let the model go, so that memory holds one at a time."""
        if self._generator is not None:
            self._generator.close()
        self._generator = None

    @property
    def invents(self) -> bool:
        """Whether this run lets the model invent problems and trains on them; else it only measures."""
        return bool(getattr(self.domain, "invents", True))

    @cached_property
    def heldout(self) -> Heldout:
        """All problems that nothing trained on may repeat, the measured ones and those of further benchmarks."""
        further = (p for name in self.config.eval.also_held_out for p in benchmarks.load(name))
        return Heldout([*self.held, *further], self.domain.overlap_keys)

    def _sampling(self, settings: Any, label: str, stops: tuple[str, ...], warmth: float | None = None) -> Sampling:
        warmth = settings.temperature if warmth is None else warmth
        return Sampling(warmth, settings.top_p, settings.max_tokens, stops, self.seed(label))

    def _attempt(
        self, name: str, judged: Judged, problems: Sequence[Problem], samples: int, sampling: Sampling,
        adapter: str = "", since: int = 0, format: Format | None = None,
    ) -> None:  # fmt: skip
        """Bring attempts and verdicts of these problems to completeness, generating and judging at once."""
        by_id = {problem.id: problem for problem in problems}
        marker = models.read_marker(Path(adapter)) if adapter else None

        def there() -> list[Attempt]:
            """The attempts so far, those of another adapter or at dropped problems left aside."""
            return [a for a in judged.made_with(marker) if a.problem_id in by_id]

        have = there()
        owed = stream.owed(have, judged.verdicts.read(), self.domain.version)
        # A vote that may end early asks for fewer samples than another command may have drawn.
        done = {(a.problem_id, a.index) for a in have if a.index < samples}
        total = len(problems) * samples
        if len(done) >= total and not owed:
            return
        advance = self.progress.stage(name, total)
        advance(len(done) - len(owed))
        stream.judge_all(self.domain, by_id, owed, judged.verdicts, advance)
        if len(done) < total:
            rows = self.config.model.rows
            ask = (format or self.format).solve
            made = attempt.attempts(problems, ask, self.generator(adapter), sampling, samples, rows, done, since)
            stream.attempt_and_judge(made, self.domain, by_id, judged.attempts, judged.verdicts, advance, rows)
        again = stream.owed(there(), judged.verdicts.read(), self.domain.version)
        stream.judge_all(self.domain, by_id, again, judged.verdicts, lambda done: None)

    # -- the stages, in order --------------------------------------------------------------------

    def check_grader(self) -> None:
        """Show the grader answers whose verdict is known; once per benchmark, judge and run.

        Raises:
            CheckFailed: it judged one of them wrongly, so no score can be believed.
        """
        marker = self.files.path / "selftest.json"
        formats = [self.format, *self.panel[0]]
        stops = {format.name: list(format.stops_for(self.held)) for format in formats}
        stamp = {"benchmark": self.config.eval.benchmark, "judge": self.domain.version, "stops": stops}
        if marker.is_file() and json.loads(marker.read_text())["stamp"] == stamp:
            return
        problems = self.held[: self.config.eval.self_test]
        advance = self.progress.stage("grader self-test", len(problems))
        result = selftest.run(self.domain, problems, self.seed("selftest"), formats)
        advance(len(problems))
        if result.misses:
            shown = "; ".join(result.misses[:3])
            raise CheckFailed(f"the grader misjudged {len(result.misses)} known answers: {shown}", "no score is given")
        write_whole(marker, json.dumps({"stamp": stamp, "judged": result.judged, "kinds": result.kinds}) + "\n")
        self.progress.note(f"grader self-test: {result.judged} known answers, all judged right")

    def measure(self, arm: str) -> None:
        """Greedy and sampled attempts of one arm at the held-out problems."""
        adapter = "" if arm == score.BASE else str(self.files.adapter(arm))
        settings, stops = self.config.eval, self.format.stops_for(self.held)
        for kind, samples, warmth in (("greedy", 1, 0.0), ("sampled", settings.samples, settings.temperature)):
            sampling = self._sampling(settings, f"eval {kind}", stops, warmth)
            self._attempt(
                f"measure {arm}, {kind}", self.files.measured(arm, kind), self.held, samples, sampling, adapter
            )

    def sample(self, arm: str, problems: Sequence[Problem], until: int, adapter: str, since: int = 0) -> None:
        """Sampled attempts `since` up to `until` at some of the held-out problems, by the model with this adapter."""
        sampling = self._sampling(self.config.eval, "eval sampled", self.format.stops_for(self.held))
        judged, name = self.files.measured(arm, "sampled"), f"sample {arm}, {since + 1} to {until}"
        self._attempt(name, judged, problems, until, sampling, adapter, since)

    def measure_panel(self) -> None:
        """Greedy attempts of the base at the held-out problems in the panel's other formats."""
        formats, left_out = self.panel
        for reason in left_out:
            self.progress.note(f"not in the panel of formats: {reason}")
        for format in formats:
            sampling = self._sampling(self.config.eval, "eval greedy", format.stops_for(self.held), 0.0)
            judged = self.files.asked(format.name)
            self._attempt(f"measure base, greedy, {format.name}", judged, self.held, 1, sampling, format=format)

    def propose(self) -> None:
        """Let the model invent problems, and keep those that can be used.

        Raises:
            ConfigError: nothing can be invented in this domain.
        """
        self._demand_invention()
        settings, stops = self.config.propose, self.format.stops.get(Kind.INVENTION, ())
        have = self.files.proposals.attempts.read()
        done = {(a.problem_id, a.index) for a in have}
        if len(done) < settings.tries:
            advance = self.progress.stage("propose problems", settings.tries)
            advance(len(done))
            made = attempt.attempts(
                [propose.PROPOSE], lambda _: self.format.propose(), self.generator(),
                self._sampling(settings, "propose", stops), settings.tries, self.config.model.rows, done,
            )  # fmt: skip
            for made_one in stream.chunks(made, min(64, self.config.model.rows)):
                self.files.proposals.attempts.append(made_one)
                advance(len(made_one))
        self._vet()

    def _demand_invention(self) -> None:
        if not self.invents:
            raise ConfigError(f"problems of the domain {self.domain.name!r} cannot be invented", "forge run measures")

    def _vet(self) -> None:
        proposals = sorted(self.files.proposals.attempts.read(), key=lambda a: a.index)
        # In the order of their indices, since a duplicate is what came later.
        owed = stream.owed(proposals, self.files.proposals.verdicts.read(), self.domain.version)
        if not owed:
            return
        advance = self.progress.stage("vet proposals", len(proposals))
        advance(len(proposals) - len(owed))
        owing = {proposal.id for proposal in owed}
        accepted = {v.answer for v in self.files.proposals.latest() if v.attempt_id not in owing}
        stored = {problem.id: problem for problem in self.files.problems.read()}
        # A crash can leave a problem stored whose proposal is still owed: that one is no duplicate.
        known = [problem for problem in stored.values() if problem.reference in accepted]
        for chunk in stream.chunks(owed, 256):
            vetted = list(propose.vetted(self.domain, chunk, known, self.heldout, self.seed("strengthen")))
            fresh = [problem for problem, _ in vetted if problem is not None]
            self.files.problems.append([problem for problem in fresh if stored.get(problem.id) != problem])
            self.files.proposals.verdicts.append([verdict for _, verdict in vetted])
            known += fresh
            advance(len(chunk))

    def attempt(self) -> None:
        """Attempt each problem several times and judge the attempts."""
        problems = self.files.kept()
        if not problems:
            return
        settings = self.config.attempt
        sampling = self._sampling(settings, "attempt", self.format.stops_for(problems))
        self._attempt("attempt own problems", self.files.tried, problems, settings.samples, sampling)

    def judge(self) -> None:
        """Judge what is owed of the attempts at own problems, without asking the model for more."""
        owed = stream.owed(self.files.tried.attempts.read(), self.files.tried.verdicts.read(), self.domain.version)
        by_id = {problem.id: problem for problem in self.files.kept()}
        advance = self.progress.stage("judge attempts", len(owed))
        stream.judge_all(self.domain, by_id, owed, self.files.tried.verdicts, advance)

    def mine(self) -> None:
        """Make pairs of the problems at the model's edge.

        Raises:
            DataError: problems are not all attempted and judged, so that pairs would be of a part only.
        """
        problems, verdicts = self.files.kept(), self.files.tried.by_problem()
        self._demand_attempts(problems, verdicts)
        inputs = self._judged_digest(verdicts)
        if self.files.finished("pairs", self.files.pairs, inputs):
            return
        settings = self.config.mine
        stage = self.progress.stage
        found, facts = couples.mined(self.domain, problems, verdicts, settings, self.heldout, self.seed("mine"), stage)
        rows = mine.pairs(found, self.format, settings.targets)
        self.files.finish("pairs", self.files.pairs, rows, inputs, facts)

    def _demand_attempts(self, problems: Sequence[Problem], verdicts: Mapping[str, Sequence[Verdict]]) -> None:
        self._demand_invention()
        proposed = self.files.proposals.latest()
        short = [p for p in problems if len(verdicts.get(p.id, ())) < self.config.attempt.samples]
        if len(proposed) < self.config.propose.tries or short:
            raise DataError("not every problem is proposed, attempted and judged", "run forge propose, then attempt")

    def _judged_digest(self, verdicts: Mapping[str, Sequence[Verdict]]) -> str:
        return content_id([[p, [[v.attempt_id, v.outcome] for v in rows]] for p, rows in sorted(verdicts.items())])

    def control(self) -> None:
        """Make the pairs of each control, and of the teacher, from as many couples as the adapter's."""
        record = self.files.record("pairs")
        wanted, inputs = int(record.get("couples", 0)), str(record.get("inputs", ""))
        kept, verdicts, judge = self.files.kept(), self.files.tried.by_problem(), self._judged_couples
        makers: dict[str, Callable[[], list[Couple]]] = {
            "corrupted": lambda: judge("corrupted", couples.corrupted(2 * wanted, self.seed("foreign")))[:wanted],
            "format-only": lambda: judge(
                "junk", controls.format_only(kept, verdicts, wanted, self.seed("format-only"))
            ),
        }
        arms = {score.CONTROL + name: makers[name] for name in self.config.controls.names}
        if self.config.controls.teacher and self.config.eval.benchmark.startswith("nano/"):
            arms[score.TEACHER] = lambda: couples.taught(wanted, self.seed("teacher"))
        for arm, make in arms.items():
            rows = self.files.arm_pairs(arm)
            if wanted and not self.files.finished(arm, rows, inputs):
                found, _ = mine.clean(make(), self.heldout)
                targets = "plain" if arm == score.TEACHER else self.config.mine.targets
                made = mine.pairs(found, self.format, targets)
                self.files.finish(arm, rows, made, inputs, {"couples": len(found)})

    def _judged_couples(self, name: str, triples: Sequence[controls.Triple]) -> list[Couple]:
        advance = self.progress.stage(f"judge {name} programs", 2 * len(triples))
        return couples.judged(self.domain, triples, advance)

    def train(self, arm: str) -> bool:
        """Train an arm's adapter on its pairs; False where it has none.

        Each arm takes as many steps as the adapter, on as many rows of each kind: a control with fewer pairs
        sees them again.
        """
        rows = controls.matched(self.files.arm_pairs(arm).read(), self.files.pairs.read())
        if not rows:
            return False
        marker = self.files.marker(arm)
        if marker is not None and marker["pairs_digest"] == content_id([to_row(row) for row in rows]):
            return True
        make = config.resolve(TRAINERS, self.config.train.trainer, "trainer")
        advance: list[stream.Advance] = []

        def progress(step: int, steps: int, loss: float) -> None:
            if not advance:
                advance.append(self.progress.stage(f"train {arm}", steps))
            advance[0](1)

        self.release()
        trainer = make(self.config.model.name, self.config.train, self.config.model.device, progress)
        trainer.train(rows, self.files.adapter(arm), self.seed("train"))
        models.give_back()
        return True

    def arms(self) -> list[str]:
        """The arms that can be measured: the base, and whatever was trained."""
        trained = [a for a in self.every_arm() if self.files.marker(a) is not None]
        return [score.BASE, *trained]

    def every_arm(self) -> list[str]:
        """The arms that may be trained, whether or not there are pairs for them."""
        return [score.ADAPTER, *(score.CONTROL + name for name in self.config.controls.names), score.TEACHER]

    def everything(self) -> None:
        """The whole run, up to its scores: each stage finishes what it owes."""
        self.check_grader()
        self.measure(score.BASE)
        self.measure_panel()
        if not self.invents:
            self.progress.note(f"problems of the domain {self.domain.name!r} cannot be invented, so this run ends here")
            return
        self.propose()
        self.attempt()
        self.mine()
        self.control()
        for arm in self.every_arm():
            if self.train(arm):
                self.measure(arm)
