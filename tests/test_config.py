"""What a config file may say, and what forge answers when it says something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge.config import Config, load, resolve, to_toml, to_tree
from forge.errors import ConfigError

CONFIGS = sorted((Path(__file__).parent.parent / "configs").rglob("*.toml"))


def written(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_config_loads(path: Path) -> None:
    assert isinstance(load(path), Config)


def test_a_config_survives_being_written_and_read(tmp_path: Path) -> None:
    config = load(None, ['run.name="a \\"quoted\\" name"', "train.rate=0.5", 'controls.names=["corrupted"]'])
    assert load(written(tmp_path, to_toml(to_tree(config)))) == config


def test_overrides_win_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "[run]\nname = 'a'\nseed = 1\n")
    config = load(path, ["run.seed=7", "model.name=some/model"])
    assert (config.run.name, config.run.seed, config.model.name) == ("a", 7, "some/model")


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("[run]\nsede = 1\n", "unknown key [run] sede", "did you mean 'seed'?"),
        ("[atempt]\nsamples = 1\n", "unknown key [atempt]", "did you mean 'attempt'?"),
        ("[run]\nseed = 'x'\n", "run.seed should be int, not 'x'", ""),
        ("[run]\nseed = true\n", "run.seed should be int, not True", ""),
        ("[run]\nseed = -1\n", "run.seed is -1", ""),
        ("[run]\nname = '../x'\n", "run.name is '../x'", "a plain folder name"),
        ("[attempt]\nsamples = 0\n", "attempt.samples is 0", ""),
        ("[attempt]\ntop_p = 1.5\n", "attempt.top_p is 1.5", ""),
        ("[mine]\ntargets = 'all'\n", "mine.targets is 'all'", "one of repair, plain, both"),
        ("[train]\nmodules = 'q_proj'\n", "train.modules should be a list of strings", ""),
        ("run = 3\n", "[run] should be a section", ""),
        ("[run\n", "is not valid TOML", ""),
    ],
)
def test_a_wrong_config_is_told_with_the_value_and_the_next_step(
    tmp_path: Path, text: str, told: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as failure:
        load(written(tmp_path, text))
    assert told in str(failure.value)
    assert hint in failure.value.hint


@pytest.mark.parametrize("override", ["seed=1", "run.seed", "run.=3", "=3"])
def test_a_malformed_override_is_refused(override: str) -> None:
    with pytest.raises(ConfigError, match="cannot read override"):
        load(None, [override])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config file at .*nothing\.toml"):
        load(tmp_path / "nothing.toml")


def test_an_unknown_name_is_met_with_the_nearest_known_one() -> None:
    with pytest.raises(ConfigError) as failure:
        resolve({"transformers": "a:b"}, "transformer", "generator")
    assert failure.value.hint == "did you mean 'transformers'?"


def test_a_dotted_path_loads_what_lies_outside_forge() -> None:
    assert resolve({}, "pathlib:Path", "generator") is Path
    with pytest.raises(ConfigError, match="cannot load generator"):
        resolve({}, "pathlib:Nothing", "generator")
