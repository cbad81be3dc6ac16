"""Which sidecar is a picture's: the two ways of naming, and what is there already."""

from __future__ import annotations

import os
from typing import Literal, TypeAlias

from clipcli.images.companions import split_ending
from clipcli.images.files import join
from clipcli.images.kinds import has_picture_ending
from clipcli.workflows.journal.filestate import RefusedError, open_file
from clipcli.workflows.tagging.packet import MAX_BYTES, UnreadablePacketError, read_packet

# full: IMG_1.JPG.xmp (darktable, digiKam); stem: IMG_1.xmp (Lightroom, Capture One).
Naming: TypeAlias = Literal["full", "stem"]
ENDING = ".xmp"
_PHOTOSHOP = ("http://ns.adobe.com/photoshop/1.0/", "SidecarForExtension")


class Sidecars:
    """The sidecars of pictures, as each folder was when it was first asked about."""

    def __init__(self, naming: Naming | None = None) -> None:
        self._naming = naming
        self._folders: dict[str, dict[str, str]] = {}  # names by their lower case

    def of(self, picture: str) -> str:
        """Return the path of a picture's sidecar, which may not be there yet.

        One that is there is taken, by either name, unless it is of another picture of that stem; of
        two, the one of the naming that was asked for, else that of the full name. A new one has the
        full name where pictures share a stem, whatever was asked for.
        """
        found = self.existing(picture)
        if found:
            return found[0]
        folder, name = os.path.split(picture)
        is_stem = self._naming == "stem" and not self._rivals(folder, name)
        return join(folder, (split_ending(name)[0] if is_stem else name) + ENDING)

    def existing(self, picture: str) -> list[str]:
        """Return the paths of the sidecars that a picture has, the one to write into first."""
        folder, name = os.path.split(picture)
        there, found = self._names(folder), []
        full = there.get((name + ENDING).lower())
        if full is not None:
            found.append(join(folder, full))
        stem = there.get((split_ending(name)[0] + ENDING).lower())
        if stem is not None and stem != full and self._is_ours(folder, stem, name):
            found.insert(0 if self._naming == "stem" else len(found), join(folder, stem))
        return found

    def _is_ours(self, folder: str, sidecar: str, picture: str) -> bool:
        """Tell whether ``IMG_1.xmp`` is of this picture, and not of another one of that stem."""
        meant = _extension_in(join(folder, sidecar))
        if meant:
            return meant.lower() == split_ending(picture)[1][1:].lower()
        return not self._rivals(folder, picture)

    def _rivals(self, folder: str, picture: str) -> list[str]:
        """Return the other pictures of a picture's stem."""
        stem = split_ending(picture)[0].lower()
        return [
            name
            for name in self._names(folder).values()
            if name != picture
            and has_picture_ending(name)
            and split_ending(name)[0].lower() == stem
        ]

    def _names(self, folder: str) -> dict[str, str]:
        if folder not in self._folders:
            try:
                names = sorted(os.listdir(folder or "."), reverse=True)
            except OSError:  # whoever reads it will say what is wrong
                names = []
            # Of two that differ in case alone, the first by name counts.
            self._folders[folder] = {name.lower(): name for name in names}
        return self._folders[folder]


def _extension_in(path: str) -> str:
    """Return which ending a sidecar says that its picture has; "" where it is silent."""
    try:
        with open_file(path) as stream:
            descriptions = read_packet(stream.read(MAX_BYTES + 1)).descriptions()
    except (OSError, RefusedError, UnreadablePacketError):  # said when it is to be written
        return ""
    for description in descriptions:
        for _, name, value in description.attributes:
            if name == _PHOTOSHOP:
                return value.strip()
        for element in description.named(*_PHOTOSHOP):
            return element.text.strip()
    return ""
