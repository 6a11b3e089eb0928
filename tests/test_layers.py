"""The shape of the package: who may import whom, what importing costs, and how long a file may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "python" / "forge"

ROWS = (
    {"types", "errors", "stats", "feedback", "forms", "shots"},
    {"installed", "power"},
    {"protocols", "config", "store", "sandbox", "extract", "dedup", "children"},
    {"payload", "documents", "prompts", "tally"},
    {"lines"},
    {"samples"},
    {"decontaminate", "diversity"},
    {"nano"},
    {"llama"},
    {"models"},
    {"export"},
    {"domains", "generators", "trainers", "attempt", "propose", "mine", "score", "report", "selftest",
     "stream", "judge", "compare", "duplicates", "vote"},
    {"benchmarks", "controls", "folder", "header", "panel"},
    {"couples", "named"},
    {"pipeline"},
    {"measured"},
    {"results", "gate", "best_of", "forecast", "regrade"},
    {"console"},
    {"grading", "exporting"},
    {"cli"},
    {"__main__"},
)  # fmt: skip
HEAVY = {"torch", "transformers", "peft", "tokenizers", "accelerate", "datasets", "safetensors", "huggingface_hub",
         "sympy", "latex2sympy2_extended", "antlr4", "gguf", "llama_cpp", "vllm", "psutil"}  # fmt: skip
HEAVY_AT_TOP = {"nano.tokenizer", "domains.algebra", "domains.expressions", "llama.engine", "llama.child"}


def modules() -> list[tuple[str, Path]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        if name != "__init__":
            found.append((name, path))
    return found


def imports(path: Path, *, top_level: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def row(name: str) -> int:
    return next((i for i, names in enumerate(ROWS) if name.split(".")[0] in names), -1)


@pytest.mark.parametrize(("name", "path"), modules())
def test_a_module_imports_only_from_rows_below_its_own(name: str, path: Path) -> None:
    mine = row(name)
    assert mine >= 0, f"{name} has no row: add it to ROWS"
    for imported in imports(path):
        if not imported.startswith("forge."):
            continue
        other = imported.split(".")[1]
        if other in ("_core", "__version__") or other == name.split(".")[0]:
            continue
        assert row(other) >= 0, f"{name} imports the unknown {imported}"
        assert row(other) < mine, f"{name} (row {mine}) imports {imported} (row {row(other)})"


@pytest.mark.parametrize(("name", "path"), modules())
def test_heavy_libraries_are_imported_where_they_are_used(name: str, path: Path) -> None:
    if name in HEAVY_AT_TOP:
        return
    loaded = {imported.split(".")[0] for imported in imports(path, top_level=True)}
    assert not loaded & HEAVY


def test_a_domain_knows_no_model_and_no_disk() -> None:
    for name, path in modules():
        if name.startswith("domains."):
            known = {imported.split(".")[1] for imported in imports(path) if imported.startswith("forge.")}
            assert not known & {"generators", "trainers", "store", "config", "models"}


def test_only_the_command_line_prints_or_exits() -> None:
    for name, path in modules():
        if name in ("cli", "grading", "nano.pretrain"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "sys.exit", "exit", "logging.basicConfig"), f"{name} calls {called}"


def test_importing_forge_loads_no_heavy_library() -> None:
    code = f"import sys, forge; print(sorted(set(sys.modules) & {HEAVY | {'numpy', 'rich', 'click'}!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("name", "path"), modules())
def test_a_file_has_one_subject_and_says_which(name: str, path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 420, f"{name} is too long for one subject"
    assert not text or ast.get_docstring(ast.parse(text)), f"{name} does not say what it holds"
