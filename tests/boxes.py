"""What several suites on the sandbox begin with."""

from __future__ import annotations

from forge.sandbox import Execution, Job, Limits, Sandbox

ADD = "def add(a, b):\n    return a + b\n"
LEVELS = ["full", "no-namespaces", "rlimits-only"]
SHORT = Limits(wall=4.0, cpu=1.0, memory=128 << 20, output=8 << 10)


def only(sandbox: Sandbox, source: str, *tests: str, **rest: object) -> Execution:
    """The execution of one source with these tests; `rest` as in `Job`."""
    entry_point = str(rest.pop("entry_point", "f"))
    [execution] = sandbox.run([Job(source, tests, entry_point, **rest)])  # type: ignore[arg-type]
    return execution
