"""Raw photographs: what a camera's sensor saw, developed by LibRaw."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, BinaryIO

from clipcli.errors import ImageError
from clipcli.images.failures import RAW_NEEDS, UNREAD_RAW

if TYPE_CHECKING:
    from PIL.Image import Image


class UndevelopedError(ImageError):
    """A raw photograph that cannot be developed here, though its preview may do."""


def is_installed() -> bool:
    """Say whether the extra is here, without a look into it."""
    return importlib.util.find_spec("rawpy") is not None


def develop(stream: BinaryIO, *, max_pixels: int, at_least_px: int | None) -> tuple[Image, int]:
    """Bring a raw photograph to mode RGB, upright, with the camera's white balance.

    Returns
    -------
    Image, int
        The picture, at half its size where both sides keep ``at_least_px``, and its pixels in full.

    Raises
    ------
    UndevelopedError
        Without the extra, and where LibRaw does not know the camera.
    ImageError
        If the file is broken, or larger than ``max_pixels``.
    """
    import PIL.Image

    try:
        rawpy = importlib.import_module("rawpy")
    except ImportError as error:
        raise UndevelopedError(RAW_NEEDS) from error
    stream.seek(0)
    try:
        with rawpy.imread(stream) as raw:
            width, height = raw.sizes.width, raw.sizes.height
            if width * height > max_pixels:
                limit = f"{max_pixels / 1e6:g} megapixels"
                raise ImageError(f"{width} x {height} pixels is over the limit of {limit}")
            is_half = at_least_px is not None and min(width, height) >= 2 * at_least_px
            pixels = raw.postprocess(use_camera_wb=True, half_size=is_half, output_bps=8)
    except rawpy.LibRawFileUnsupportedError as error:
        raise UndevelopedError(UNREAD_RAW) from error
    except rawpy.LibRawError as error:
        words = error.args[0] if error.args else ""
        said = words.decode("ascii", "replace") if isinstance(words, bytes) else str(words)
        raise ImageError(
            f"broken raw photograph: {said}" if said else "broken raw photograph"
        ) from error
    return PIL.Image.fromarray(pixels), width * height
