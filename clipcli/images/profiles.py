"""Colour profiles: on request, colours as a picture's profile means them, in sRGB.

Models were trained without this: their references ignore profiles. It helps where pictures are in
a wide space, such as Adobe RGB or Display P3, and look pale without it.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

_MODES = frozenset({"RGB", "L", "CMYK"})


def to_srgb(image: Image) -> Image:
    """Return a picture's colours in sRGB; unchanged where no profile is in it, or a broken one."""
    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not profile:
        return image
    alpha = image.getchannel("A") if image.mode in ("RGBA", "LA", "PA") else None
    plain = image.convert("RGB") if image.mode in ("P", "PA", "RGBA") else image
    plain = image.convert("L") if image.mode == "LA" else plain
    if plain.mode not in _MODES:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(plain, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):  # broken, or for another kind of colours
        return image
    if converted is None:
        return image
    if alpha is not None:
        converted.putalpha(alpha)
    return converted
