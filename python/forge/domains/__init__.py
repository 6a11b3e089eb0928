"""Kinds of problem that can be judged: one file each, named here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from forge.config import resolve
from forge.errors import ConfigError
from forge.types import Problem

DOMAINS = {"python": "forge.domains.python:PythonDomain", "math": "forge.domains.math:MathDomain"}


def domain_for(
    name: str, problems: Sequence[Problem], *, modules: Iterable[str] = (), fallback: str = "", every: bool = False,
    **options: Any,
) -> Any:  # fmt: skip
    """The domain of this name, with what these problems need: the libraries that they name, where installed.

    `modules` are further libraries, `fallback` is what mathematics takes for an answer that is never stated. With
    `every`, problems that could not be judged for want of a library are refused.

    Raises:
        ConfigError: there is no such domain, it is not that of the problems, it has no use for the options, or a
            library is missing.
        SandboxError: this host gives less isolation than the options ask for.
    """
    make = resolve(DOMAINS, name, "domain")
    for problem in problems:
        if name in DOMAINS and problem.domain in DOMAINS and problem.domain != name:
            hint = f"set judge.domain to {problem.domain!r}, or take other problems"
            raise ConfigError(f"{problem.id!r} is a problem of the domain {problem.domain!r}, not {name!r}", hint)
    wanted = {*modules, *(module for problem in problems for module in problem.tests.get("modules", ()))}
    if wanted and name == "math":
        raise ConfigError(f"programs may import {', '.join(sorted(wanted))}, but mathematics has none", "leave it out")
    if fallback and name == "python":
        raise ConfigError(f"a fall-back, {fallback!r}, is for mathematics and not for programs", "leave it out")
    if wanted:
        options["modules"] = {"numpy", *wanted}
    if fallback:
        options["fallback"] = fallback
    made = make(**options)
    there = getattr(made, "modules", wanted)
    missing = {module for problem in problems for module in problem.tests.get("modules", ()) if module not in there}
    if every and missing:
        made.close()
        raise ConfigError(f"problems need {', '.join(sorted(missing))}, not installed here", "pip install them")
    return made
