"""forge makes a small language model better at anything that has a test, and proves that it got better.

The names below are what other programs use; everything else is reached by module. Importing forge loads
neither torch nor any other heavy library, and the sandbox only when one of its names is used.
"""

from typing import TYPE_CHECKING, Any

from forge.types import Outcome

if TYPE_CHECKING:
    from forge.sandbox import Call, Case, Command, Execution, Job, Limits, Sandbox

__version__ = "0.1.0"

__all__ = ["Call", "Case", "Command", "Execution", "Job", "Limits", "Outcome", "Sandbox", "__version__"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from forge import sandbox

        return getattr(sandbox, name)
    raise AttributeError(f"module 'forge' has no attribute {name!r}")
