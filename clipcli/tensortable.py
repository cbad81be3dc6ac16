"""This file knows about tensors wherever they lie: which file, which bytes, how to put them together.

Every checkpoint format comes down to the same thing, a table of names and places, and every foreign
layout to the same three changes: another name, a matrix on its side, several matrices in one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from clipcli.tensorfile import TensorPlace


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor in a file."""

    path: Path
    place: TensorPlace


Table: TypeAlias = Mapping[str, Stored]


@dataclass(frozen=True, slots=True)
class Piece:
    """One of our tensors, made of stored ones: ``parts`` joined along their first axis."""

    names: tuple[str, ...]  # the parts' names in the file, for errors
    parts: tuple[Stored, ...]
    is_transposed: bool = False
    shape: tuple[int, ...] | None = None  # the same numbers in other axes; None: as stored


Plan: TypeAlias = Mapping[str, Piece]  # our names


def as_they_are(table: Table) -> dict[str, Piece]:
    """Return the plan of a file that is in our own layout."""
    return {name: Piece((name,), (stored,)) for name, stored in table.items()}
