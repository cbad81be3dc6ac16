"""Colour modes: whatever Pillow decoded becomes 8-bit RGB on white.

Colour profiles are ignored, as CLIP's own preprocessing ignores them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # TIFF tags
_WHITE_IS_ZERO = 0  # a value of the latter
# The usual ranges of pictures that declare none; the first that holds all values is taken.
_RANGES = (1.0, 255.0, 65535.0)
_BLOCK_VALUES = 2**20  # scaled at once: in float64 a whole picture would be 8 times its grey


def to_rgb(image: Image) -> Image:
    """Return the picture in mode RGB, transparency on white, deep greys scaled to 8 bits."""
    if image.mode.startswith(("I", "F")):
        image = _deep_to_8_bit(image)
    if image.has_transparency_data:
        return _on_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image) -> Image:
    """Lay the picture on white: what ``alpha_composite`` gives, in half the time and memory."""
    import PIL.Image

    if image.mode == "La":
        image = image.convert("LA")  # Pillow knows no direct way from La to RGBA
    if image.mode != "RGBA":
        image = image.convert("RGBA")
    alpha = image.getchannel("A")
    if alpha.getextrema() == (255, 255):  # opaque, as most screenshots are
        return image.convert("RGB")
    white = PIL.Image.new("RGB", image.size, (255, 255, 255))
    white.paste(image, mask=alpha)
    return white


def _deep_to_8_bit(image: Image) -> Image:
    """Scale 16-bit, 32-bit and float greys to mode L; a transparent value becomes white.

    Where the file declares the range, its top 8 bits are taken, as Pillow does in 16-bit colour,
    so a dark picture stays dark. Where it does not, the values themselves must tell.
    """
    import numpy as np
    import PIL.Image

    values = np.asarray(image)  # (h, w)
    bits = _declared_bits(image)
    grey = _top_bits(values, bits) if bits else _stretch(values)
    if _tiff_tags(image).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = 255 - grey  # Pillow turns 8-bit TIFFs itself, deep ones it does not
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey = np.where(values == transparent, np.uint8(255), grey)
    return PIL.Image.fromarray(grey)


def _declared_bits(image: Image) -> int | None:
    """Return how many bits a grey value has by the file's own word, if it gives one."""
    in_tiff = _tiff_tags(image).get(_BITS_PER_SAMPLE, (16,))[0]
    if image.mode.startswith("I;16"):
        return in_tiff if 8 <= in_tiff <= 16 else 16
    if image.mode == "I" and image.format == "PPM":
        return 16  # Pillow scales whatever the header says to this
    if image.mode == "I" and image.format == "TIFF" and in_tiff == 16:
        return 15  # and a sign
    return None


def _tiff_tags(image: Image) -> Mapping[int, Any]:
    return getattr(image, "tag_v2", {})


def _top_bits(values: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    import numpy as np

    top: NDArray[np.uint8] = np.clip(values >> (bits - 8), 0, 255).astype(np.uint8)
    return top


def _stretch(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale integers or floats (h, w) to 0..255: from the first usual range, else min to max."""
    import numpy as np

    grey = np.zeros(values.shape, np.uint8)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return grey
    low, high = float(finite.min()), float(finite.max())
    if low >= 0:
        low, high = 0.0, next((top for top in _RANGES if high <= top), high)
    factor = 255.0 / (high - low) if high > low else 0.0
    rows = max(1, _BLOCK_VALUES // values.shape[1])
    with np.errstate(all="ignore"):  # signalling NaNs would be announced on standard error
        for top in range(0, len(values), rows):
            block = values[top : top + rows].astype(np.float64)
            block = np.nan_to_num(block, copy=False, nan=low, posinf=high, neginf=low)
            grey[top : top + rows] = np.rint((block - low) * factor)
    return grey
