"""A map of the code: its rooms, what they import, and how large everything is.

    python -m tests.map [CHECKOUT]

A room is a folder or a file at the top of the package, ``__init__`` and ``__main__`` left out: they
name what others hold. The map is read from the imports as they are written, those in functions and
for type checkers included; nothing is imported.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from tests.conftest import ROOT

DOORS = ("__init__", "__main__")
Graph: TypeAlias = Mapping[str, set[str]]


class Import(NamedTuple):
    """One import of one of the package's modules, or of another package."""

    importer: str  # "images.find"
    imported: str
    line: int
    is_at_start: bool  # when the module is imported, not in a function or for types only


class Function(NamedTuple):
    """A function or method, and how many lines it has."""

    name: str  # "images/find.py:find_images"
    lines: int


def modules_of(package: Path) -> list[Path]:
    """Return the package's files, sorted."""
    return sorted(package.rglob("*.py"))


def module_name(path: Path, package: Path) -> str:
    """Return ``images.find`` for ``clipcli/images/find.py``."""
    return ".".join(path.relative_to(package).with_suffix("").parts)


def room(name: str) -> str:
    """Return the room that a module lies in."""
    return name.partition(".")[0]


def imports_of(path: Path, package: Path) -> Iterator[Import]:
    """Yield a file's imports, resolved to modules of the package where they are its own."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    for node, is_at_start in _walk(tree):
        for name in _imported_names(node):
            imported = resolve(name, package) or name
            line = getattr(node, "lineno", 0)
            yield Import(module_name(path, package), imported, line, is_at_start)


def resolve(name: str, package: Path) -> str | None:
    """Return which of the package's modules a dotted name lies in; None for other packages."""
    parts = name.split(".")
    if parts[0] != package.name:
        return None
    for n in range(len(parts), 1, -1):
        path = package.joinpath(*parts[1:n])
        if path.with_suffix(".py").exists():
            return ".".join(parts[1:n])
        if (path / "__init__.py").exists():
            return ".".join([*parts[1:n], "__init__"])
    return "__init__"


def _imported_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"line {node.lineno}: imports are written in full"
        # "from clipcli.images import find" may name a module or what is in one.
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def _walk(node: ast.AST, is_at_start: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    """Yield every node, and whether it runs when the module is imported."""
    for child in ast.iter_child_nodes(node):
        is_inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        runs = is_at_start and not is_inside and not _is_for_types(child)
        yield child, runs
        yield from _walk(child, runs)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def room_graph(imports: Iterable[Import], rooms: set[str]) -> dict[str, set[str]]:
    """Return which rooms each room imports."""
    graph: dict[str, set[str]] = {name: set() for name in rooms}
    for found in imports:
        upper, lower = room(found.importer), room(found.imported)
        if upper in rooms and lower in rooms and upper != lower:
            graph[upper].add(lower)
    return graph


def circles(graph: Graph) -> list[list[str]]:
    """Return the groups of names that reach each other (strongly connected, two at the least)."""
    reached = {name: _reach(name, graph) for name in graph}
    groups = {
        tuple(sorted(other for other in reached[name] if name in reached[other]))
        for name in graph
        if name in reached[name]
    }
    return [list(group) for group in sorted(groups) if len(group) > 1]


def _reach(name: str, graph: Graph) -> set[str]:
    seen: set[str] = set()
    ahead = [name]
    while ahead:
        for other in graph.get(ahead.pop(), ()):
            if other not in seen:
                seen.add(other)
                ahead.append(other)
    return seen


def floors(graph: Graph) -> dict[str, int]:
    """Return each room's floor: 0 imports nothing, others stand above all that they import.

    Rooms in a circle share a floor.
    """
    together = {name: group for group in circles(graph) for name in group}
    known: dict[str, int] = {}

    def floor(name: str) -> int:
        if name not in known:
            group = together.get(name, [name])
            below = {other for member in group for other in graph[member]} - set(group)
            level = 1 + max((floor(other) for other in below), default=-1)
            known.update(dict.fromkeys(group, level))
        return known[name]

    return {name: floor(name) for name in graph}


def functions_of(path: Path, package: Path) -> Iterator[Function]:
    """Yield a file's functions and methods with their lengths."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{path.relative_to(package).as_posix()}:{node.name}"
            yield Function(name, (node.end_lineno or node.lineno) - node.lineno + 1)


def describe(package: Path) -> Iterator[str]:
    """Yield the lines of the map, the highest floor first, and then the figures."""
    paths = modules_of(package)
    imports = [found for path in paths for found in imports_of(path, package)]
    rooms = {room(module_name(path, package)) for path in paths} - set(DOORS)
    graph = room_graph(imports, rooms)
    level = floors(graph)
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in paths}
    width = max(map(len, rooms))
    for name in sorted(rooms, key=lambda name: (-level[name], name)):
        own = [path for path in paths if room(module_name(path, package)) == name]
        total = sum(lines[path] for path in own)
        below = " ".join(sorted(graph[name], key=lambda other: (-level[other], other)))
        yield f"{level[name]:>2}  {name:<{width}}  {len(own):>3} {total:>6,}  {below}".rstrip()
    yield ""
    yield from (f"{name:<22} {value}" for name, value in _figures(package, imports, graph, lines))


def _figures(
    package: Path, imports: Iterable[Import], graph: Graph, lines: Mapping[Path, int]
) -> Iterator[tuple[str, str]]:
    names = {module_name(path, package) for path in lines}
    modules: dict[str, set[str]] = {name: set() for name in names}
    for found in imports:
        if found.imported in names and room(found.importer) not in DOORS:
            modules[found.importer].add(found.imported)
    longest = max(lines, key=lambda path: lines[path])
    function = max(
        (found for path in lines for found in functions_of(path, package)),
        key=lambda found: found.lines,
    )
    written = [n for path, n in lines.items() if path.name != "__init__.py"]
    yield "rooms", str(len(graph))
    yield "floors", str(max(floors(graph).values()) + 1)
    yield "arrows between rooms", str(sum(map(len, graph.values())))
    yield "circles of rooms", _in_words(circles(graph))
    yield "circles of modules", _in_words(circles(modules))
    yield "files", f"{len(written):,} and {len(lines) - len(written)} __init__"
    yield "lines", f"{sum(lines.values()):,}"
    yield "longest file", f"{lines[longest]} {longest.relative_to(package).as_posix()}"
    yield "longest function", f"{function.lines} {function.name}"
    yield "median file", f"{statistics.median(written):g}"
    yield "files under 60 lines", str(sum(n < 60 for n in written))


def _in_words(groups: list[list[str]]) -> str:
    return f"{len(groups)}" + "".join(f" ({', '.join(group)})" for group in groups)


if __name__ == "__main__":
    checkout = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    sys.stdout.write("\n".join(describe(checkout / "clipcli")) + "\n")
