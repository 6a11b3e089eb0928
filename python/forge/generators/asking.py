"""Asking a server over HTTP: how many requests at once, when to ask again, and when to give up.

The number of requests under way grows by one for each round of good answers and is halved when the server says
that it is too much or does not answer (additive increase, multiplicative decrease). A request that failed for
such a reason waits twice as long each time, by a seeded amount, or as long as the server says.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forge.errors import GeneratorError

KEY = "FORGE_API_KEY"
"""The environment variable with the key that a server wants; it is written nowhere."""

TRIES = 8
"""How often one request is sent before it counts as failed."""

FIRST_WAIT = 0.5
"""Seconds before the second try; then twice as long each time, up to `LONGEST_WAIT`."""

LONGEST_WAIT = 60.0
PATIENCE = 30.0
"""Seconds that answers under way have when another request has failed for good."""

MOST_AT_ONCE = 64
_BEGIN = 8
_READ = 600.0
_CONNECT = 10.0
_BUSY = {408, 409, 425, 429, 500, 502, 503, 504, 529}
_ELSEWHERE = {404, 405, 501}


class Unwell(Exception):
    """A fault that may pass: the server is busy, or did not answer. `wait` is what it asked for, in seconds."""

    def __init__(self, said: str, wait: float = 0.0) -> None:
        super().__init__(said)
        self.wait = wait


class Refused(Exception):
    """The server will not do this, however often it is asked. `status` is its answer's."""

    def __init__(self, said: str, status: int) -> None:
        super().__init__(said)
        self.status = status


@dataclass(slots=True)
class _Job:
    number: int
    body: Mapping[str, Any]
    path: str
    tries: int = 0
    due: float = 0.0
    launched: int = 0


