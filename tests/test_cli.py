"""The command line as a person meets it: real processes, exit codes, messages, generated documentation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from forge.cli import commands

ROOT = Path(__file__).parent.parent


def forge(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "forge", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=280)


def test_importing_forge_is_cheap() -> None:
    """The bound of 50 ms is a bench's; here it must not cost what a heavy library would."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import forge"], capture_output=True, text=True, check=True
    )
    assert "torch" not in done.stderr
    assert "transformers" not in done.stderr


def test_the_version_is_told() -> None:
    assert forge("--version").stdout.startswith("forge, version 0.")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("run", "nothing.toml"), 2, "error: no config file at nothing.toml"),
        (("run",), 2, "Missing argument 'CONFIG'"),
        (("rnu",), 2, "No such command 'rnu'"),
        (("run", "bad.toml"), 2, "error: config bad.toml is not valid TOML"),
        (("run", "key.toml"), 2, "hint: did you mean 'seed'?"),
        (("run", "good.toml", "--set", "model.name=./nowhere"), 2, "error: no model folder at './nowhere'"),
        (("run", "good.toml", "--set", "eval.benchmark=humanevil"), 2, "error: unknown benchmark 'humanevil'"),
        (("run", "good.toml", "--set", "eval.benchmark=none.jsonl"), 2, "error: no problem file at 'none.jsonl'"),
        (("run", "good.toml", "--set", "eval.benchmark=torn.jsonl"), 2, "torn.jsonl, line 1: not JSON"),
        (("run", "good.toml", "--set", "eval.benchmark=empty.jsonl"), 2, "holds no problem hint: give one row of"),
        (("run", "good.toml", "--set", "eval.benchmark=bare.jsonl"), 2, "problem 'p' of 'bare.jsonl' has no tests"),
        (("run", "good.toml", "--set", "judge.domain=pyhton"), 2, "error: unknown domain 'pyhton'"),
        (("run", "good.toml", "--out", "file"), 3, "error: cannot write file"),
    ],
)  # fmt: skip
def test_wrong_use_gets_one_clear_message_and_its_exit_code(
    tmp_path: Path, arguments: tuple[str, ...], code: int, told: str
) -> None:
    (tmp_path / "bad.toml").write_text("[run\n")
    (tmp_path / "key.toml").write_text("[run]\nseeed = 1\n")
    (tmp_path / "good.toml").write_text("[run]\nname = 'x'\n")
    (tmp_path / "torn.jsonl").write_text('{"id": \n{}\n')
    (tmp_path / "empty.jsonl").write_text("")
    row = '{"id":"p","domain":"python","split":"heldout","prompt":"def f():","tests":{},"reference":""}\n'
    (tmp_path / "bare.jsonl").write_text(row)
    (tmp_path / "file").write_text("kept")
    done = forge(*arguments, cwd=tmp_path)
    said = " ".join(done.stderr.split())
    assert (done.returncode, done.stdout) == (code, ""), said
    assert told in said
    assert "Traceback" not in said
    assert (tmp_path / "file").read_text() == "kept"


def test_a_folder_of_another_run_is_refused_and_left_alone(tmp_path: Path) -> None:
    smoke = str(ROOT / "configs" / "smoke.toml")
    early = forge("mine", smoke, "--out", "run", cwd=tmp_path)
    assert early.returncode == 2
    assert "hint: run forge propose, then attempt" in " ".join(early.stderr.split())
    before = (tmp_path / "run" / "run.toml").read_text()
    done = forge("mine", smoke, "--out", "run", "--seed", "5", cwd=tmp_path)
    assert done.returncode == 2
    assert "holds a run with run.seed = 0, not 5" in " ".join(done.stderr.split())
    assert (tmp_path / "run" / "run.toml").read_text() == before


def rendered() -> str:
    """The command-line page of the documentation."""
    parts = ["# Command line", "", "Generated from the program; `make docs` writes it anew.", ""]

    def add(command: click.Command, name: str, parent: click.Context | None) -> None:
        context = click.Context(
            command, info_name=name, parent=parent, max_content_width=100, terminal_width=100,
            **command.context_settings,
        )  # fmt: skip
        parts.extend([f"## {context.command_path}", "", "```", command.get_help(context), "```", ""])
        for child, below in sorted(getattr(command, "commands", {}).items()):
            add(below, child, context)

    add(commands, "forge", None)
    return "\n".join(parts)


def test_the_documented_command_line_is_the_program_s() -> None:
    path = ROOT / "docs" / "cli.md"
    if os.environ.get("FORGE_WRITE_DOCS"):
        path.write_text(rendered())
    assert path.read_text() == rendered(), "make docs"
