"""This file knows about colour modes: whatever Pillow decoded becomes 8-bit RGB on white.

Colour profiles are ignored, as CLIP's own preprocessing ignores them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_WHITE_IS_ZERO = 0  # TIFF's PhotometricInterpretation, tag 262
# The usual ranges of pictures without a declared one; the first that holds all values is taken.
_RANGES = (1.0, 255.0, 65535.0)


def to_rgb(image: Image) -> Image:
    """Return the picture in mode RGB, transparency on white, deep greys scaled to 8 bits."""
    if image.mode.startswith(("I", "F")):
        image = _deep_to_8_bit(image)
    if image.has_transparency_data:
        return _on_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image) -> Image:
    import PIL.Image

    if image.mode == "La":
        image = image.convert("LA")  # Pillow knows no direct way from La to RGBA
    image = image.convert("RGBA")
    white = PIL.Image.new("RGBA", image.size, (255, 255, 255, 255))
    return PIL.Image.alpha_composite(white, image).convert("RGB")


def _deep_to_8_bit(image: Image) -> Image:
    """Scale 16-bit, 32-bit and float greys to mode L; a transparent value becomes white."""
    import numpy as np
    import PIL.Image

    values = np.asarray(image)  # (h, w)
    # Modes I;16* have a declared range: the high byte counts, as in Pillow's own 16-bit RGB.
    is_16_bit = image.mode.startswith("I;16")
    grey = (values >> 8).astype(np.uint8) if is_16_bit else _stretch(values)
    if getattr(image, "tag_v2", {}).get(262) == _WHITE_IS_ZERO:
        grey = 255 - grey  # Pillow turns 8-bit TIFFs itself, deep ones it does not
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey = np.where(values == transparent, np.uint8(255), grey)
    return PIL.Image.fromarray(grey)


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
    for row in range(len(values)):  # a row at a time: float64 of the whole would be 8 times grey
        scaled = np.nan_to_num(values[row].astype(np.float64), nan=low, posinf=high, neginf=low)
        grey[row] = np.rint((scaled - low) * factor)
    return grey
