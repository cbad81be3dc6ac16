"""PNGs of 16 bits by Pillow's reader, with what its upper bytes of colours do not tell.

A PNG's numbers fill their 16 bits, and ``sBIT`` says how many of the upper ones came from the
sensor (PNG, third edition, section 11.3.2.7). Some programs store a camera's 12 bits as they are,
in the lower ones, and declare them all the same; such a picture is nearly black to the letter.
The colour that stands for transparency has 16 bits as well: no upper byte is equal to it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, BinaryIO

from PIL.PngImagePlugin import PngImageFile

from clipcli.images.mending import chunks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_HEAD_BYTES = 2**18  # where sBIT, which comes before the pixels, is looked for
_DEPTH_AT = 24  # of IHDR's bits a sample
_N_COLOURS = 3


class _LowPngBytes(PngImageFile):
    """Reads the lower byte of each 16-bit colour, where others read the upper one."""

    def _open(self) -> None:
        super()._open()
        self.tile = [tile._replace(args=str(tile.args).replace("16B", "16L")) for tile in self.tile]


def with_all_bits(image: Image, stream: BinaryIO) -> Image:
    """Return a loaded PNG that is not dark by mistake, its one transparent colour as alpha."""
    stream.seek(_DEPTH_AT)
    if stream.read(1) != b"\x10":
        return image
    bits = _significant_bits(stream)
    if image.mode == "I;16":
        return image if bits is None else _brighter_grey(image, bits)
    key = image.info.get("transparency") if image.mode == "RGB" else None
    if image.mode not in ("RGB", "RGBA") or (bits is None and key is None):
        return image
    import numpy as np
    import PIL.Image

    stream.seek(0)
    upper, lower = np.asarray(image), np.asarray(_LowPngBytes(stream))
    values = upper.astype(np.uint16) << 8 | lower  # (h, w, 3 or 4)
    pixels = upper if bits is None else _brighter(values, upper, bits)
    if key is not None:
        is_opaque = (values != np.array(key, np.uint16)).any(axis=2, keepdims=True)
        pixels = np.concatenate([pixels, is_opaque * np.uint8(255)], axis=2)
    read = PIL.Image.fromarray(pixels)
    read.info = {name: value for name, value in image.info.items() if name != "transparency"}
    return read


def _brighter_grey(image: Image, bits: int) -> Image:
    """Return greys whose numbers fill 16 bits."""
    import numpy as np
    import PIL.Image

    values = np.asarray(image)  # (h, w)
    if not _lie_low(values, bits):
        return image
    brighter = PIL.Image.fromarray(values << 16 - bits)
    brighter.info = dict(image.info)
    if isinstance(image.info.get("transparency"), int):
        brighter.info["transparency"] <<= 16 - bits
    return brighter


def _brighter(values: NDArray[np.uint16], upper: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Return the upper 8 of so many bits (h, w, bands), where that is how they are stored."""
    if not _lie_low(values[..., :_N_COLOURS], bits):
        return upper
    pixels: NDArray[Any] = (values >> bits - 8).astype("uint8")
    if values.shape[2] > _N_COLOURS and int(values[..., _N_COLOURS].max()) >> bits:
        pixels[..., _N_COLOURS] = upper[..., _N_COLOURS]  # alpha fills its 16 bits
    return pixels


def _significant_bits(stream: BinaryIO) -> int | None:
    """Return how many of 16 bits a PNG says that its colours have; None where it says nothing."""
    stream.seek(0)
    head = stream.read(_HEAD_BYTES)
    before = itertools.takewhile(lambda chunk: chunk[0] != b"IDAT", chunks(head))
    said = next((data for name, data, is_sound in before if name == b"sBIT" and is_sound), b"")
    colours = said if len(said) in (1, _N_COLOURS) else said[:-1]  # the last is alpha's
    return max(colours) if colours and 8 < max(colours) < 16 else None


def _lie_low(values: NDArray[np.uint16], bits: int) -> bool:
    """Say whether the numbers are stored in the lower bits, against the letter.

    Scaled up as they should be, numbers that need no more than ``bits`` have nothing below their
    significant bits, or by rounding a one.
    """
    import numpy as np

    if int(values.max()) >> bits:
        return False
    below = values & (1 << 16 - bits) - 1
    return int(np.count_nonzero(below > 1)) * 2 > int(np.count_nonzero(values))
