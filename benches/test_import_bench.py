"""What `import forge` costs beyond an interpreter that imports nothing."""

from __future__ import annotations

import subprocess
import sys
from typing import Any


def test_importing_forge_against_importing_nothing(contest: Any) -> None:
    def interpreter(code: str) -> None:
        subprocess.run([sys.executable, "-c", code], check=True)

    contest.run(
        "start of an interpreter",
        {
            "import nothing": lambda: interpreter("pass"),
            "import forge": lambda: interpreter("import forge"),
            "import forge, Sandbox": lambda: interpreter("from forge import Sandbox"),
        },
        rounds=15,
    )
