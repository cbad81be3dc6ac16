"""Boxes on a picture: a frame and a name each, in a colour a label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clipcli.output.drawing.heat import fitted
from clipcli.output.text import visible

if TYPE_CHECKING:
    from PIL.Image import Image

# Okabe and Ito's colours, which most colour-blind people can tell apart; black is left out.
PALETTE = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
DARK_TEXT_FROM = 0.55  # brightness of a colour on which text is dark
LEAST_PX = 12  # of letters
Corners = tuple[float, float, float, float]


def annotated(
    picture: Image,
    boxes: Sequence[tuple[str, float, Corners]],
    labels: Sequence[str],
    note: str = "",
) -> Image:
    """Draw boxes in a picture's own pixels; the best one, the first, lies on top.

    ``note`` stands in the lower right corner.
    """
    from PIL import ImageDraw, ImageFont

    sheet = picture.convert("RGB")
    draw = ImageDraw.Draw(sheet)
    line = max(2, round(min(sheet.size) / 200))
    size = max(LEAST_PX, round(min(sheet.size) / 32))
    font = ImageFont.load_default(size)
    for label, score, corners in reversed(boxes):
        colour = PALETTE[labels.index(label) % len(PALETTE)]
        left, top, right, bottom = _inside(corners, sheet.width, sheet.height)
        draw.rectangle((left, top, right, bottom), outline=colour, width=line)
        text = fitted(f"{visible(label)} {score:.2f}", sheet.width, font)
        width, height = font.getlength(text) + size / 2, 1.4 * size
        x = min(left, max(0, sheet.width - width))
        y = top - height if top >= height else top
        draw.rectangle((x, y, x + width, y + height), fill=colour)
        ink = "black" if _brightness(colour) > DARK_TEXT_FROM else "white"
        draw.text((x + size / 4, y + size / 8), text, fill=ink, font=font)
    if note:
        text = fitted(note, sheet.width, font)
        x, y = sheet.width - font.getlength(text) - size / 2, sheet.height - 1.4 * size
        draw.rectangle((x, y, sheet.width, sheet.height), fill="black")
        draw.text((x + size / 4, y + size / 8), text, fill="white", font=font)
    return sheet


def _inside(corners: Corners, width: int, height: int) -> Corners:
    left, top, right, bottom = corners
    left, right = sorted((min(max(left, 0), width - 1), min(max(right, 0), width - 1)))
    top, bottom = sorted((min(max(top, 0), height - 1), min(max(bottom, 0), height - 1)))
    return left, top, right, bottom


def _brightness(colour: str) -> float:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
