"""Deep greys: pictures of 16, 32 bits or floats become 8-bit grey."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from clipcli.images.ranges import Declared, Range, to_8_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

# TIFF tags
_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_LEAST, _GREATEST = 280, 281  # of numbers without a sign, at most 65535
_LEAST_OF_TYPE, _GREATEST_OF_TYPE = 340, 341  # of the samples' own type
_NO_DATA = 42113  # GDAL's, as text
_WHITE_IS_ZERO = 0  # a value of photometric
_UNSIGNED, _SIGNED = 1, 2  # values of the sample format


def is_deep(image: Image) -> bool:
    """Say whether the values of a picture still have to be scaled to 8 bits."""
    return image.mode.startswith(("I", "F")) or (image.mode == "L" and _is_signed(image))


def deep_to_8_bit(image: Image) -> Image:
    """Scale 16-bit, 32-bit, float and signed greys to mode L; a transparent value becomes white."""
    import numpy as np
    import PIL.Image

    values = _values(image)  # (h, w)
    grey = to_8_bits(values, declared(image))
    if _tags(image).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = 255 - grey  # Pillow turns 8-bit TIFFs itself, deep ones it does not
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey = np.where(values == transparent, np.uint8(255), grey)
    return PIL.Image.fromarray(grey)


def declared(image: Image) -> Declared:
    """Return what a picture's file says of the range of its values."""
    tags = _tags(image)
    return Declared(_declared_bits(image), _declared_extent(tags), _declared_no_data(tags))


def _values(image: Image) -> NDArray[Any]:
    """Return the numbers (h, w) as the file means them: Pillow reads all of a size alike."""
    import numpy as np

    values = np.asarray(image)
    if image.format != "TIFF":
        return values
    bits, form = _first(image, _BITS_PER_SAMPLE), _first(image, _SAMPLE_FORMAT)
    if image.mode == "I" and bits == 32 and form != _SIGNED:
        return values.view(np.uint32)
    if image.mode == "I" and bits == 16:
        return values.astype(np.int16)
    return values.view(np.int8) if image.mode == "L" and _is_signed(image) else values


def _declared_bits(image: Image) -> int | None:
    if image.format == "TIFF":
        bits = _first(image, _BITS_PER_SAMPLE) if image.mode.startswith("I;16") else None
        # 16 bits in a TIFF may be 12 of a camera in a wider number; fewer were counted.
        return bits if bits is not None and 8 <= bits < 16 else None
    # Other formats have one meaning for a depth; Pillow scales PPM's to 16 bits.
    is_ppm = image.mode == "I" and image.format == "PPM"
    return 16 if is_ppm or image.mode.startswith("I;16") else None


def _declared_extent(tags: Mapping[int, Any]) -> Range | None:
    for least, greatest in ((_LEAST_OF_TYPE, _GREATEST_OF_TYPE), (_LEAST, _GREATEST)):
        low, high = _number(tags.get(least, 0)), _number(tags.get(greatest))
        if low is not None and high is not None and low < high:
            return Range(low, high)
    return None


def _declared_no_data(tags: Mapping[int, Any]) -> float | None:
    return _number(tags.get(_NO_DATA))


def _number(value: Any) -> float | None:
    """Return a tag's first value as a finite number, if it is one."""
    if isinstance(value, tuple):
        value = value[0] if value else None
    try:
        number = float(value.strip(" \0") if isinstance(value, str) else value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None


def _is_signed(image: Image) -> bool:
    return image.format == "TIFF" and _first(image, _SAMPLE_FORMAT) == _SIGNED


def _first(image: Image, tag: int) -> int | None:
    value = _tags(image).get(tag)
    first = value[0] if isinstance(value, tuple) and value else value
    return first if isinstance(first, int) else None


def _tags(image: Image) -> Mapping[int, Any]:
    return getattr(image, "tag_v2", {})