class Server:
    """A server at a URL. Threads may share it."""

    def __init__(self, url: str, key: str = "") -> None:
        import httpx2

        self.url = url.rstrip("/")
        headers = {"authorization": f"Bearer {key}"} if key else {}
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=MOST_AT_ONCE)
        timeout = httpx2.Timeout(_READ, connect=_CONNECT)
        self._client = httpx2.Client(headers=headers, limits=limits, timeout=timeout)
        self._fault: type[Exception] = httpx2.TransportError

    def close(self) -> None:
        """Let connections go."""
        self._client.close()

    def get(self, path: str) -> Any:
        """What the server answers there.

        Raises:
            Unwell: it did not answer, or is busy.
            Refused: it will not.
        """
        return self._ask("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """What the server answers to this.

        Raises:
            Unwell: it did not answer, or is busy.
            Refused: it will not.
        """
        return self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        try:
            answer = self._client.request(method, f"{self.url}{path}", json=body)
        except self._fault as failure:
            raise Unwell(f"{type(failure).__name__}: {failure}") from failure
        said = " ".join(answer.text.split())[:300]
        if answer.status_code in _BUSY:
            raise Unwell(f"it answered {answer.status_code}: {said}", _seconds(answer.headers.get("retry-after", "")))
        if answer.status_code != 200:
            raise Refused(_message(answer) or said, answer.status_code)
        try:
            return answer.json()
        except ValueError as failure:
            if "json" in answer.headers.get("content-type", ""):
                raise Unwell("its answer broke off") from failure
            return answer.text


def answers(
    server: Server, asked: Sequence[tuple[str, Mapping[str, Any]]], most: int, seed: int
) -> Iterator[tuple[int, Any]]:
    """The answer to each path and body, with its number, as they come.

    A failure ends it once the answers to what is under way, which are paid for, have come, or `PATIENCE` is over.

    Raises:
        GeneratorError: one was sent `TRIES` times without an answer.
        Refused: the server will not do one of them.
    """
    round = _Round(server, asked, most, seed)
    failure: Exception | None = None
    patience = float("inf")
    while round.left and not (failure and not round.under_way) and time.monotonic() < patience:
        if failure is None:
            round.launch()
        try:
            found = round.take()
        except (GeneratorError, Refused) as raised:
            failure = failure or raised
            patience = min(patience, time.monotonic() + PATIENCE)
            continue
        if found is not None:
            yield found
    if failure is not None:
        raise failure


class _Round:
    """Requests that wait, that are under way, and that are to be sent again."""

    def __init__(self, server: Server, asked: Sequence[tuple[str, Mapping[str, Any]]], most: int, seed: int) -> None:
        self.left = len(asked)
        self.under_way = 0
        self._server = server
        self._source = random.Random(seed)
        self._waiting = [_Job(number, body, path) for number, (path, body) in enumerate(asked)][::-1]
        self._later: list[_Job] = []
        self._come: queue.Queue[tuple[_Job, Any]] = queue.Queue()
        self._pace = _Pace(most)

    def launch(self) -> None:
        """Send as many as may be under way."""
        now = time.monotonic()
        while self.under_way < self._pace.allowed:
            job = next((job for job in self._later if job.due <= now), None)
            if job is not None:
                self._later.remove(job)
            elif self._waiting:
                job = self._waiting.pop()
            else:
                return
            job.launched = self._pace.launch()
            self.under_way += 1
            threading.Thread(target=self._send, args=(job,), daemon=True).start()

    def take(self) -> tuple[int, Any] | None:
        """An answer, if one comes before something else is to be done.

        Raises:
            GeneratorError: one was sent often enough.
            Refused: the server will not do it.
        """
        due = min((job.due for job in self._later), default=float("inf"))
        try:
            job, answer = self._come.get(timeout=max(0.01, min(1.0, due - time.monotonic())))
        except queue.Empty:
            return None
        self.under_way -= 1
        if isinstance(answer, Unwell):
            self._pace.slow(job.launched)
            _put_off(job, answer, self._source)
            self._later.append(job)
            return None
        if isinstance(answer, Exception):
            raise answer
        self._pace.quicken()
        self.left -= 1
        return job.number, answer

    def _send(self, job: _Job) -> None:
        try:
            self._come.put((job, self._server.post(job.path, job.body)))
        except Exception as failure:
            self._come.put((job, failure))


def _put_off(job: _Job, fault: Unwell, source: random.Random) -> None:
    """Say when a job is to be sent again.

    Raises:
        GeneratorError: it was sent often enough.
    """
    job.tries += 1
    if job.tries >= TRIES:
        hint = "what was answered is kept: the same command goes on when the server is well"
        raise GeneratorError(f"the server failed {TRIES} times: {fault}", hint)
    wait = fault.wait or min(LONGEST_WAIT, FIRST_WAIT * 2 ** (job.tries - 1))
    job.due = time.monotonic() + wait * source.uniform(1.0, 1.5)


class _Pace:
    """How many requests may be under way."""

    def __init__(self, most: int) -> None:
        self._most = float(most)
        self._limit = min(float(_BEGIN), self._most)
        self._launched = 0
        self._since = 0

    @property
    def allowed(self) -> int:
        return int(self._limit)

    def launch(self) -> int:
        """The number of a request that goes out."""
        self._launched += 1
        return self._launched

    def quicken(self) -> None:
        """A good answer came."""
        self._limit = min(self._most, self._limit + 1 / self._limit)

    def slow(self, launched: int) -> None:
        """That request was too much; those that went out with it say nothing new."""
        if launched > self._since:
            self._limit = max(1.0, self._limit / 2)
            self._since = self._launched


def _seconds(text: str) -> float:
    try:
        return min(LONGEST_WAIT, max(0.0, float(text)))
    except ValueError:
        return 0.0


def _message(answer: Any) -> str:
    """What a server's error says, in either of the usual forms."""
    try:
        body = answer.json()
        error = body.get("error") or body.get("detail") or body.get("message") or ""
        return " ".join(str(error.get("message", error) if isinstance(error, dict) else error).split())[:300]
    except (ValueError, AttributeError):
        return ""


def elsewhere(failure: Refused) -> bool:
    """Whether the server has nothing of the kind that was asked for."""
    return failure.status in _ELSEWHERE
