"""Benches run once as tests, so that they cannot rot; with `--measure` they measure and print ratios."""

from __future__ import annotations

import os

import pytest
from contest import Contest
from programs import Program, fast, references


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--measure", action="store_true", help="measure for real and print what came out")
    parser.addoption("--promises", action="store_true", help="put what was measured into docs/promises.md")
    parser.addoption("--rounds", type=int, default=7, help="how many rounds to measure")
    parser.addoption(
        "--peers-python",
        default=os.environ.get("FORGE_PEERS_PYTHON", ""),
        help="an interpreter that has evalplus; default FORGE_PEERS_PYTHON, then the one that runs this",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--promises") and not config.getoption("--measure"):
        raise pytest.UsageError("--promises needs --measure")


@pytest.fixture
def contest(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Contest:
    """A contest that measures only when asked to."""
    return Contest(request.config, capsys)


@pytest.fixture(scope="session")
def programs() -> list[Program]:
    """The fast HumanEval references."""
    if not os.environ.get("FORGE_DATA"):
        pytest.skip("FORGE_DATA is not set; set it to a folder that holds humaneval/HumanEval.jsonl.gz")
    return fast(references())
