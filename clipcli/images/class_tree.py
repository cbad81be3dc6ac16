"""Class trees: pictures that somebody has sorted into classes already.

A class tree is a folder with a folder for each class, ``DIR/cat/1.jpg``, or with splits above
them, ``DIR/train/cat/1.jpg``; or a table with the columns ``path`` and ``label``, and ``split`` if
there are any. Folders within a class belong to it. Pictures beside the class folders are in none.
"""

from __future__ import annotations

import io
import os
import re
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
# Folder names that are splits without an option, if they hold folders of classes.
SPLIT_NAMES = frozenset(
    {"train", "training", "trainval", "val", "valid", "validation", "dev", "test", "testing"}
)
NO_SPLITS = "none"  # in place of names: there are no splits
# What archives, disks and servers put beside one's own folders.
JUNK = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"})
URL = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)
RESULT_COLUMNS = ["path", "status", "label", "probability"]  # of what classify writes
NAMED = 6  # folders or classes in a note; the rest is a count


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
    left_out: tuple[str, ...] = ()  # top folders that are neither splits nor classes
    are_answers: bool = False  # what classify has said, in a table

    def in_words(self) -> str:
        """Say in a line what was taken for what."""
        classes = f"{_several(self.classes, 'class', 'classes')}"
        splits = f"{_several(self.splits, 'split', 'splits')}, " if self.splits else ""
        strays = f"; left out: {_first_few(self.left_out)}" if self.left_out else ""
        answers = "; these labels are what classify answered" if self.are_answers else ""
        return f"{self.source}: {splits}{classes}{strays}{answers}"

    def find(self, report: FindReport) -> Iterator[ImageFile | Skipped]:
        """Yield every picture by each of its names: a link is a picture of its own class."""
        if self.rows is None:
            for entry in find_images([self.source], report=report, by_name=True):
                if not self.left_out or self._top_of(entry.path) not in self.left_out:
                    yield entry
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
        folders = self._folders_of(path)
        split = folders.pop(0) if self.splits and folders and folders[0] in self.splits else ""
        return Place(folders[0] if folders else None, split)

    def _top_of(self, path: str) -> str:
        return Path(os.path.relpath(path, self.source)).parts[0]

    def _folders_of(self, path: str) -> list[str]:
        return list(Path(os.path.relpath(path, self.source)).parts[:-1])

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
        Names of the top folders that are splits, ``["none"]`` if there are none; None: those that
        are called ``train``, ``val``, ``test`` or the like and hold folders of classes. Not for a
        table, whose column ``split`` says it.

    Raises
    ------
    InputError, UsageError
        If there is no such folder or table, if it has no classes, or if a folder may as well be a
        split as a class.
    """
    path = Path(source)
    if path.is_dir():
        return _read_folder(source, splits)
    if path.suffix.lower() not in TABLE_DELIMITERS or not path.is_file():
        fact = "neither a folder nor a table" if path.exists() else "no such file or folder"
        raise InputError(
            f"{source}: {fact}",
            hint="give a folder with a folder for each class, or a .csv with path and label",
        )
    if splits is not None:
        raise UsageError(
            f"--splits: {source} is a table, not a folder of them",
            hint="leave it out: a table's column split says it",
        )
    return _read_table(path)


def split_names(text: str | None) -> tuple[str, ...] | None:
    """Return what ``--splits`` names; None where it is left out."""
    return tuple(name.strip() for name in text.split(",")) if text else None


def _read_folder(source: str, splits: Sequence[str] | None) -> ClassTree:
    folders = _folders(source)
    own = [name for name in folders if name.lower() not in JUNK]
    if splits is None:
        splits = _recognised(source, own)
    elif [name.lower() for name in splits] == [NO_SPLITS]:
        splits = ()
    for split in splits:
        if split not in folders:
            raise UsageError(f"{source}: has no folder {split!r} for that split")
    classes = set() if splits else set(own)
    for split in splits:
        classes |= {name for name in _folders(_in(source, split)) if name.lower() not in JUNK}
    if not classes:
        raise InputError(
            f"{source}: has no folders in it, so no classes",
            hint="put the pictures of each class into a folder of its name",
        )
    left_out = tuple(name for name in folders if name not in (splits or own))
    return ClassTree(source, tuple(natural_sort(classes)), tuple(splits), left_out=left_out)


def _recognised(source: str, folders: Sequence[str]) -> Sequence[str]:
    """Return the folders that are splits; refuse what may as well be something else.

    ``train`` and ``val`` are splits where they share a class, whatever lies beside them. A lone
    ``train`` beside ``bus`` is a class if it holds pictures, and nobody knows if it holds folders.
    """
    known = [name for name in folders if name.lower() in SPLIT_NAMES]
    inside = {name: set(_folders(_in(source, name))) for name in known}
    if not known or len(known) == len(folders):
        return known
    if not any(inside.values()):
        return ()
    several = [inside[name] for name in known if inside[name]]
    if len(several) > 1 and set.intersection(*several):
        return known
    others = [name for name in folders if name not in known]
    raise UsageError(
        f"{source}: {_first_few(known)} may be splits or classes, beside {_first_few(others)}",
        hint=f"say which: --splits {','.join(known)}, or --splits {NO_SPLITS}",
    )


def _in(folder: str, name: str) -> str:
    return str(Path(folder) / name)


def _several(names: Sequence[str], one: str, many: str) -> str:
    return f"{len(names):,} {one if len(names) == 1 else many} ({_first_few(names)})"


def _first_few(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if e.is_dir() and not e.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{folder}: {(error.strerror or 'cannot be read').lower()}") from error
    return natural_sort(names)


def _read_table(table: Path) -> ClassTree:
    rows: dict[str, Place] = {}
    for line, cell, place in rows_of_table(table, PATH_COLUMNS):
        # A URL is no path beside the table; whoever reads it gets the picture behind it.
        path = cell if URL.match(cell) else os.path.join(table.parent, cell)  # noqa: PTH118
        if path in rows:
            raise InputError(f"{table}:{line}: {cell!r} appears twice")
        rows[path] = place
    classes = {place.label for place in rows.values() if place.label}
    if not classes:
        raise InputError(f"{table}: no row has a label")
    splits = {place.split for place in rows.values() if place.split}
    return ClassTree(
        str(table),
        tuple(natural_sort(classes)),
        tuple(natural_sort(splits)),
        rows,
        are_answers=_are_answers(table),
    )


def _are_answers(table: Path) -> bool:
    """Tell whether a table that was read is one of ``classify``: answers are no truth."""
    text = io.StringIO(read_text(table, InputError), newline="")
    lines = read_rows(text, delimiter=TABLE_DELIMITERS[table.suffix.lower()], is_strict=False)
    return next(lines, CsvRow(1, [])).cells[:4] == RESULT_COLUMNS


def rows_of_table(table: Path, columns: Sequence[str]) -> Iterator[tuple[int, str, Place]]:
    """Yield each row's line, its cell in the first of these columns, and its class and split.

    Raises
    ------
    InputError
        If the table cannot be read, or has no such column.
    """
    text = io.StringIO(read_text(table, InputError), newline="")
    delimiter = TABLE_DELIMITERS[table.suffix.lower()]
    try:
        yield from _cells_of(table, read_rows(text, delimiter=delimiter, is_strict=False), columns)
    except CsvError as error:
        raise InputError(f"{table}:{error.line}: {error.fact}") from error


def _cells_of(
    table: Path, lines: Iterator[CsvRow], columns: Sequence[str]
) -> Iterator[tuple[int, str, Place]]:
    header = next(lines, CsvRow(1, [])).cells
    path_at, label_at = (_column(table, header, names) for names in (columns, LABEL_COLUMNS))
    split_at = header.index(SPLIT_COLUMN) if SPLIT_COLUMN in header else None
    for line, cells in lines:
        if not any(cells):
            continue
        if len(cells) != len(header):
            raise InputError(f"{table}:{line}: {len(cells)} cells, {len(header)} in the header")
        split = cells[split_at] if split_at is not None else ""
        yield line, cells[path_at], Place(cells[label_at] or None, split)


def _column(table: Path, header: Sequence[str], names: Sequence[str]) -> int:
    for name in names:
        if name in header:
            return header.index(name)
    found = " ".join(", ".join(header).split()) or "nothing"
    raise InputError(
        f"{table}:1: no column {names[0]!r}; there is {found}",
        hint="the first line names the columns: path, label, and split if there are any",
    )
