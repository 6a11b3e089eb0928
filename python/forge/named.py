"""What a config names: that it exists is found before any work is done, not hours later. Runs nothing."""

from __future__ import annotations

from forge import controls
from forge.config import ALL, Config, resolve
from forge.errors import ConfigError
from forge.generators import GENERATORS
from forge.prompts import FORMATS
from forge.trainers import TRAINERS
from forge.types import Flaw


def demand_names(settings: Config) -> None:
    """Find the generator, the trainer, and every format, flaw and control.

    Raises:
        ConfigError: there is no such thing.
    """
    resolve(GENERATORS, settings.model.generator, "generator")
    resolve(TRAINERS, settings.train.trainer, "trainer")
    if settings.model.format not in ("auto", *FORMATS):
        raise ConfigError(f"unknown model.format {settings.model.format!r}", f"known: auto, {', '.join(FORMATS)}")
    for name in settings.eval.panel:
        if name not in (ALL, *FORMATS):
            raise ConfigError(f"unknown format {name!r} in eval.panel", f"known: {ALL}, {', '.join(FORMATS)}")
    for name in settings.mine.classes:
        if name not in list(Flaw):
            raise ConfigError(f"unknown flaw {name!r} in mine.classes", f"known: {', '.join(Flaw)}")
    for name in settings.controls.names:
        if name not in controls.NAMES:
            raise ConfigError(f"unknown control {name!r}", f"known: {', '.join(controls.NAMES)}")
