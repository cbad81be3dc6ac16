"""SOURCE and DIR: whether they fit each other, and what lies in SOURCE."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clipcli.errors import InputError, OutputError, OutputExistsError, UsageError
from clipcli.images.companions import Companions
from clipcli.images.find import ImageFile
from clipcli.images.left_out import kind_of
from clipcli.results import Skipped
from clipcli.workflows.journal.filestate import FileState, RefusedError, look
from clipcli.workflows.journal.records import Places


def open_places(source: Path, into: Path) -> Places:
    """Return where files come from and where they go, after a look at both.

    Raises
    ------
    InputError
        If SOURCE is no folder.
    UsageError
        If they are the same folder.
    OutputError, OutputExistsError
        If DIR cannot be made, is no folder, or cannot be written.
    """
    try:
        if not source.is_dir():
            raise InputError(
                f"{source}: is not a folder" if source.exists() else f"{source}: no such folder",
                hint="name the folder with the pictures",
            )
        places = Places(os.path.realpath(source), os.path.realpath(into))
        _check_into(into, places)
    except (OSError, ValueError) as error:  # a folder that may not be looked into; a zero byte
        raise InputError(f"{source}: {getattr(error, 'strerror', None) or error}") from error
    return places


def _check_into(into: Path, places: Places) -> None:
    if os.path.exists(places.into) and not os.path.isdir(places.into):
        raise OutputExistsError(f"{into}: is there and is not a folder", hint="choose another DIR")
    if _is_same(places.source, places.into):
        raise UsageError(
            f"{into}: is SOURCE itself", hint=f"a folder in it will do: {into / 'sorted'}"
        )
    parent = places.into if os.path.isdir(places.into) else os.path.dirname(places.into)
    if not os.path.isdir(parent):
        raise OutputError(
            f"{into}: the folder {parent} does not exist", hint="make it, or choose another"
        )
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"{into}: the folder {parent} is not writable")


def _is_same(first: str, second: str) -> bool:
    return first == second or (os.path.exists(second) and os.path.samefile(first, second))


def check_hard_links(places: Places) -> None:
    """Refuse hard links between two file systems.

    Raises
    ------
    UsageError
    """
    into = places.into if os.path.exists(places.into) else os.path.dirname(places.into)
    if os.stat(places.source).st_dev != os.stat(into).st_dev:
        raise UsageError(
            f"{into}: is on another file system than SOURCE, where hard links do not reach",
            hint="--copy or --link instead of --hardlink",
        )


@dataclass(slots=True)
class InputWatch:
    """The pictures of SOURCE on their way to the classifier, and what each was when found."""

    typed: str  # SOURCE as it was typed, which found paths begin with
    places: Places
    companions: Companions | None = None  # None: each file is by itself
    states: dict[str, FileState] = field(default_factory=dict)  # by path relative to SOURCE
    followers: set[str] = field(default_factory=set)  # pictures that are not to be classified
    n_inside: int = 0  # files that lie in DIR, sorted already

    def relative(self, path: str) -> str:
        """Return a found path as it lies under SOURCE."""
        return os.path.relpath(path, self.typed)

    def watch(self, found: Iterable[ImageFile | Skipped]) -> Iterator[ImageFile | Skipped]:
        """Pass on what is to be sorted, and note its state."""
        inside = os.path.relpath(self.places.into, self.places.source)
        for entry in found:
            path = self.relative(entry.path)
            if _is_within(path, inside):
                self.n_inside += 1
                continue
            if self.companions and self.companions.leader(path) is not None:
                self.followers.add(path)
                continue
            if isinstance(entry, ImageFile):
                try:
                    self.states[path] = look(entry.path)
                except RefusedError as refusal:
                    yield Skipped(entry.path, refusal.message)
                    continue
            yield entry

    def n_left_out(self, paths: Iterable[str]) -> Counter[str]:
        """Count, by kind, those companions that a walk has counted as left out."""
        return Counter(kind_of(path) for path in paths if path not in self.followers)

    def is_inside(self, path: str) -> bool:
        """Tell whether a path that was found lies in DIR."""
        inside = os.path.relpath(self.places.into, self.places.source)
        return _is_within(self.relative(path), inside)


def _is_within(path: str, folder: str) -> bool:
    return path.startswith(folder + os.sep)
