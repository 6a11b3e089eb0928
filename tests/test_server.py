"""A server that is busy, breaks off, refuses or is none: asked again where that helps, not for what is there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forge import attempt
from forge.config import EngineConfig
from forge.errors import ConfigError, GeneratorError
from forge.generators.asking import _Pace
from forge.generators.server import ServerGenerator
from forge.models import MARKER, digest
from forge.types import Completion, Problem, Prompt, Sampling

SERVER = Path(__file__).parent / "flaky_server.py"
PROMPTS: list[Prompt] = ["a"] * 20 + ["b"] * 3 + [({"role": "user", "content": "c"},)]


@pytest.fixture(scope="module")
def flaky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Where the server is, and the file of what it answered."""
    log = tmp_path_factory.mktemp("server") / "asked.jsonl"
    process = subprocess.Popen([sys.executable, str(SERVER), str(log)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port = process.stdout.readline().strip()
    yield f"http://127.0.0.1:{port}", log
    process.kill()
    process.communicate()


@pytest.fixture
def made(flaky: tuple[str, Path]) -> Iterator[Callable[[str], ServerGenerator]]:
    """A generator for each way in which the server can behave."""
    opened: list[ServerGenerator] = []

    def make(mode: str) -> ServerGenerator:
        opened.append(ServerGenerator("embedded", engine=EngineConfig(url=f"{flaky[0]}/{mode}/v1")))
        return opened[-1]

    flaky[1].write_text("")
    yield make
    for generator in opened:
        generator.close()


def answers(generator: ServerGenerator, seed: int = 0) -> list[Completion]:
    sampling = Sampling(seed=seed, stops=("!",))
    return sorted(generator.generate(PROMPTS, sampling), key=lambda completion: completion.index)


def asked(log: Path) -> list[dict]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_prompts_are_asked_for_a_few_completions_at_a_time_and_keep_their_places(
    made: Callable[[str], ServerGenerator], flaky: tuple[str, Path]
) -> None:
    found = answers(made("well"))
    assert [completion.index for completion in found] == list(range(24))
    assert [completion.text[0] for completion in found] == ["a"] * 20 + ["b"] * 3 + ["c"]
    assert {completion.finish for completion in found[:23]} == {"length"}
    assert (found[-1].finish, found[-1].tokens) == ("stop", 7)
    assert len({completion.text for completion in found}) == 24
    assert sorted(request.get("n", 1) for request in asked(flaky[1])) == [1, 3, 4, 8, 8]
    assert all(request["stop"] == ["!"] for request in asked(flaky[1]))


@pytest.mark.parametrize("mode", ["busy", "torn", "cut", "storm"])
def test_a_fault_that_passes_changes_nothing(
    mode: str, made: Callable[[str], ServerGenerator], flaky: tuple[str, Path]
) -> None:
    expected = answers(made("well"), seed=1)
    assert answers(made(mode), seed=1) == expected


def test_a_server_that_gives_one_completion_is_asked_for_each(made: Callable[[str], ServerGenerator]) -> None:
    found = answers(made("single"))
    assert [completion.index for completion in found] == list(range(24))
    assert len({completion.text for completion in found}) == 24


def test_a_server_that_stays_down_or_refuses_ends_in_an_error_for_people(
    made: Callable[[str], ServerGenerator],
) -> None:
    with pytest.raises(GeneratorError, match=r"failed 8 times: it answered 503: .*starting") as caught:
        answers(made("down"))
    assert "the same command goes on" in caught.value.hint
    with pytest.raises(GeneratorError, match=r"refuses \(400\): the prompt is too long"):
        answers(made("strict"))


def test_what_is_paid_for_is_given_before_a_failure_is_told(
    made: Callable[[str], ServerGenerator], flaky: tuple[str, Path]
) -> None:
    given: list[Completion] = []
    with pytest.raises(GeneratorError, match="not this one"):
        given.extend(made("picky").generate(PROMPTS, Sampling()))
    assert sum(request.get("n", 1) for request in asked(flaky[1])) == len(given) == 21


def test_what_is_no_such_server_is_told_apart(
    flaky: tuple[str, Path], made: Callable[[str], ServerGenerator], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(GeneratorError, match="no server answers at"):
        ServerGenerator("embedded", engine=EngineConfig(url="http://127.0.0.1:9/v1"))
    with pytest.raises(ConfigError, match=r"engine\.url is ''"):
        ServerGenerator("embedded")
    for mode in ("page", "absent"):
        with pytest.raises(GeneratorError, match="is not an OpenAI-compatible server"):
            made(mode)
    with pytest.raises(ConfigError, match="has no model 'third'; it has embedded, other"):
        ServerGenerator("third", engine=EngineConfig(url=f"{flaky[0]}/well/v1"))
    with pytest.raises(GeneratorError, match="wants another key: no such key") as caught:
        made("locked")
    assert "FORGE_API_KEY" in caught.value.hint
    monkeypatch.setenv("FORGE_API_KEY", "open")
    assert "open" not in made("locked").name


def test_what_is_there_is_not_paid_for_again(made: Callable[[str], ServerGenerator], flaky: tuple[str, Path]) -> None:
    problems = [Problem(str(number), "python", "train", f"p{number}", {}) for number in range(4)]
    generator = made("well")

    def make(done: set[attempt.Key]) -> list[tuple[str, int, str]]:
        found = attempt.attempts(problems, lambda p: p.prompt, generator, Sampling(), 8, 512, done)
        return sorted((one.problem_id, one.index, one.completion.rpartition(":")[0]) for one in found)

    whole = make(set())
    flaky[1].write_text("")
    done = {("0", number) for number in range(8)} | {("2", 3)}
    assert [row for row in make(done) if row[0] in "13"] == [row for row in whole if row[0] in "13"]
    assert sum(request.get("n", 1) for request in asked(flaky[1])) == 32 - len(done)


def test_an_adapter_that_cannot_be_shown_to_be_live_is_marked_so_and_one_that_is_not_there_is_refused(
    made: Callable[[str], ServerGenerator], flaky: tuple[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / MARKER).write_text(json.dumps({"probe": {"ids": [1, 2, 3], "start": 1, "logprob": -1.0}}))
    generator = made("named")
    generator.use(str(folder))
    assert generator.name.endswith(f"~unproven+{digest(str(folder))}")
    answers(generator)
    assert {request["model"] for request in asked(flaky[1])[-5:]} == {"adapter"}
    generator.use("")
    assert "unproven" not in generator.name
    with pytest.raises(
        GeneratorError, match="has no adapter 'adapter' and loads none; it has embedded, other"
    ) as caught:
        made("well").use(str(folder))
    assert "--lora-modules" in caught.value.hint


def test_the_pace_halves_once_for_what_went_out_together_and_grows_slowly() -> None:
    pace = _Pace(64)
    sent = [pace.launch() for _ in range(pace.allowed)]
    for number in sent:
        pace.slow(number)
    assert pace.allowed == len(sent) // 2
    before = pace.allowed
    for _ in range(before + 1):
        pace.quicken()
    assert pace.allowed == before + 1
    pace.slow(pace.launch())
    assert pace.allowed == (before + 1) // 2


def test_an_interrupt_does_not_wait_for_the_server(flaky: tuple[str, Path]) -> None:
    code = (
        "from forge.generators.server import ServerGenerator\n"
        "from forge.config import EngineConfig\nfrom forge.types import Sampling\n"
        f"g = ServerGenerator('embedded', engine=EngineConfig(url='{flaky[0]}/slow/v1', sequences=1))\n"
        "print('on', flush=True)\n"
        "for _ in g.generate([str(n) for n in range(100000)], Sampling()): pass\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(timeout=20) in (-signal.SIGINT, 1, 130)
    process.stdout.close()
