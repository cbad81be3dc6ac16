"""Class trees: pictures that somebody has sorted into classes already.

A class tree is a folder with a folder for each class, ``DIR/cat/1.jpg``, or with splits above
them, ``DIR/train/cat/1.jpg``; or a table with the columns ``path`` and ``label``, and ``split`` if
there are any. Folders within a class belong to it. Pictures beside the class folders are in none.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clipcli.errors import InputError, UsageError
from clipcli.files import read_text
from clipcli.images.find import FindReport, ImageFile, find_images
from clipcli.images.order import natural_sort
from clipcli.results import Skipped
from clipcli.strict_csv import CsvError, CsvRow, read_rows

TABLE_DELIMITERS = {".csv": ",", ".tsv": "\t"}
PATH_COLUMNS = ("path", "image", "file", "filename")  # the first that is there
LABEL_COLUMNS = ("label", "class", "caption")
SPLIT_COLUMN = "split"
# Folder names that are splits without being told, if all folders of the tree are such.
SPLIT_NAMES = frozenset(
    {"train", "training", "trainval", "val", "valid", "validation", "dev", "test", "testing"}
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the tree a picture is; ``label`` is None where it is in no class."""

    label: str | None
    split: str = ""


@dataclass(frozen=True, slots=True)
class ClassTree:
    """Pictures with their classes; ``rows`` holds a table's, a folder's are read off the path."""

    source: str
    classes: tuple[str, ...]  # in natural order, empty ones included
    splits: tuple[str, ...] = ()
    rows: Mapping[str, Place] | None = field(default=None, repr=False)

    def find(self, report: FindReport) -> Iterator[ImageFile | Skipped]:
        """Yield every picture once, as ``clipcli classify`` finds them."""
        if self.rows is None:
            yield from find_images([self.source], report=report)
            return
        for path in self.rows:
            if os.path.lexists(path) and not Path(path).is_dir():
                yield ImageFile(path)
            else:
                yield Skipped(path, "no such file or folder")

    def place_of(self, path: str) -> Place:
        """Return a picture's class and split."""
        if self.rows is not None:
            return self.rows[path]
        folders = list(Path(os.path.relpath(path, self.source)).parts[:-1])
        split = folders.pop(0) if self.splits and folders and folders[0] in self.splits else ""
        return Place(folders[0] if folders else None, split)

    def label_of(self, path: str) -> str | None:
        """Return a picture's class, None where it is in none."""
        return self.place_of(path).label

    def split_of(self, path: str) -> str:
        """Return a picture's split, "" where it is in none."""
        return self.place_of(path).split


def read_class_tree(source: str, splits: Sequence[str] | None = None) -> ClassTree:
    """Read a tree's classes from its folders, or a table.

    Parameters
    ----------
    source
        A folder, or a ``.csv`` or ``.tsv`` file; a table's paths are relative to it.
    splits
        Names of the top folders that are splits; None: recognised if all of them are called
        ``train``, ``val``, ``test`` or the like.

    Raises
    ------
    InputError, UsageError
        If there is no such folder or table, or it has no classes.
    """
    path = Path(source)
    if path.is_dir():
        return _read_folder(source, splits)
    delimiter = TABLE_DELIMITERS.get(path.suffix.lower())
    if delimiter is None or not path.is_file():
        fact = "neither a folder nor a table" if path.exists() else "no such file or folder"
        raise InputError(
            f"{source}: {fact}",
            hint="give a folder with a folder for each class, or a .csv with path and label",
        )
    return _read_table(path, delimiter)


def _read_folder(source: str, splits: Sequence[str] | None) -> ClassTree:
    folders = _folders(source)
    if splits is None:
        known = [name for name in folders if name.lower() in SPLIT_NAMES]
        splits = known if known and len(known) == len(folders) else ()
    for split in splits:
        if split not in folders:
            raise UsageError(f"{source}: has no folder {split!r} for that split")
    classes = {name for name in folders if name not in splits}
    for split in splits:
        classes |= set(_folders(str(Path(source) / split)))
    if not classes:
        raise InputError(
            f"{source}: has no folders in it, so no classes",
            hint="put the pictures of each class into a folder of its name",
        )
    return ClassTree(source, tuple(natural_sort(classes)), tuple(splits))


def _folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if e.is_dir() and not e.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{folder}: {(error.strerror or 'cannot be read').lower()}") from error
    return natural_sort(names)


def _read_table(table: Path, delimiter: str) -> ClassTree:
    text = io.StringIO(read_text(table, InputError), newline="")
    try:
        return _table(table, read_rows(text, delimiter=delimiter, is_strict=False))
    except CsvError as error:
        raise InputError(f"{table}:{error.line}: {error.fact}") from error


def _table(table: Path, lines: Iterator[CsvRow]) -> ClassTree:
    header = next(lines, CsvRow(1, [])).cells
    path_at, label_at = (_column(table, header, names) for names in (PATH_COLUMNS, LABEL_COLUMNS))
    split_at = header.index(SPLIT_COLUMN) if SPLIT_COLUMN in header else None
    rows: dict[str, Place] = {}
    for line, cells in lines:
        if not any(cells):
            continue
        if len(cells) != len(header):
            raise InputError(f"{table}:{line}: {len(cells)} cells, {len(header)} in the header")
        path = os.path.join(table.parent, cells[path_at])  # noqa: PTH118 - as find_images joins
        if path in rows:
            raise InputError(f"{table}:{line}: {cells[path_at]!r} appears twice")
        split = cells[split_at] if split_at is not None else ""
        rows[path] = Place(cells[label_at] or None, split)
    classes = {place.label for place in rows.values() if place.label}
    if not classes:
        raise InputError(f"{table}: no row has a label")
    splits = {place.split for place in rows.values() if place.split}
    return ClassTree(str(table), tuple(natural_sort(classes)), tuple(natural_sort(splits)), rows)


def _column(table: Path, header: Sequence[str], names: Sequence[str]) -> int:
    for name in names:
        if name in header:
            return header.index(name)
    found = ", ".join(header) or "nothing"
    raise InputError(
        f"{table}:1: no column {names[0]!r}; there is {found}",
        hint="the first line names the columns: path, label, and split if there are any",
    )
