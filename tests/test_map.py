"""The map of a package of five files, drawn by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.map import circles, describe, floors, imports_of, module_name, modules_of, room_graph

FILES = {
    "__init__.py": "from house.roof import top\n",
    "roof/__init__.py": '"""The roof."""\n',
    "roof/top.py": "import torch\n\nfrom house.wall import brick\n",
    "wall.py": "def build():\n    from house import floor\n\n    return floor\n",
    "floor.py": "import typing\nif typing.TYPE_CHECKING:\n    from house import wall\n\n",
}


@pytest.fixture
def house(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "house" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "house"


def test_imports_are_resolved_and_those_that_run_at_once_are_known(house: Path) -> None:
    found = [entry for path in modules_of(house) for entry in imports_of(path, house)]

    seen = {(entry.importer, entry.imported, entry.is_at_start) for entry in found}
    names = {module_name(path, house) for path in modules_of(house)}
    assert names == {"__init__", "roof.__init__", "roof.top", "wall", "floor"}
    assert ("roof.top", "torch", True) in seen
    assert ("roof.top", "wall", True) in seen
    assert ("wall", "floor", False) in seen  # in a function
    assert ("floor", "wall", False) in seen  # for types


def test_rooms_in_a_circle_share_a_floor(house: Path) -> None:
    found = [entry for path in modules_of(house) for entry in imports_of(path, house)]

    graph = room_graph(found, {"roof", "wall", "floor"})

    assert graph == {"roof": {"wall"}, "wall": {"floor"}, "floor": {"wall"}}
    assert circles(graph) == [["floor", "wall"]]
    assert floors(graph) == {"wall": 0, "floor": 0, "roof": 1}


def test_the_map_lists_rooms_and_figures(house: Path) -> None:
    lines = list(describe(house))

    assert [" ".join(line.split()) for line in lines[:4]] == [
        *("1 roof 2 4 wall", "0 floor 1 4 wall", "0 wall 1 4 floor", "")
    ]
    figures = {line[:22].strip(): line[23:] for line in lines[4:]}
    assert figures["arrows between rooms"] == "3"
    assert figures["circles of modules"] == "1 (floor, wall)"
    assert figures["longest function"] == "4 wall.py:build"
