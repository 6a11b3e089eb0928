"""Installed modules in the sandbox: what is asked for can be imported, what is not cannot."""

from __future__ import annotations

import importlib.metadata

import pytest

from forge.errors import SandboxError
from forge.sandbox import Execution, Job, Sandbox
from forge.types import Outcome

VERSION = "import sympy\nfrom importlib.metadata import version\n\n\ndef f():\n    return version('sympy')\n"
PART = "import sympy\nimport sys\n\n\ndef f():\n    return 'forge.domains.latex' in sys.modules\n"
OTHER = "import sympy\n\n\ndef f():\n    import hypothesis\n    return hypothesis.__name__\n"


@pytest.fixture(scope="module")
def executions() -> list[Execution]:
    with Sandbox(1, modules=("sympy", "mpmath", "forge.domains.latex")) as sandbox:
        found = sandbox.run(Job(source, probes=("f()",)) for source in (VERSION, PART, OTHER))
        return sorted(found, key=lambda execution: execution.index)


def test_a_module_can_say_its_version(executions: list[Execution]) -> None:
    assert executions[0].values[0].value == importlib.metadata.version("sympy")


def test_a_module_of_a_package_is_loaded_ahead(executions: list[Execution]) -> None:
    assert executions[1].values[0].value is True


def test_what_was_not_asked_for_stays_out_of_sight(executions: list[Execution]) -> None:
    assert executions[2].outcome is Outcome.FAIL
    assert executions[2].values[0].exception == "ModuleNotFoundError"


@pytest.mark.parametrize("name", ["nothing_of_the_kind", "sympy.nothing", "nothing.at.all", "../sympy", ""])
def test_a_module_that_is_not_installed_is_named(name: str) -> None:
    with pytest.raises(SandboxError, match="no module") as caught:
        Sandbox(1, modules=(name,))
    assert "pip install" in caught.value.hint
