"""This file knows about training data at rest: square pictures in one array, texts beside it.

A packed folder holds ``pictures.npy``, uint8 (n, s, s, 3), which is mapped and not read, and
``pictures.tsv`` with the columns ``source path split role captions concepts`` (captions joined by
``|``, concepts by ``,``, the most special first). ``exclude.npy`` lists rows to leave out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from clipcli.errors import InputError

Pixels: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"
Rows: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"
COLUMNS = ("source", "path", "split", "role", "captions", "concepts")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pictures and what is said of them; ``rows`` are those that take part."""

    pictures: Pixels  # (n, s, s, 3)
    sources: Sequence[str]  # n, as the three below
    paths: Sequence[str]
    captions: Sequence[tuple[str, ...]]
    concepts: Sequence[tuple[int, ...]]
    rows: Rows

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
    sources, paths, captions, concepts = _read_table(table)
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
    return Pairs(pictures, sources, paths, captions, concepts, rows)


def _read_table(
    table: Path,
) -> tuple[list[str], list[str], list[tuple[str, ...]], list[tuple[int, ...]]]:
    sources: list[str] = []
    paths: list[str] = []
    captions: list[tuple[str, ...]] = []
    concepts: list[tuple[int, ...]] = []
    seen: dict[str, Any] = {}  # half a million rows share a few thousand cells
    with table.open(encoding="utf-8") as lines:
        header = tuple(next(lines, "").rstrip("\n").split("\t"))
        if header != COLUMNS:
            raise InputError(f"{table}: the header must be {' '.join(COLUMNS)}, tab separated")
        for number, line in enumerate(lines, start=2):
            cells = line.rstrip("\n").split("\t")
            if len(cells) != len(COLUMNS):
                raise InputError(f"{table}:{number}: {len(cells)} cells, not {len(COLUMNS)}")
            source, path, _, _, said, true = cells
            sources.append(seen.setdefault(source, source))
            paths.append(path)
            if said not in seen:
                seen[said] = tuple(text for text in said.split("|") if text)
            captions.append(seen[said])
            if (key := f"\t{true}") not in seen:
                seen[key] = tuple(int(c) for c in true.split(",") if c)
            concepts.append(seen[key])
    return sources, paths, captions, concepts
