"""Finding pictures: arguments, folders, patterns and lists become paths.

Every input is one record. A path that is reached twice (named twice, named and walked over, or
through a symbolic link) is one input; hard links are files of their own, each with its name.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from clipcli.errors import ImageError
from clipcli.images.files import check_regular, failure_reason, join, open_regular, status_of
from clipcli.images.globs import expand, is_pattern
from clipcli.images.kinds import HEAD_BYTES, has_picture_ending, sniff
from clipcli.images.left_out import kind_of
from clipcli.images.lists import STANDARD_INPUT, read_paths
from clipcli.images.order import natural_sort
from clipcli.results import Skipped

LINKS_NAMED = 3  # linked folders that a report names

_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that counts as an input; ``path`` is as results show it."""

    path: str
    # What the system said of it when it was found, so that it need not be asked again.
    status: os.stat_result | None = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class FindReport:
    """What finding met besides inputs; complete once the iterator is used up."""

    # Files in folders that are no pictures, by ending and by content: how many of each kind.
    left_out: Counter[str] = field(default_factory=Counter)
    repeated: int = 0  # paths that had been found before
    n_folders: int = 0  # folders that were walked
    linked_folders: list[str] = field(default_factory=list)  # were not walked; the first few
    n_linked_folders: int = 0
    incomplete: dict[str, str] = field(default_factory=dict)  # vectors of a run that ended early
    links: list[str] | None = None  # with a list, links in folders go there and are no inputs

    @property
    def ignored(self) -> int:
        """How many files were left out."""
        return self.left_out.total()


@dataclass(slots=True)
class _Seen:
    """Which files were found, as compactly as it goes: a set of inode numbers a device."""

    by_name: bool = False  # then links to a file are inputs beside it
    inodes: dict[int, set[int]] = field(default_factory=dict)
    paths: set[str] = field(default_factory=set)

    def add(self, path: str, status: os.stat_result) -> bool:
        """Remember a file; say whether it is new."""
        if self.by_name:
            return _add(self.paths, os.path.abspath(path))  # noqa: PTH100 - links are kept
        # Hard links share an inode, and some file systems have none: there the path must tell.
        if status.st_nlink > 1 or status.st_ino == 0:
            return _add(self.paths, os.path.realpath(path))
        return _add(self.inodes.setdefault(status.st_dev, set()), status.st_ino)


def find_images(
    arguments: Iterable[str],
    *,
    from_file: str | os.PathLike[str] | None = None,
    null: bool = False,
    report: FindReport | None = None,
    by_name: bool = False,
) -> Iterator[ImageFile | Skipped]:
    """Yield every input that the arguments stand for, in order, as it is found.

    Parameters
    ----------
    arguments
        Files, folders (walked with all folders in them), patterns that the shell did not expand,
        and ``-`` for a list on standard input.
    from_file
        A file with a path in each line; they are taken as they are, never as patterns.
    null
        Lists, standard input's as well, separate paths by NUL characters, not by line ends.
    report
        Is filled with the counts of what was left out.
    by_name
        Each name is an input, although several lead to one file: in a data set a picture may be
        linked into two of its parts.

    Yields
    ------
    ImageFile or Skipped
        A regular file to decode, or what cannot be opened and why.

    Raises
    ------
    UsageError
        If a list cannot be read.
    """
    report = report if report is not None else FindReport()
    seen = _Seen(by_name)
    for argument in arguments:
        if argument == STANDARD_INPUT:
            yield from _find_listed(argument, null, seen, report)
        else:
            yield from _find_argument(argument, seen, report)
    if from_file is not None:
        yield from _find_listed(os.fspath(from_file), null, seen, report)


def _find_listed(
    source: str, null: bool, seen: _Seen, report: FindReport
) -> Iterator[ImageFile | Skipped]:
    for path in read_paths(source, null=null):
        yield from _find_path(path, seen, report)


def _find_argument(argument: str, seen: _Seen, report: FindReport) -> Iterator[ImageFile | Skipped]:
    if not is_pattern(argument) or os.path.lexists(argument):
        yield from _find_path(argument, seen, report)
        return
    matches = expand(argument)
    if not matches:
        yield Skipped(argument, "no such file or folder, and nothing matches it as a pattern")
    for path in matches:
        yield from _find_path(path, seen, report)


def _find_path(path: str, seen: _Seen, report: FindReport) -> Iterator[ImageFile | Skipped]:
    """Yield what a path stands for that somebody named: itself, or all pictures in a folder."""
    try:
        status = status_of(path)
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(path, seen, report)
            return
        check_regular(status)
    except (OSError, ValueError) as error:
        yield Skipped(path, failure_reason(error, path))
    except ImageError as error:
        yield Skipped(path, error.message)
    else:
        if seen.add(path, status):
            yield ImageFile(path, status)
        else:
            report.repeated += 1


def _walk(top: str, seen: _Seen, report: FindReport) -> Iterator[ImageFile | Skipped]:
    """Yield the pictures of a folder, then of the folders in it; memory holds one folder's names.

    A stack and not recursion: folders may be nested deeper than Python recurses.
    """
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        report.n_folders += 1
        try:
            files, folders = _list_folder(folder, report)
        except OSError as error:
            yield Skipped(folder, failure_reason(error, folder))
            continue
        for name in files:
            yield from _find_in_folder(join(folder, name), seen, report)
        waiting.extend(join(folder, name) for name in reversed(folders))


def _list_folder(folder: str, report: FindReport) -> tuple[list[str], list[str]]:
    """Return the names of files and of folders, sorted, without hidden ones and linked folders."""
    files, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):  # AppleDouble files, ._*, are among them
                continue
            if report.links is not None and _is_linked(entry):
                report.links.append(join(folder, entry.name))
            elif not _is_folder(entry):
                files.append(entry.name)
            elif _is_linked(entry):
                report.n_linked_folders += 1
                if len(report.linked_folders) < LINKS_NAMED:
                    report.linked_folders.append(join(folder, entry.name))
            else:
                folders.append(entry.name)
    return natural_sort(files), natural_sort(folders)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle; opening it will say so
        return False


def _is_linked(entry: os.DirEntry[str]) -> bool:
    is_junction = getattr(entry, "is_junction", None)  # Windows, from Python 3.12
    return entry.is_symlink() or bool(is_junction and is_junction())


def _find_in_folder(path: str, seen: _Seen, report: FindReport) -> Iterator[ImageFile | Skipped]:
    if looks_like_picture(path):
        yield from _find_path(path, seen, report)
    else:
        report.left_out[kind_of(path)] += 1


def looks_like_picture(path: str) -> bool:
    """Tell whether a file in a folder counts as an input, by its ending or its content."""
    return has_picture_ending(path) or _has_picture_content(path)


def _has_picture_content(path: str) -> bool:
    try:
        with open_regular(path) as stream:
            return sniff(stream.read(HEAD_BYTES)) is not None
    except (ImageError, OSError):  # neither a picture's ending nor content to be seen
        return False


def _add(known: set[_Key], item: _Key) -> bool:
    n_known = len(known)
    known.add(item)
    return len(known) > n_known
