"""Training data at rest: square pictures in one array, texts beside it.

A packed folder holds ``pictures.npy``, uint8 (n, s, s, 3), which is mapped and not read, and
``pictures.tsv`` with the columns ``source path split role captions concepts`` (captions joined by
``|``, concepts by ``,``, the most special first; role ``name``: captions are names, not sentences).
``exclude.npy`` lists rows to leave out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np

from clipcli.errors import InputError

Pixels: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"
Rows: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"
T = TypeVar("T")
NAME = "name"
COLUMNS = ("source", "path", "split", "role", "captions", "concepts")


class JoinedPictures:
    """Several arrays of pictures of one size, seen as one."""

    def __init__(self, parts: Sequence[Pixels]) -> None:
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])
        self.shape = (int(self._ends[-1]), *parts[0].shape[1:])

    def __getitem__(self, rows: Rows) -> Pixels:
        """Return pictures by their numbers: (k,) -> (k, s, s, 3)."""
        found = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        which = np.searchsorted(self._ends, rows, side="right")
        for number, part in enumerate(self._parts):
            here = which == number
            found[here] = part[rows[here] - (self._ends[number] - len(part))]
        return found


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pictures and what is said of them; ``rows`` are those that take part."""

    pictures: Pixels | JoinedPictures  # (n, s, s, 3)
    sources: Sequence[str]  # n, as the three below
    paths: Sequence[str]
    captions: Sequence[tuple[str, ...]]
    concepts: Sequence[tuple[int, ...]]
    rows: Rows
    are_names: Sequence[bool] = ()  # n: captions are names and not sentences; empty: none are

    @property
    def side_px(self) -> int:
        """The side of the stored squares."""
        return int(self.pictures.shape[1])

    def __len__(self) -> int:
        """Count the rows that take part."""
        return len(self.rows)

    def take(self, rows: Rows) -> Pairs:
        """Return the same data with other rows taking part."""
        return replace(self, rows=rows)


def is_packed(folder: Path, stem: str = "pictures") -> bool:
    """Tell whether a folder holds packed pictures of this name."""
    return (folder / f"{stem}.npy").is_file() and (folder / f"{stem}.tsv").is_file()


def open_packed(folder: Path, stem: str = "pictures") -> Pairs:
    """Map the pictures and read the texts of a packed folder."""
    pictures = np.load(folder / f"{stem}.npy", mmap_mode="r")
    table = folder / f"{stem}.tsv"
    sources, paths, captions, concepts, are_names = _read_table(table)
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or len(pictures) < len(paths):
        raise InputError(
            f"{folder}: {stem}.npy is {pictures.dtype} {pictures.shape}, "
            f"but {stem}.tsv has {len(paths)} rows",
            hint="pack the data again",
        )
    rows = np.arange(len(paths), dtype=np.int64)
    exclude = folder / "exclude.npy"
    if stem == "pictures" and exclude.is_file():
        rows = np.setdiff1d(rows, np.load(exclude))
    return Pairs(pictures, sources, paths, captions, concepts, rows, are_names)


def join_pairs(parts: Sequence[Pairs]) -> Pairs:
    """Put several sets of pairs one after the other."""
    first = parts[0]
    if len(parts) == 1:
        return first
    for other in parts:
        if other.side_px != first.side_px:
            raise InputError(
                f"packed folders of different sizes: {first.side_px} and {other.side_px} px",
                hint="pack them at the same size",
            )
    begins = np.cumsum([0, *(part.pictures.shape[0] for part in parts)])
    arrays = [part.pictures for part in parts if isinstance(part.pictures, np.ndarray)]
    assert len(arrays) == len(parts), "what is joined is not joined again"
    return Pairs(
        JoinedPictures(arrays),
        _joined(parts, [part.sources for part in parts], ""),
        _joined(parts, [part.paths for part in parts], ""),
        _joined(parts, [part.captions for part in parts], ()),
        _joined(parts, [part.concepts for part in parts], ()),
        np.concatenate([p.rows + begin for p, begin in zip(parts, begins, strict=False)]),
        _joined(parts, [part.are_names for part in parts], False),
    )


def _joined(parts: Sequence[Pairs], columns: Sequence[Sequence[T]], empty: T) -> list[T]:
    """Put columns one after the other; an array of pictures may be longer than its table."""
    lengths = [part.pictures.shape[0] for part in parts]
    return [
        value
        for column, n in zip(columns, lengths, strict=True)
        for value in (*column, *[empty] * (n - len(column)))
    ]


def _read_table(
    table: Path,
) -> tuple[list[str], list[str], list[tuple[str, ...]], list[tuple[int, ...]], list[bool]]:
    sources: list[str] = []
    paths: list[str] = []
    captions: list[tuple[str, ...]] = []
    concepts: list[tuple[int, ...]] = []
    are_names: list[bool] = []
    seen: dict[str, Any] = {}  # half a million rows share a few thousand cells
    with table.open(encoding="utf-8") as lines:
        header = tuple(next(lines, "").rstrip("\n").split("\t"))
        if header != COLUMNS:
            raise InputError(f"{table}: the header must be {' '.join(COLUMNS)}, tab separated")
        for number, line in enumerate(lines, start=2):
            cells = line.rstrip("\n").split("\t")
            if len(cells) != len(COLUMNS):
                raise InputError(f"{table}:{number}: {len(cells)} cells, not {len(COLUMNS)}")
            source, path, _, role, said, true = cells
            are_names.append(role == NAME)
            sources.append(seen.setdefault(source, source))
            paths.append(path)
            if said not in seen:
                seen[said] = tuple(text for text in said.split("|") if text)
            captions.append(seen[said])
            if (key := f"\t{true}") not in seen:
                seen[key] = tuple(int(c) for c in true.split(",") if c)
            concepts.append(seen[key])
    return sources, paths, captions, concepts, are_names
