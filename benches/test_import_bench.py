"""What `import forge` costs beyond an interpreter that imports nothing."""

from __future__ import annotations

import subprocess
import sys

from contest import Contest, milliseconds, wall_ratio


def test_importing_forge_against_importing_nothing(contest: Contest) -> None:
    def interpreter(code: str) -> None:
        subprocess.run([sys.executable, "-c", code], check=True)

    found = contest.run(
        {
            "import nothing": lambda: interpreter("pass"),
            "import forge": lambda: interpreter("import forge"),
            "import forge, Sandbox": lambda: interpreter("from forge import Sandbox"),
        }
    )
    contest.compare("import", "Start of an interpreter", found, [("ms", milliseconds), ("times the first", wall_ratio)])
