"""Know how a picture's bytes become 96 x 96 RGB pixels."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps

SIZE_PX = 96
BOX_MARGIN = 1.3  # a crop shows a little of what surrounds the thing in the box

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels of the picture
Square = tuple[float, float, float, float]


def decode(data: bytes, box: Box | None = None) -> np.ndarray:
    """Decode a picture into uint8 (96, 96, 3): shortest side to 96 px, then the middle."""
    with Image.open(io.BytesIO(data)) as picture:
        if box is None:
            picture.draft("RGB", (2 * SIZE_PX, 2 * SIZE_PX))
        upright = ImageOps.exif_transpose(picture)
        rgb = on_white(upright)
    middle = square_around(box, rgb.size) if box else middle_square(rgb.size)
    resized = rgb.resize((SIZE_PX, SIZE_PX), Image.Resampling.BICUBIC, box=middle, reducing_gap=2.0)
    return np.asarray(resized)  # (96, 96, 3)


def on_white(picture: Image.Image) -> Image.Image:
    """Convert any mode to RGB, with white behind what is transparent."""
    if picture.mode.startswith("I") or picture.mode == "F":
        levels = np.asarray(picture, dtype=np.float32)
        brightest = 255 if levels.max() <= 255 else 65_535
        scaled = np.clip(levels / brightest, 0, 1) * 255
        return Image.fromarray(scaled.astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return picture.convert("RGB")


def middle_square(size: tuple[int, int]) -> Square:
    """Return the largest square in the middle of a picture."""
    width, height = size
    side = min(size)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def square_around(box: Box, size: tuple[int, int]) -> Square:
    """Return a square that shows a box with some margin, moved to lie inside the picture."""
    width, height = size
    side = min(max(box[2] - box[0], box[3] - box[1]) * BOX_MARGIN, width, height)
    left = min(max((box[0] + box[2] - side) / 2, 0), width - side)
    top = min(max((box[1] + box[3] - side) / 2, 0), height - side)
    return left, top, left + side, top + side
