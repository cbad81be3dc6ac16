"""Companions: files of one name with a picture, which belong to it.

A camera writes ``IMG_1.JPG`` and ``IMG_1.CR2``, a phone ``IMG_1.HEIC`` and ``IMG_1.MOV``; programs
add ``IMG_1.xmp`` or ``IMG_1.JPG.xmp``. One picture leads each such group, the rest follows it.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

from clipcli.images.files import join
from clipcli.images.kinds import JPEG, RAW, has_picture_ending
from clipcli.images.left_out import SIDECARS, VIDEOS
from clipcli.images.order import natural_sort

# What follows a picture: endings in lower case. Cameras speak their notes into .wav files.
FOLLOWING = frozenset({*RAW.endings, *VIDEOS, *SIDECARS, ".json", ".wav"})
# Google's takeout: "IMG_1.jpg.supplemental-metadata.json", cut off wherever the name gets longer
# than 46 characters, and "IMG_1.jpg(2).json" for "IMG_1(2).jpg".
_TAKEOUT, _TAKEOUT_CHARACTERS = ".supplemental-metadata", 46
_TAKEOUT_COPY = re.compile(r"(.*)(\([0-9]{1,4}\))", re.DOTALL)
# darktable's further versions of a picture: "IMG_1_01.CR2.xmp" beside "IMG_1.CR2".
_VERSION = re.compile(r"(.*)_[0-9]{2}(\.[^.]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Companion:
    """A file that follows a picture, by its name in the picture's folder.

    ``rest`` comes after the stem that the group has in common: where the group is renamed, the
    file is called by the new stem and this.
    """

    name: str
    rest: str


@dataclass(slots=True)
class _Folder:
    """What lies in a folder: the names of its files, and who follows whom."""

    names: list[str]  # sorted plainly, for bisection
    followers: dict[str, list[str]] = field(default_factory=dict)  # by whole name, or by stem
    leaders: dict[str, str] = field(default_factory=dict)  # by stem: who has what the stem says


class Companions:
    """The companions of pictures under a folder, as each folder was when it was first asked about.

    Parameters
    ----------
    top
        The folder; paths are relative to it.
    """

    def __init__(self, top: str) -> None:
        self._top = top
        self._folders: dict[str, _Folder] = {}

    def leader(self, path: str) -> str | None:
        """Return the picture that a file follows; None for one that leads, or stands alone.

        Among pictures of one stem the JPEG leads, or else the first that is no raw photograph.
        """
        parent, name = os.path.split(path)
        if not is_follower(name):
            return None
        stem = split_ending(name)[0]
        first = self._folder(parent).leaders.get(stem, name)
        return None if first == name else join(parent, first)

    def of(self, path: str) -> list[Companion]:
        """Return what follows a picture, in the order of names."""
        parent, name = os.path.split(path)
        stem, ending = split_ending(name)
        folder = self._folder(parent)
        found = list(folder.followers.get(name, ()))
        # What is called "IMG.jpg.xmp" belongs to "IMG.jpg" if that is there, not to "IMG.jpg.png".
        is_other = has_picture_ending(stem) and _has(folder, stem)
        if folder.leaders.get(stem, name) == name and not is_other:
            for follower in folder.followers.get(stem, ()):
                found += [follower, *folder.followers.get(follower, ())]
        names = natural_sort(set(found) - {name})
        return [Companion(each, _rest(each, stem, ending)) for each in names]

    def _folder(self, parent: str) -> _Folder:
        if parent not in self._folders:
            self._folders[parent] = _read(join(self._top, parent))
        return self._folders[parent]


def split_ending(name: str) -> tuple[str, str]:
    """Return a name's stem and its ending, which begins with a dot; a hidden file has none."""
    stem, dot, ending = name.rpartition(".")
    return (stem, dot + ending) if stem.strip(".") else (name, "")


def is_follower(name: str) -> bool:
    """Tell whether a file would follow a picture of its stem, by its ending."""
    return split_ending(name)[1].lower() in FOLLOWING


def _read(path: str) -> _Folder:
    folder = _Folder(sorted(_names(path)))
    pictures = [name for name in folder.names if has_picture_ending(name)]
    for name in sorted(natural_sort(pictures), key=_rank):
        folder.leaders.setdefault(split_ending(name)[0], name)
    for name in folder.names:
        if is_follower(name):
            folder.followers.setdefault(_followed(name, folder), []).append(name)
    return folder


def _names(path: str) -> Iterator[str]:
    """Yield the names of regular files, without hidden ones: a link neither leads nor follows."""
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
                    yield entry.name
    except OSError:  # gone by now; the pictures in it will say so
        return


def _rank(name: str) -> int:
    ending = split_ending(name)[1].lower()
    return 2 if ending in FOLLOWING else int(ending not in JPEG.endings)


def _followed(name: str, folder: _Folder) -> str:
    """Return what a follower's name says that it follows: a file's whole name, or a stem."""
    base, ending = split_ending(name)
    if _has(folder, base):
        return base
    if ending.lower() == ".json":
        return _of_takeout(base, folder) or base
    version = _VERSION.fullmatch(base)
    if version and _has(folder, original := "".join(version.groups())):
        return original
    return base


def _of_takeout(base: str, folder: _Folder) -> str | None:
    """Return the picture that a .json of Google's speaks of, if it is there."""
    copied = _TAKEOUT_COPY.fullmatch(base)
    body, number = (copied[1], copied[2]) if copied else (base, "")
    picture, _, tail = body.rpartition(".")
    if f".{tail}" == _TAKEOUT[: len(tail) + 1] and _has(folder, _with(picture, number)):
        return _with(picture, number)
    if _has(folder, _with(body, number)):
        return _with(body, number)
    if len(body) == _TAKEOUT_CHARACTERS and not number:  # cut off within the picture's own name
        at = bisect_left(folder.names, body)
        fitting = [x for x in folder.names[at : at + 8] if x.startswith(body)]
        pictures = [x for x in fitting if has_picture_ending(x)]
        return pictures[0] if len(pictures) == 1 else None
    return None


def _with(picture: str, number: str) -> str:
    stem, ending = split_ending(picture)
    return f"{stem}{number}{ending}"


def _has(folder: _Folder, name: str) -> bool:
    at = bisect_left(folder.names, name)
    return at < len(folder.names) and folder.names[at] == name


def _rest(name: str, stem: str, ending: str) -> str:
    if name.startswith(stem):
        return name[len(stem) :]
    return ending + split_ending(name)[1]  # of takeout, where the name was cut or numbered
