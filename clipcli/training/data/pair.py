"""One picture to train on: where it lies, and what is said of it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class ArchiveMember:
    """A file inside an archive that holds its files as they are."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture on disk and what is said of it."""

    path: Path
    captions: tuple[str, ...]  # at least one
    is_name: bool = False  # captions are names, which prompts are made of, and not sentences
    place: ArchiveMember | None = None  # in the archive at ``path``
    source: str = ""

    @property
    def title(self) -> str:
        """What the picture is called in messages and tables."""
        return str(self.path) if self.place is None else f"{self.path}:{self.place.name}"

    def content(self) -> Path | BinaryIO:
        """Return what can be decoded: a path, or a picture's file from an archive."""
        if self.place is None:
            return self.path
        with self.path.open("rb") as archive:
            archive.seek(self.place.offset)
            return io.BytesIO(archive.read(self.place.size))
