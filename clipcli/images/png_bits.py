"""PNGs of 16 bits that hold fewer: what ``sBIT`` says of them.

A PNG's numbers fill their 16 bits, and ``sBIT`` says how many of the upper ones came from the
sensor (PNG, third edition, section 11.3.2.7). Some programs store a camera's 12 bits as they are,
in the lower ones, and declare them all the same; such a picture is nearly black to the letter.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, BinaryIO

from PIL.PngImagePlugin import PngImageFile

from clipcli.images.mending import chunks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_HEAD_BYTES = 4096  # where sBIT, which comes before the palette and the pixels, is looked for
_DEPTH_AT = 24  # of IHDR's bits a sample
_N_COLOURS = 3


class _LowPngBytes(PngImageFile):
    """Reads the lower byte of each 16-bit colour, where others read the upper one."""

    def _open(self) -> None:
        super()._open()
        self.tile = [tile._replace(args=str(tile.args).replace("16B", "16L")) for tile in self.tile]


def with_declared_bits(image: Image, stream: BinaryIO) -> Image:
    """Return a loaded PNG whose numbers fill 16 bits, of which colours have the upper 8."""
    bits = _significant_bits(stream)
    if bits is None or image.mode not in ("I;16", "RGB", "RGBA"):
        return image
    import numpy as np
    import PIL.Image

    values = np.asarray(image)  # (h, w) or (h, w, 3 or 4)
    if values.ndim > 2:
        if int(values[..., :_N_COLOURS].max()) >> bits - 8:
            return image  # bright enough for all its bits
        stream.seek(0)
        values = values.astype(np.uint16) << 8 | np.asarray(_LowPngBytes(stream))
    if not _lie_low(values[..., :_N_COLOURS] if values.ndim > 2 else values, bits):
        return image
    filling = values << 16 - bits
    if values.ndim > 2:
        filling = (filling >> 8).astype(np.uint8)
        if values.shape[2] > _N_COLOURS and int(values[..., _N_COLOURS].max()) >> bits:
            filling[..., _N_COLOURS] = np.asarray(image)[
                ..., _N_COLOURS
            ]  # alpha fills them already
    brightened = PIL.Image.fromarray(filling)
    brightened.info = dict(image.info)
    if image.mode == "I;16" and isinstance(image.info.get("transparency"), int):
        brightened.info["transparency"] <<= 16 - bits
    return brightened


def _significant_bits(stream: BinaryIO) -> int | None:
    """Return how many of 16 bits a PNG says that its colours have; None where it says nothing."""
    stream.seek(0)
    head = stream.read(_HEAD_BYTES)
    if head[_DEPTH_AT : _DEPTH_AT + 1] != b"\x10":
        return None
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
