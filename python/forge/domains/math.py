r"""Mathematical answers judged by what they are worth, not by how they are written.

A problem's prompt is a question; its tests are

    {"answer": "\\frac{3}{4}"}

A completion has to state its answer (`stated`). Equal writing and equal numbers are decided here by characters
(`normal`); for all else algebra decides, in the sandbox (`comparison`). Nothing outside it parses what a model
wrote. The conventions are in docs/grading.md.
"""

from __future__ import annotations

import atexit
import hashlib
import random
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from forge import feedback
from forge.domains import known_answers, normal
from forge.domains.comparison import Comparison, Finding
from forge.domains.stated import last_number, stated
from forge.errors import ConfigError, SandboxError
from forge.protocols import UNJUDGED, Known
from forge.sandbox import Limits
from forge.types import Attempt, Flaw, Outcome, Problem, Verdict, content_id

VERSION = "1"
"""Changes whenever a verdict could: old verdicts are then owed again."""

FALLBACKS = ("", "last number")
"""What to take for the answer of a completion that states none."""

CHUNK = 256
"""How many items are judged together."""

_REMEMBERED = 65_536
_MASKED = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[a-z]+|0|[^\s\w]")
_QUESTION = re.compile(r"^[ \t]*(?:\*\*)?(?:problem|question)(?:\*\*)?[ \t]*:(?:\*\*)?[ \t]*", re.I | re.M)
_SOLUTION = re.compile(r"^[ \t]*(?:\*\*)?(?:solution|answer)(?:\*\*)?[ \t]*:(?:\*\*)?[ \t]*", re.I | re.M)

_Pair = tuple[str, str]


@dataclass(slots=True)
class _Judged:
    problem: Problem
    attempt: Attempt
    answer: str


