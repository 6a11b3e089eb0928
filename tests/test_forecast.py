"""What `forge check` says of the machine and of a configured run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SMOKE = str(Path(__file__).parent.parent / "configs" / "smoke.toml")


def test_a_config_is_forecast_from_a_probe_of_its_own_model() -> None:
    settings = ("eval.limit=2", "propose.tries=100", "attempt.samples=3", "controls.names=[]", "judge.workers=1")
    changes = [part for setting in settings for part in ("--set", setting)]
    command = [sys.executable, "-m", "forge", "check", SMOKE, "--problems", "1", *changes]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    said = " ".join(found.stdout.split())
    assert re.search(r"memory: [\d.]+ of [\d.]+ GiB free", said)
    assert "device cpu: " in said
    assert "generator transformers: as the config says" in said
    assert re.search(r"probe: transformers:embedded@\w+ gave [1-9]\d* tokens/s", said)
    assert re.search(r"memory: model and sandbox hold (0\.[1-9]|[1-9])", said)
    # One greedy and four sampled attempts at each of two problems, by base, adapter and teacher.
    assert re.search(
        r"10 measure each of 3 arms, \d+ the base in other formats, 100 propose, and at most 300 attempt", said
    )
    assert re.search(r"time: \d+ s to \d+ s of generation", said)
