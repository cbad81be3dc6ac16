"""Files that belong to a picture: edits, notes, a live photo's film.

``IMG.jpg`` takes ``IMG.xmp`` and ``IMG.jpg.xmp`` along, and the same with the other endings. Where
two pictures share a stem (``IMG.jpg``, ``IMG.heic``), ``IMG.xmp`` goes with the first of them.
"""

from __future__ import annotations

import os

from clipcli.images.order import natural_sort

ENDINGS = (
    ".supplemental-metadata.json",  # Google's takeout, before the shorter ending it ends with
    ".json",
    ".xmp",
    ".aae",  # Apple's edits
    ".mov",  # the film of a live photo
)


class Sidecars:
    """The files of SOURCE that follow a picture; each follows one at most."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._folders: dict[str, dict[str, list[str]]] = {}

    def take(self, path: str) -> list[str]:
        """Return the names of what follows the picture at a path relative to SOURCE."""
        parent, name = os.path.split(path)
        if parent not in self._folders:
            self._folders[parent] = self._read(parent)
        stem = os.path.splitext(name)[0]
        waiting = self._folders[parent]
        return [*waiting.pop(name, ()), *waiting.pop(stem, ())]

    def _read(self, parent: str) -> dict[str, list[str]]:
        """Return the names of possible followers by what they may follow."""
        found: dict[str, list[str]] = {}
        try:
            names = os.listdir(os.path.join(self._source, parent))
        except OSError:  # gone by now; the pictures in it will say so
            return found
        for name in natural_sort(names):
            for ending in ENDINGS:
                if name.lower().endswith(ending):
                    found.setdefault(name[: -len(ending)], []).append(name)
                    break
        return found
