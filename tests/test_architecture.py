"""The map of the code: which module stands on which, and who may import torch.

Moving a line of the map is a design review; see the layers in ``DESIGN.md``'s sense: imports only
point down or sideways, never up and never in a circle.
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

# A package stands for all modules in it.
LAYERS = {
    "errors": 0,
    "version": 0,
    "cores": 0,
    "interrupts": 0,
    # Frozen records, and text in and out of token ids.
    "results": 1,
    "architecture": 1,
    "textfiles": 1,
    "vocabulary": 1,
    "vocabulary_learning": 1,
    "tokenizer": 1,
    # Maths, label files, templates, pictures, vectors and models on disk.
    "ranking": 2,
    "scoring": 2,
    "labels": 2,
    "labelfiles": 2,
    "labelschema": 2,
    "labeltrees": 2,
    "labelsets": 2,
    "calibration": 2,
    "probefile": 2,
    "resultfiles": 2,
    "labellint": 2,
    "prompts": 2,
    "images": 2,
    "classtree": 2,
    "cache": 2,
    "imagecache": 2,
    "cachecare": 2,
    "tensorfile": 2,
    "modelconfig": 2,
    "released": 2,
    "weights": 2,
    # Other libraries' models, and the published ones.
    "safepickle": 2,
    "torchfile": 2,
    "tensortable": 2,
    "layouts": 2,
    "fingerprints": 2,
    "siglip_tokenizer": 2,
    "modelsource": 2,
    "catalog": 2,
    "catalog_data": 2,
    "catalog_entry": 2,
    "catalog_rows": 2,
    "catalog_shapes": 2,
    # The models of this machine, and getting more.
    "userconfig": 2,
    "modelpointer": 2,
    "modelstore": 2,
    "modelchoice": 2,
    "hubfaults": 2,
    "hubfile": 2,
    "hub": 2,
    # The network; of its text tower a second one, in numpy, and who is to serve.
    "model": 3,
    "tensorarrays": 3,
    "textpacking": 3,
    "textblock": 3,
    "numpytext": 3,
    "textplan": 3,
    # Other engines than torch.
    "backends": 3,
    # The one door to torch.
    "encoder": 4,
    # Pictures and labels in, results out.
    "labelrows": 5,
    "decoding": 5,
    "feeder": 5,
    "pipeline": 5,
    "classifier": 5,
    "neutral": 5,
    "provenance": 5,
    "selfcheck": 5,
    # What people do with results, and how models are made.
    "training": 6,
    "audit": 6,
    "modelimport": 6,
    "evaluation": 6,
    "diagnosis": 6,
    "probe": 6,
    "diff": 6,
    "search": 6,
    "sorting": 6,
    "render": 7,
    "commands": 8,
    "cli": 9,
    "__main__": 9,
}
PUBLIC_DOOR = "__init__"  # names everything, and imports it when it is asked for
WITH_TORCH = ("model", "training")


class Import(NamedTuple):
    """One import of one of our modules, or of torch."""

    importer: str  # "images.find"
    imported: str
    line: int
    is_at_start: bool  # when the module is imported, not in a function or for types only


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def layer(name: str) -> int:
    return LAYERS[name.partition(".")[0]]


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
    return PUBLIC_DOOR


def imports_of(path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    for node, is_at_start in walk(tree):
        for name in imported_names(node):
            imported = resolve(name) or name
            yield Import(module_name(path), imported, getattr(node, "lineno", 0), is_at_start)


MODULES = sorted(PACKAGE.rglob("*.py"))
IMPORTS = [told for path in MODULES for told in imports_of(path)]
OURS = [told for told in IMPORTS if told.imported.partition(".")[0] in (*LAYERS, PUBLIC_DOOR)]


def test_every_module_is_on_the_map_and_the_map_has_no_others() -> None:
    tops = {module_name(path).partition(".")[0] for path in MODULES} - {PUBLIC_DOOR}

    assert tops == set(LAYERS)


def test_the_walk_sees_what_there_is_to_see() -> None:
    seen = {(told.importer, told.imported, told.is_at_start) for told in OURS}

    assert ("cli", "commands.classify", True) in seen
    assert ("encoder", "model.run", False) in seen
    assert ("classifier", "scoring", False) in seen
    assert len(OURS) > 100


def test_imports_never_point_up() -> None:
    wrong = [
        f"{told.importer}:{told.line} imports {told.imported}"
        for told in OURS
        if told.importer != PUBLIC_DOOR
        and (told.imported == PUBLIC_DOOR or layer(told.imported) > layer(told.importer))
    ]

    assert wrong == []


def test_modules_are_not_imported_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for told in OURS:
        if told.is_at_start:
            graph.setdefault(told.importer, set()).add(told.imported)

    order = list(graphlib.TopologicalSorter(graph).static_order())  # raises on a circle

    assert order.index("errors") < order.index("cli")


@pytest.mark.parametrize("library", ["torch", "transformers"])
def test_only_the_network_and_training_import_torch_when_they_are_imported(library: str) -> None:
    importers = {
        told.importer.partition(".")[0]
        for told in IMPORTS
        if told.imported.partition(".")[0] == library and told.is_at_start
    }

    assert importers <= set(WITH_TORCH)


def test_every_module_says_what_it_knows_about() -> None:
    silent = []
    for path in MODULES:
        told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        if not told or not (told.startswith("This file knows about ") or path.stem == "__init__"):
            silent.append(module_name(path))

    assert silent == []


def test_no_module_is_too_long_for_one_noun() -> None:
    lengths = {module_name(path): path.read_text("utf-8").count("\n") for path in MODULES}

    assert {name: n for name, n in lengths.items() if n > 350} == {}
