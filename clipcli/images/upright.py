"""A picture that may have been decoded at a reduced size, and its size in full."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

from clipcli.images.decode import MAX_PIXELS, decode

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Upright:
    """A picture in mode RGB, and how wide and high it is in full, upright."""

    image: Image
    width: int
    height: int


def open_upright(
    source: str | PathLike[str] | bytes,
    *,
    at_least_px: int | None = None,
    max_pixels: int = MAX_PIXELS,
    convert_profiles: bool = False,
) -> Upright:
    """Decode a picture; with ``at_least_px`` a large JPEG may come reduced.

    With ``convert_profiles``, the colours of a picture with a profile are converted to sRGB.

    Raises
    ------
    ImageError
        With the reason in a few words.
    """
    decoded = decode(
        source,
        max_pixels=max_pixels,
        at_least_px=at_least_px,
        convert_profiles=convert_profiles,
    )
    left, top, right, bottom = decoded.box
    across, down = right - left, bottom - top
    factor = max(1, round((decoded.n_pixels / (across * down)) ** 0.5))
    image = decoded.image
    if factor == 1:
        return Upright(image, image.width, image.height)
    return Upright(image, round(across * factor), round(down * factor))
