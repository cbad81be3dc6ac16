"""True classes of pictures that are no files of a tree: by the folder in a key, or by a table.

A key is what a row of results calls its picture: ``shard-0001.tar::train/cat/17.jpg``, a path, or
a URL.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clipcli.errors import InputError
from clipcli.images.class_tree import (
    PATH_COLUMNS,
    SPLIT_NAMES,
    TABLE_DELIMITERS,
    Place,
    rows_of_table,
)

KEY_COLUMNS = ("key", *PATH_COLUMNS)
MEMBER = "::"  # before what a picture is called within an archive


@dataclass(frozen=True, slots=True)
class KeyTruth:
    """What is known of pictures by their keys; without a table, the folder that each lies in."""

    table: Mapping[str, Place] | None = field(default=None, repr=False)

    def place_of(self, key: str) -> Place:
        """Return a picture's class and split; the class is None where nobody knows.

        >>> KeyTruth().place_of("shard-0001.tar::train/cat/17.jpg")
        Place(label='cat', split='train')
        """
        member = key.rpartition(MEMBER)[2]
        if self.table is not None:
            return self.table.get(key) or self.table.get(member) or Place(None)
        parts = member.replace(os.sep, "/").split("/")
        folders = [part for part in parts[:-1] if part not in ("", ".")]
        if member.partition("://")[1]:
            folders = folders[2:]  # not the protocol, nor the server or bucket
        splits = (part for part in folders[:-1] if part.lower() in SPLIT_NAMES)
        return Place(folders[-1] if folders else None, next(splits, ""))


def read_key_truth(path: Path | None) -> KeyTruth:
    """Read a ``.csv`` or ``.tsv`` of ``key`` (or ``path``), ``label`` and, if there is, ``split``.

    A key is the whole of it, or what stands behind ``::``. None: the folders in the keys tell.

    Raises
    ------
    InputError
        If it is no such table.
    """
    if path is None:
        return KeyTruth()
    if path.suffix.lower() not in TABLE_DELIMITERS or not path.is_file():
        fact = "no .csv or .tsv" if path.is_file() else "no such file"
        raise InputError(f"{path}: {fact}", hint="a table with the columns key and label")
    found: dict[str, Place] = {}
    for line, key, place in rows_of_table(path, KEY_COLUMNS):
        if found.setdefault(key, place) is not place:
            raise InputError(f"{path}:{line}: {key!r} appears twice")
    if not any(place.label for place in found.values()):
        raise InputError(f"{path}: no row has a label")
    return KeyTruth(found)
