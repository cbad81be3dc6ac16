"""TIFF pictures by Pillow's reader, with its planes of 16 bits put right.

Of an uncompressed TIFF whose colours lie in planes, Pillow takes each byte for a value, whatever
the depth, and of one with a single plane it takes the format's first letter for the whole.
"""

from __future__ import annotations

from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    PLANAR_CONFIGURATION,
    SAMPLESPERPIXEL,
    TiffImageFile,
)

from clipcli.errors import ImageError
from clipcli.images.failures import UNREAD_TIFF

_IN_PLANES = 2  # a value of the planar configuration
_COLOURS = frozenset({"RGB", "RGBA"})  # whose planes Pillow can put together from 16 bits


class TiffReader(TiffImageFile):
    """Reads the pages of a TIFF."""

    def _setup(self) -> None:
        """Find the strips or tiles of the current page, and say how each is to be read."""
        tags = self.tag_v2
        if tags.get(SAMPLESPERPIXEL, 1) == 1 and tags.get(PLANAR_CONFIGURATION) == _IN_PLANES:
            tags[PLANAR_CONFIGURATION] = 1  # one plane is no planes
        super()._setup()
        if tags.get(PLANAR_CONFIGURATION) == _IN_PLANES and not self.use_load_libtiff:
            bits = max(tags.get(BITSPERSAMPLE, (1,)))
            if bits != 8:
                self._read_wide_planes(bits)

    def _read_wide_planes(self, bits: int) -> None:
        if bits != 16 or self.mode not in _COLOURS:
            raise ImageError(f"{UNREAD_TIFF}: planes of {bits} bits, {self.mode}")
        order = "L" if self.tag_v2.prefix == b"II" else "B"
        self.tile = [
            tile._replace(args=(f"{plane};16{order}", stride, step))
            for tile in self.tile
            if isinstance(tile.args, tuple)
            for plane, stride, step in [tile.args]
        ]
