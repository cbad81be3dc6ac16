"""The rooms of the code, and which may import which; see DESIGN.md and docs/architecture.md.

Moving a line of the table is a design review: imports only point down, never up and never in a
circle.
"""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import clipcli

PACKAGE = Path(clipcli.__file__).parent

# High to low: a room and the rooms that it may import. The flat files stand under all rooms.
ROOMS = {
    "cli": "workflows output training pipeline encoder images models labels cache",
    "workflows": "output pipeline encoder images models labels cache",
    "output": "pipeline labels images",
    "training": "encoder models images labels",
    "pipeline": "encoder images models labels cache",
    "encoder": "images models cache",
    "images": "models",
    "models": "cache",
    "labels": "",
    "cache": "",
}
# Flat files, low to high: each may import those before it.
FLAT = (
    *("version", "errors", "files", "strict_json", "strict_csv", "strict_records"),
    *("process", "results", "vectors"),
)
DOORS = ("__init__", "__main__")  # name everything, and import it when it is asked for
SHARED_BY_WORKFLOWS = ("class_labels",)
WITH_TORCH = ("encoder.torch", "training")
LONGEST_FILE = 350


class Import(NamedTuple):
    """One import of one of our modules, or of another package."""

    importer: str  # "images.find"
    imported: str
    line: int
    is_at_start: bool  # when the module is imported, not in a function or for types only


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def room(name: str) -> str:
    return name.partition(".")[0]


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def walk(node: ast.AST, is_at_start: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    """Yield every node, and whether it runs when the module is imported."""
    for child in ast.iter_child_nodes(node):
        is_inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        runs = is_at_start and not is_inside and not is_for_types(child)
        yield child, runs
        yield from walk(child, runs)


def imported_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"line {node.lineno}: imports are written in full"
        # "from clipcli.images import find" may name a module or what is in one.
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def resolve(name: str) -> str | None:
    """Return which of our modules a dotted name lies in; None for other packages."""
    parts = name.split(".")
    if parts[0] != "clipcli":
        return None
    for n in range(len(parts), 1, -1):
        path = PACKAGE.joinpath(*parts[1:n])
        if path.with_suffix(".py").exists():
            return ".".join(parts[1:n])
        if (path / "__init__.py").exists():
            return ".".join([*parts[1:n], "__init__"])
    return "__init__"


def imports_of(path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    for node, is_at_start in walk(tree):
        for name in imported_names(node):
            imported = resolve(name) or name
            yield Import(module_name(path), imported, getattr(node, "lineno", 0), is_at_start)


MODULES = sorted(PACKAGE.rglob("*.py"))
IMPORTS = [found for path in MODULES for found in imports_of(path)]
OURS = [found for found in IMPORTS if room(found.imported) in (*ROOMS, *FLAT, *DOORS)]


def may_import(importer: str, imported: str) -> bool:
    upper, lower = room(importer), room(imported)
    if upper in FLAT:
        return lower in FLAT[: FLAT.index(upper)]
    return lower == upper or lower in FLAT or lower in ROOMS[upper].split()


def test_every_module_is_in_a_room_and_there_is_no_other_room() -> None:
    tops = {room(module_name(path)) for path in MODULES} - set(DOORS)

    assert tops == {*ROOMS, *FLAT}


def test_the_walk_sees_what_there_is_to_see() -> None:
    seen = {(found.importer, found.imported, found.is_at_start) for found in OURS}

    assert ("cli.classify", "cli.groups", True) in seen
    assert ("encoder.encoder", "encoder.torch.runner", False) in seen
    assert ("pipeline.classifier", "pipeline.scoring", False) in seen
    assert len(OURS) > 100


def test_imports_point_down() -> None:
    wrong = [
        f"{found.importer}:{found.line} imports {found.imported}"
        for found in OURS
        if room(found.importer) not in DOORS and not may_import(found.importer, found.imported)
    ]

    assert wrong == []


def test_no_workflow_imports_another() -> None:
    wrong = [
        f"{found.importer}:{found.line} imports {found.imported}"
        for found in OURS
        if room(found.importer) == room(found.imported) == "workflows"
        and found.imported.split(".")[1] not in SHARED_BY_WORKFLOWS
        and found.imported.split(".")[1] != found.importer.split(".")[1]
    ]

    assert wrong == []


def test_modules_are_not_imported_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for found in OURS:
        if found.is_at_start:
            graph.setdefault(found.importer, set()).add(found.imported)

    order = list(graphlib.TopologicalSorter(graph).static_order())  # raises on a circle

    assert order.index("errors") < order.index("cli.app")


@pytest.mark.parametrize("library", ["torch", "transformers"])
def test_only_the_network_and_training_import_torch_when_they_are_imported(library: str) -> None:
    importers = {
        found.importer
        for found in IMPORTS
        if found.imported.partition(".")[0] == library and found.is_at_start
    }

    assert {name for name in importers if not name.startswith(WITH_TORCH)} == set()


def test_every_module_says_what_it_is_about() -> None:
    docs = {
        module_name(path): ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        for path in MODULES
    }

    assert [name for name, doc in docs.items() if not doc] == []
    assert [name for name, doc in docs.items() if doc and "knows about" in doc] == []


def test_no_module_is_too_long_for_one_question() -> None:
    lengths = {module_name(path): path.read_text("utf-8").count("\n") for path in MODULES}

    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}
