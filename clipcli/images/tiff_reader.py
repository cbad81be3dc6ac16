"""TIFF pictures by Pillow's reader, with its planes of 16 bits put right.

Of an uncompressed TIFF whose colours lie in planes, Pillow takes each byte for a value, whatever
the depth, and of one with a single plane it takes the format's first letter for the whole.
"""

from __future__ import annotations

import io
import itertools
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, BinaryIO

from PIL import ImagePalette
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COLORMAP,
    COMPRESSION,
    EXTRASAMPLES,
    PLANAR_CONFIGURATION,
    SAMPLESPERPIXEL,
    STRIPOFFSETS,
    TILEOFFSETS,
    TiffImageFile,
)

from clipcli.errors import ImageError
from clipcli.images.deep import declared
from clipcli.images.failures import UNREAD_TIFF
from clipcli.images.ranges import Declared, find_range, to_8_bits
from clipcli.images.tiff_planes import is_in_packed_planes, planes_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

_N_COLOURS, _DARK = 3, 16
_IN_PLANES = 2  # a value of the planar configuration
_UNASSOCIATED = 2  # a value of the extra samples: alpha, that colours were not multiplied by
_COLOURS = frozenset({"RGB", "RGBA"})  # whose planes Pillow can put together from 16 bits


class TiffReader(TiffImageFile):
    """Reads the pages of a TIFF."""

    def _setup(self) -> None:
        """Find the strips or tiles of the current page, and say how each is to be read."""
        tags = self.tag_v2
        if tags.get(SAMPLESPERPIXEL, 1) == 1 and tags.get(PLANAR_CONFIGURATION) == _IN_PLANES:
            tags[PLANAR_CONFIGURATION] = 1  # one plane is no planes
        if tags.get(PLANAR_CONFIGURATION) == _IN_PLANES and tags.get(COMPRESSION, 1) == 1:
            self._leave_planes_out()
        super()._setup()
        if self.mode == "P" and max(tags[COLORMAP]) < 256:
            # Some programs write 8 bits where 16 belong; libtiff's own tools know them by that.
            self.palette = ImagePalette.raw("RGB;L", bytes(tags[COLORMAP]))
        if self.use_load_libtiff and tags.prefix == b"MM":
            self._read_natively()
        if tags.get(PLANAR_CONFIGURATION) == _IN_PLANES and not self.use_load_libtiff:
            bits = max(tags.get(BITSPERSAMPLE, (1,)))
            if bits != 8:
                self._read_wide_planes(bits)

    def _leave_planes_out(self) -> None:
        """Leave out planes that are neither colour nor alpha."""
        tags, extra = self.tag_v2, self.tag_v2.get(EXTRASAMPLES, ())
        if any(extra) and set(extra) != {_UNASSOCIATED}:
            kinds = ", ".join(map(str, sorted(set(extra))))
            raise ImageError(f"{UNREAD_TIFF}: planes of extra samples of kind {kinds}")
        n_planes = tags.get(SAMPLESPERPIXEL, 1)
        if any(extra) or not extra or n_planes <= len(extra):
            return
        for tag in {STRIPOFFSETS, TILEOFFSETS} & set(tags):
            places = tags[tag]
            tags[tag] = places[: len(places) // n_planes * (n_planes - len(extra))]

    def _read_natively(self) -> None:
        """Read numbers as libtiff gives them, in this machine's order, not in the file's."""
        self._set_forms({"I;16BS": "I;16NS", "I;32BS": "I;32NS", "F;32BF": "F;32NF"})

    def _set_forms(self, forms: Mapping[str, str]) -> None:
        """Put other raw modes in the place of some."""
        self.tile = [
            tile._replace(args=(forms.get(form, form), *rest))
            for tile in self.tile
            if isinstance(tile.args, tuple)
            for form, *rest in [tile.args]
        ]

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


class _LowTiffBytes(TiffReader):
    """Reads the lower byte of each 16-bit colour, where others read the upper one."""

    def _setup(self) -> None:
        super()._setup()
        native_other = "B" if sys.byteorder == "little" else "L"
        swapped = {"L": "B", "B": "L", "N": native_other}
        forms = {tile.args[0] for tile in self.tile if isinstance(tile.args, tuple)}
        self._set_forms({form: form[:-1] + swapped[form[-1]] for form in forms if ";16" in form})


def with_all_bits(image: ImageFile, stream: BinaryIO, page: int) -> Image:
    """Return a picture of 16-bit colours that is not dark by mistake.

    Pillow takes the upper 8 of the 16 bits. Where a camera put its 12 into them, these are nearly
    zero, and the lower ones are needed as well.
    """
    if not isinstance(image, TiffImageFile):
        return image
    bits = max(image.tag_v2.get(BITSPERSAMPLE, (1,)))
    if bits != 16 or image.mode not in _COLOURS or not _is_dark(image):
        return image
    import PIL.Image

    values = _wide_values(image, stream, page)  # (h, w, 3 or 4)
    height, width, n_bands = shape = values.shape
    colours = values[..., :_N_COLOURS].reshape(height, width * _N_COLOURS)
    extent = find_range(colours, declared(image))
    scale = Declared(extent=extent)
    scaled = to_8_bits(values.reshape(height, width * n_bands), scale).reshape(shape)
    if n_bands > _N_COLOURS and values[..., _N_COLOURS].max() > extent.high:
        scaled[..., _N_COLOURS] = values[..., _N_COLOURS] >> 8  # alpha fills its 16 bits
    brightened = PIL.Image.fromarray(scaled, image.mode)
    brightened.info = dict(image.info)  # a colour profile
    return brightened


def _wide_values(image: TiffImageFile, stream: BinaryIO, page: int) -> NDArray[np.uint16]:
    """Return the numbers (h, w, bands) of 16 bits that a picture of 8 was made of."""
    import numpy as np

    if is_in_packed_planes(image):
        contents = itertools.islice(planes_of(image, stream), len(image.getbands()))
        planes = [np.asarray(TiffReader(io.BytesIO(content))) for content in contents]
        return np.stack(planes, axis=2).astype(np.uint16)
    stream.seek(0)
    lower = _LowTiffBytes(stream)
    lower.seek(page)
    both = np.asarray(lower).astype(np.uint16)
    both |= np.asarray(image).astype(np.uint16) << 8
    return both


def _is_dark(image: Image) -> bool:
    """Say whether all but one in a thousand of the colours have nothing in their top 4 bits."""
    bands = [image.histogram()[band * 256 : (band + 1) * 256] for band in range(_N_COLOURS)]
    n_bright = sum(sum(counts[_DARK:]) for counts in bands)
    return n_bright * 1000 < _N_COLOURS * image.width * image.height
