"""Heat on a picture: places that speak for a label glow, the rest is dimmed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

# Dark violet, red, orange, light yellow: brightness grows all the way, so that it reads without
# colour too.
STOPS = ((13, 8, 60), (120, 28, 109), (203, 65, 84), (245, 125, 21), (252, 230, 140))
MOST_OPAQUE = 0.75
GAP_PX = 6
CAPTION_PX = 20


def colours(shares: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a colour for each share, 0 to 1: (h, w) -> (h, w, 3)."""
    import numpy as np

    places = np.linspace(0, 1, len(STOPS))
    clipped = np.clip(shares, 0, 1)
    channels = [np.interp(clipped, places, [stop[c] for stop in STOPS]) for c in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def opacity(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how much of the colour covers the picture, 0 to 1."""
    import numpy as np

    return (0.25 + (MOST_OPAQUE - 0.25) * np.clip(shares, 0, 1)).astype(np.float32)


def overlaid(picture: Image, shares: NDArray[np.float32]) -> Image:
    """Lay shares (h, w) of a picture's own size over it."""
    import numpy as np
    from PIL import Image as Images

    alpha = opacity(shares)[:, :, None]
    base = np.asarray(picture, np.float32)
    mixed = base * (1 - alpha) + colours(shares) * alpha
    return Images.fromarray(mixed.round().astype(np.uint8))


def layer(grid: NDArray[np.float32]) -> Image:
    """Return a grid as a small transparent picture, for a page that enlarges it."""
    import numpy as np
    from PIL import Image as Images

    alpha = (255 * opacity(grid)).round().astype(np.uint8)
    return Images.fromarray(np.dstack([colours(grid), alpha]))


def row_of(pictures: Sequence[Image], captions: Sequence[str]) -> Image:
    """Put pictures of one height side by side, each with its caption above."""
    from PIL import Image as Images
    from PIL import ImageDraw, ImageFont

    width = sum(one.width for one in pictures) + GAP_PX * (len(pictures) - 1)
    height = max(one.height for one in pictures) + CAPTION_PX
    sheet = Images.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    left = 0
    for one, caption in zip(pictures, captions, strict=True):
        sheet.paste(one, (left, CAPTION_PX))
        draw.text((left + 2, 2), fitted(caption, one.width - 4, font), fill="black", font=font)
        left += one.width + GAP_PX
    return sheet


def column_of(rows: Sequence[Image]) -> Image:
    """Put rows below one another."""
    from PIL import Image as Images

    height = sum(row.height for row in rows) + GAP_PX * (len(rows) - 1)
    sheet = Images.new("RGB", (max(row.width for row in rows), height), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height + GAP_PX
    return sheet


def fitted(text: str, width: float, font: object) -> str:
    """Shorten a text to a width in pixels; of a path mostly the end stays, which is its name."""
    measure = font.getlength  # type: ignore[attr-defined]  # Pillow's two kinds share no type
    if measure(text) <= width:
        return text
    for n in range(len(text) - 1, 0, -1):
        head = n // 4
        shorter = f"{text[:head]}…{text[len(text) - n + head :]}"
        if measure(shorter) <= width:
            return shorter
    return "…"
