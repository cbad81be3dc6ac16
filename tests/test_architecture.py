"""The rooms of the code, and which may import which; see DESIGN.md and docs/architecture.md.

Moving a line of the table is a design review: imports only point down, never up and never in a
circle.
"""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

import clipcli
from clipcli.cli.app import COMMANDS
from tests.map import DOORS, circles, imports_of, module_name, modules_of, room

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
    *("version", "installation", "errors", "files", "strict_json", "strict_csv", "strict_records"),
    *("process", "results", "vectors", "standard_streams"),
)
SHARED_BY_WORKFLOWS = ("class_labels", "journal")
WITH_TORCH = ("encoder.torch", "training")
LONGEST_FILE = 350


MODULES = modules_of(PACKAGE)
IMPORTS = [found for path in MODULES for found in imports_of(path, PACKAGE)]
OURS = [found for found in IMPORTS if room(found.imported) in (*ROOMS, *FLAT, *DOORS)]


def may_import(importer: str, imported: str) -> bool:
    upper, lower = room(importer), room(imported)
    if upper in FLAT:
        return lower in FLAT[: FLAT.index(upper)]
    return lower == upper or lower in FLAT or lower in ROOMS[upper].split()


def test_every_module_is_in_a_room_and_there_is_no_other_room() -> None:
    tops = {room(module_name(path, PACKAGE)) for path in MODULES} - set(DOORS)

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


def test_no_command_imports_another() -> None:
    commands = {f"cli.{name.replace('-', '_')}" for name in COMMANDS}

    wrong = [
        f"{found.importer}:{found.line} imports {found.imported}"
        for found in OURS
        if found.importer in commands and found.imported in commands
    ]

    assert wrong == []
    assert commands <= {found.importer for found in OURS}


def test_modules_are_not_imported_in_a_circle() -> None:
    # Not in functions and not for types either: modules in a circle are one module in two files.
    graph: dict[str, set[str]] = {found.importer: set() for found in OURS}
    for found in OURS:
        if found.importer not in DOORS:
            graph[found.importer].add(found.imported)

    assert circles(graph) == []


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
        module_name(path, PACKAGE): ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        for path in MODULES
    }

    assert [name for name, doc in docs.items() if not doc] == []
    assert [name for name, doc in docs.items() if doc and "knows about" in doc] == []


def test_no_module_is_too_long_for_one_question() -> None:
    lengths = {module_name(path, PACKAGE): path.read_text("utf-8").count("\n") for path in MODULES}

    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}


def test_no_two_classes_share_a_name() -> None:
    names = Counter(
        node.name
        for path in MODULES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    )

    assert {name for name, n in names.items() if n > 1} == set()