class MathDomain:
    """Judges stated answers; holds a sandbox, so close it or use it in a `with` block."""

    name = "math"
    invents = False
    """Whether a run may let the model invent problems: nothing here can find out whether a worked answer is right."""

    def __init__(
        self,
        workers: int = 0,
        require: str = "full",
        limits: Limits | None = None,
        allow_shared: bool = False,
        *,
        fallback: str = "",
    ) -> None:
        """Open the sandbox. `fallback` is one of `FALLBACKS`, and shows in every verdict's `judge`.

        `allow_shared` is what every domain is asked, and means nothing here: no program is judged.

        Raises:
            ConfigError: a library that reads mathematics is not installed, or the fall-back is unknown.
            SandboxError: this host gives less isolation than `require`.
        """
        if fallback not in FALLBACKS:
            raise ConfigError(f"no fall-back {fallback!r}", "use 'last number', or none")
        self.fallback = fallback
        self.comparison = Comparison(workers, require, limits)
        self.box = self.comparison.box
        taken = f"+{fallback.replace(' ', '-')}" if fallback else ""
        self.version = f"math-{VERSION}{taken}+{self.comparison.version}"
        self._known: OrderedDict[_Pair, Finding] = OrderedDict()

    def __enter__(self) -> MathDomain:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the sandbox's processes."""
        self.comparison.close()

    def judge(self, items: Iterable[tuple[Problem, Attempt]]) -> Iterator[Verdict]:
        """One verdict for each item, in order."""
        return self.judge_answers((problem, attempt, [self.answer(problem, attempt)]) for problem, attempt in items)

    def judge_answers(self, items: Iterable[tuple[Problem, Attempt, Sequence[str]]]) -> Iterator[Verdict]:
        """One verdict for each item, in order, on the last of the answers that stand in it."""
        source = iter(items)
        while chunk := [_Judged(problem, attempt, answers[-1]) for problem, attempt, answers in islice(source, CHUNK)]:
            findings = self.findings([(item.answer, _reference(item.problem)) for item in chunk])
            for item, finding in zip(chunk, findings, strict=True):
                yield self._verdict(item, finding)

    def answer(self, problem: Problem, attempt: Attempt) -> str:
        """The answer that a completion states; empty where it states none."""
        found = stated(attempt.completion)
        return last_number(attempt.completion) if self.fallback and not found else found

    def findings(self, pairs: Sequence[_Pair]) -> list[Finding]:
        """For each answer and reference, in order, whether they are equal, and how that was found."""
        found: dict[_Pair, Finding] = {}
        for pair in dict.fromkeys(pairs):
            equal = normal.decided(*pair)
            if equal is not None:
                found[pair] = Finding(equal, Outcome.PASS if equal else Outcome.FAIL, 0.0)
            elif pair in self._known:
                found[pair] = self._known[pair]
        open_pairs = [pair for pair in dict.fromkeys(pairs) if pair not in found]
        compared = self.comparison.findings([normal.undecided(*pair) for pair in open_pairs])
        for pair, finding in zip(open_pairs, compared, strict=True):
            found[pair] = finding
            if finding.outcome is not Outcome.ERROR:
                self._known[pair] = finding
                if len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        return [found[pair] for pair in pairs]

    def parse(self, completion: str) -> Problem | str:
        """The invented problem in a completion: `Problem:` and `Solution:`, which states its answer."""
        question, solution = _QUESTION.search(completion), _SOLUTION.search(completion)
        if question is None or solution is None or solution.start() < question.end():
            return "no problem and solution"
        prompt = completion[question.end() : solution.start()].strip()
        reference = completion[solution.end() :].strip()
        answer = stated(reference)
        if len(prompt.split()) < 4:
            return "no question"
        if not answer:
            return "no answer is stated"
        if len(answer) > normal.LONGEST:
            return "answer too long"
        tests = {"answer": answer}
        return Problem(f"own/{content_id(prompt, tests)}", self.name, "train", prompt, tests, reference)

    def vet(self, problems: Sequence[Problem], seed: int) -> Iterator[Problem | str]:
        """Each invented problem whose answer is a number, words, or something that algebra can read.

        That its worked answer is right is not known, and nothing here can find out.
        """
        forms = [normal.form(_reference(problem)) for problem in problems]
        plain = [form.value is not None or bool(form.words or form.choice) for form in forms]
        questions = [[(form.text, form.text)] for form, easy in zip(forms, plain, strict=True) if not easy]
        compared = iter(self.comparison.findings(questions))
        for problem, easy in zip(problems, plain, strict=True):
            finding = None if easy else next(compared)
            if finding is None or finding.equal:
                yield problem
            else:
                yield UNJUDGED if finding.outcome is Outcome.ERROR else "answer cannot be compared"

    def known(self, problem: Problem) -> Iterator[Known]:
        """Completions whose verdict is known: the reference in several wrappings, and what must not pass."""
        return known_answers.known(problem, guessing=bool(self.fallback))

    def mutants(self, problems: Sequence[Problem], seed: int) -> list[list[str]]:
        """For each problem, completions whose answer differs from the reference in one digit, or by one."""
        source = random.Random(seed)
        return [known_answers.mutants(problem, source) for problem in problems]

    def flaws(self, items: Sequence[tuple[Problem, Verdict, Sequence[str]]]) -> list[Flaw]:
        """What is wrong with each failing answer: it was cut off, it states nothing, or it is another answer."""
        told = []
        for _, verdict, _ in items:
            missing = Flaw.FORMAT if verdict.outcome is Outcome.INVALID else Flaw.LOGIC
            told.append(Flaw.TRUNCATED if verdict.outcome is Outcome.TRUNCATED else missing)
        return told

    def classes(self, problem: Problem, answers: Sequence[str], seed: int) -> list[int | None]:
        """Answers that are equal, however they are written, are in one class; nothing stated has no vote.

        An answer is in the first class all of which it equals: 0.5 and 50 both equal 50 %, and not each other.
        """
        different = [answer for answer in dict.fromkeys(answers) if answer]
        pairs = [(later, earlier) for place, later in enumerate(different) for earlier in different[:place]]
        equal = {pair: finding.equal for pair, finding in zip(pairs, self.findings(pairs), strict=True)}
        found: list[list[str]] = []
        for answer in different:
            members = next((one for one in found if all(equal[answer, other] for other in one)), None)
            if members is None:
                found.append([answer])
            else:
                members.append(answer)
        place = {answer: number for number, members in enumerate(found) for answer in members}
        return [place.get(answer) for answer in answers]

    def overlap_keys(self, prompt: str, answer: str) -> frozenset[str]:
        """Normal forms: the words of the question with its numbers masked. Equal answers prove nothing."""
        words = _WORD.findall(_MASKED.sub("0", prompt.lower()))
        if sum(word.isalpha() for word in words) < 4:
            return frozenset()
        text = " ".join(word for word in words if word.isalnum())
        return frozenset({"question:" + hashlib.blake2b(text.encode(), digest_size=12).hexdigest()})

    def _verdict(self, item: _Judged, finding: Finding) -> Verdict:
        outcome = finding.outcome if item.answer else Outcome.INVALID
        if item.attempt.finish == "length" and outcome not in (Outcome.PASS, Outcome.ERROR):
            outcome = Outcome.TRUNCATED
        shape = normal.behaviour(item.answer)
        return Verdict(
            attempt_id=item.attempt.id,
            outcome=outcome,
            answer=item.answer,
            tests_passed=int(outcome is Outcome.PASS),
            tests_total=1,
            behaviour=content_id(shape) if shape else "",
            feedback=_feedback(item.answer, outcome, finding),
            seconds=round(finding.seconds, 4),
            judge=self.version,
        )


def equivalent(answer: str, reference: str) -> bool:
    """Whether two answers, as texts without a solution around them, are equal by forge's conventions.

    Opens a sandbox at the first call that needs one, and keeps it until the process ends. An answer that cannot
    be compared within the limits is not equal.

    Raises:
        ConfigError: a library that reads mathematics is not installed.
        SandboxError: this host gives less than full isolation, or could not compare.
    """
    return _one.equal(answer, reference)


class _Lazy:
    """A domain that is opened when it is first needed."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.domain: MathDomain | None = None

    def equal(self, answer: str, reference: str) -> bool:
        with self.lock:
            if self.domain is None:
                self.domain = MathDomain(workers=1)
                atexit.register(self.domain.close)
            [finding] = self.domain.findings([(answer, reference)])
        if finding.outcome is Outcome.ERROR:
            raise SandboxError(f"two answers could not be compared: {finding.detail}", "try again")
        return finding.equal


_one = _Lazy()


def _reference(problem: Problem) -> str:
    return str(problem.tests["answer"])


def _feedback(answer: str, outcome: Outcome, finding: Finding) -> str:
    """What the answer's author may see. Never the reference: a repair would only have to repeat it."""
    if outcome is Outcome.PASS:
        return ""
    if not answer:
        return feedback.unstated()
    limits = {Outcome.TIMEOUT: "time", Outcome.MEMORY: "memory"}
    if finding.outcome in limits:
        return feedback.limit(limits[finding.outcome])
    if outcome is Outcome.ERROR:
        return finding.detail
    return feedback.unequal(answer)
