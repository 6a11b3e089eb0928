"""Which installed libraries programs may import, with what these need themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib import metadata, util

_NAME = re.compile(r"[A-Za-z0-9._-]+")


def installed(names: Iterable[str]) -> frozenset[str]:
    """Those of these modules that are installed, and the modules of what their packages require."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found or not name.isidentifier() or not _importable(name):
            continue
        found.add(name)
        for package in _packages_of(name):
            waiting += _modules_of_requirements(package)
    return frozenset(found)


def _importable(name: str) -> bool:
    """Whether a top-level module can be found and lies in a file."""
    try:
        spec = util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.has_location


def _packages_of(module: str) -> list[str]:
    # Reading the lists of files of all packages is slow, and nearly all modules have the name of their package.
    try:
        metadata.distribution(module)
    except metadata.PackageNotFoundError:
        return _packages().get(module, [])
    return [module]


@cache
def _packages() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


@cache
def _modules() -> dict[str, list[str]]:
    """The modules of each package, by its normal name."""
    found: dict[str, list[str]] = {}
    for module, packages in _packages().items():
        for package in packages:
            found.setdefault(_normal(package), []).append(module)
    return found


def _modules_of_requirements(package: str) -> list[str]:
    found: list[str] = []
    for requirement in metadata.requires(package) or ():
        name = _NAME.match(requirement)
        if name and "extra ==" not in requirement:
            found += _modules().get(_normal(name.group()), [])
    return found


def _normal(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()
