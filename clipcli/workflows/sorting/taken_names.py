"""Names that are taken in a folder of DIR: on the disk, or by what is planned to go there.

Names that some file system takes for the same are the same here. A stem counts as well where files
follow pictures: ``IMG_1.mov`` out of one folder must not come to lie beside ``IMG_1.jpg`` out of
another, and be taken for its film from then on.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from clipcli.images.companions import is_follower, split_ending
from clipcli.workflows.sorting.foldernames import name_key

_ON_DISK = ("", "")


@dataclass(slots=True)
class _Stem:
    """Who has a stem: the folder and stem that they come with, and whether one follows another."""

    origins: set[tuple[str, str]] = field(default_factory=set)
    has_followers: bool = False


@dataclass(slots=True)
class TakenNames:
    """The names of one folder."""

    _names: set[str] = field(default_factory=set)
    _stems: dict[str, _Stem] = field(default_factory=dict)

    def note_disk(self, name: str, *, is_folder: bool) -> None:
        """Note what lies there."""
        self._names.add(name_key(name))
        if is_folder:
            self._names.add(name_key(name) + "/")
            return
        stem, _ = split_ending(name)
        self._note_stem(stem, _ON_DISK, has_followers=is_follower(name))
        if is_follower(name):  # IMG.jpg.xmp follows IMG.jpg, and would follow IMG
            self._note_stem(split_ending(stem)[0], _ON_DISK, has_followers=True)

    def has_stem(self, stem: str) -> bool:
        """Tell whether something is called by a stem."""
        return name_key(stem) in self._stems

    def reserve(self, name: str) -> bool:
        """Note a folder that is to be there; tell whether no file has that name."""
        key = f"{name_key(name)}/"
        is_free = key in self._names or key[:-1] not in self._names
        self._names |= {key, key[:-1]}
        return is_free

    def take(self, stem: str, names: Collection[str], origin: tuple[str, str]) -> bool:
        """Take names for a group, all or none; tell whether they were free.

        Parameters
        ----------
        stem
            What the names have in common.
        origin
            The folder and the stem that the group comes with: those of one origin may share a stem.
        """
        keys = {name_key(name) for name in names}
        if not keys.isdisjoint(self._names):
            return False
        has_followers = any(map(is_follower, names))
        held = self._stems.get(name_key(stem))
        is_mixed = held is not None and (held.has_followers or has_followers)
        if held is not None and is_mixed and held.origins != {origin}:
            return False
        self._names |= keys
        self._note_stem(stem, origin, has_followers=has_followers)
        return True

    def _note_stem(self, stem: str, origin: tuple[str, str], *, has_followers: bool) -> None:
        held = self._stems.setdefault(name_key(stem), _Stem())
        held.origins.add(origin)
        held.has_followers |= has_followers
