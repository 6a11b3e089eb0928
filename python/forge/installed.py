"""What of this interpreter's installation programs in the sandbox may see: the library, and chosen modules."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path

from forge.errors import SandboxError


def packages(modules: Sequence[str]) -> list[str]:
    """The files and directories that installed modules consist of, compiled libraries beside them included."""
    found: list[str] = []
    distributions = importlib.metadata.packages_distributions() if modules else {}
    for name in modules:
        spec = _spec(name)
        if spec is None or not spec.origin:
            raise SandboxError(f"no module {name!r} is installed here", hint=f"pip install {name}, or leave it out")
        name = name.partition(".")[0]
        spec = _spec(name) or spec
        places = spec.submodule_search_locations
        place = Path(next(iter(places)) if places else str(spec.origin))
        libraries = place.parent / f"{name}.libs"
        # Some ask for the version of what they need before they load it.
        about = [_metadata(owner) for owner in distributions.get(name, ())]
        found += [str(path) for path in (place, libraries, *about) if path is not None and path.exists()]
    return found


def _spec(name: str) -> ModuleSpec | None:
    """Where a module is, if it is anywhere."""
    try:
        return importlib.util.find_spec(name) if all(map(str.isidentifier, name.split("."))) else None
    except ModuleNotFoundError:
        return None


def _metadata(distribution: str) -> Path | None:
    """Where an installed distribution says its name and version, if that is a directory of its own."""
    found = importlib.metadata.distribution(distribution)
    inside = next((file for file in found.files or () if file.name == "METADATA"), None)
    return None if inside is None else Path(str(found.locate_file(inside))).parent


def library() -> tuple[list[str], list[str]]:
    """What of the interpreter's installation candidates may read, and what inside it stays empty."""
    names = {"installed_base": sys.base_prefix, "base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    names["installed_platbase"] = sys.base_exec_prefix
    readable = {sysconfig.get_path(key, vars=names) for key in ("stdlib", "platstdlib")}
    shared = sysconfig.get_config_var("LIBDIR")
    files = []
    if shared and sysconfig.get_config_var("Py_ENABLE_SHARED"):
        files = [str(path) for path in Path(shared).glob("libpython*.so*")]
    covered = [os.path.join(path, name) for path in readable for name in ("site-packages", "dist-packages")]
    covered += ["/usr/lib/python3/dist-packages", "/usr/local/lib/python3/dist-packages"]
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    covered += [f"/usr/local/lib/{version}/{name}" for name in ("site-packages", "dist-packages")]
    return sorted(readable) + sorted(files), covered
