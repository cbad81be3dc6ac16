"""Where the pictures of a run come from: paths, or a list of paths."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

from clipcli.errors import UsageError
from clipcli.images.find import FindReport, ImageFile, find_images
from clipcli.images.kinds import sniff
from clipcli.images.lists import STANDARD_INPUT, standard_input_head
from clipcli.pipeline.image_data import ImageData
from clipcli.pipeline.remote import fetch, read_whole
from clipcli.pipeline.source_names import URL, is_source
from clipcli.pipeline.sources import read_source
from clipcli.results import Skipped

Input: TypeAlias = "ImageFile | ImageData | Skipped"


class Inputs(NamedTuple):
    """Files, folders, patterns, ``-`` for standard input (a list, or a picture), and a file."""

    paths: tuple[str, ...]
    from_file: Path | None = None
    null: bool = False  # NUL separates the paths of a list, not the end of a line

    def find(self, report: FindReport) -> Iterator[Input]:
        """Walk them; what was left out is counted in ``report``."""
        paths: list[str] = []
        for path in self.paths:
            has_picture = path == STANDARD_INPUT and _is_picture(standard_input_head())
            if not is_source(path) and not has_picture:
                paths.append(path)
                continue
            yield from self._find_paths(paths, report)
            paths = []
            yield from (_standard_input(),) if has_picture else read_source(path, report)
        if paths or self.from_file is not None:
            found = find_images(paths, from_file=self.from_file, null=self.null, report=report)
            yield from map(fetched, found)

    def _find_paths(self, paths: list[str], report: FindReport) -> Iterator[Input]:
        if paths:
            found = find_images(paths, null=self.null, report=report)
            yield from map(fetched, found)

    @property
    def can_be_walked_twice(self) -> bool:
        """Whether a second walk finds the same: a list from a pipe is gone once read."""
        has_pipe = self.from_file is not None and not self.from_file.is_file()
        has_source = any(map(is_source, self.paths))
        return STANDARD_INPUT not in self.paths and not has_pipe and not has_source

    def check(self) -> None:
        """Refuse inputs that cannot be any, before the first of them is looked at.

        Raises
        ------
        UsageError
        """
        if not self.paths and self.from_file is None:
            raise UsageError(
                "no pictures were given",
                hint="name files or folders, or - to read a list from standard input",
            )
        # A pipe is left unopened: whoever writes into it would lose the first reader.
        if self.from_file is not None and str(self.from_file) != STANDARD_INPUT:
            if not self.from_file.exists():
                raise UsageError(f"{self.from_file}: no such list", hint="check the path")
            if self.from_file.is_dir() or not os.access(self.from_file, os.R_OK):
                raise UsageError(f"{self.from_file}: cannot be read as a list of paths")

    def in_words(self) -> str:
        """Name the inputs in an error message."""
        names = ["standard input" if path == STANDARD_INPUT else path for path in self.paths]
        names += [str(self.from_file)] if self.from_file else []
        return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _is_picture(head: bytes) -> bool:
    return sniff(head) is not None


def _standard_input() -> ImageData:
    """Return the picture that standard input holds."""
    return ImageData(STANDARD_INPUT, partial(read_whole, sys.stdin.buffer))


def fetched(entry: ImageFile | Skipped) -> Input:
    """Return a line of a list that is a URL as the picture behind it."""
    if isinstance(entry, Skipped) and URL.match(entry.path):
        return ImageData(entry.path, partial(fetch, entry.path))
    return entry
