"""The photographs that come with clipcli to quantise and to check a model.

Sixteen, in one file, each free of rights (``assets/CREDITS.md``). Eight bits are spread over the
values that a network really has, so real photographs are needed; and they are the same everywhere,
so that a model is quantised to the same numbers on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clipcli.files import PACKAGE
from clipcli.images.preprocess import preprocess
from clipcli.models.config import Preprocessing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

SHEET = PACKAGE / "assets" / "calibration.jpg"
TILE_PX = 256
WORDS = (  # what the photographs show, in their order
    *("bee", "bison", "bridge", "cat", "oranges", "cup of coffee", "cow", "giraffe"),
    *("horse", "koala", "panda", "aeroplane", "astronaut", "boats", "castle", "drums"),
)
PROMPTS = tuple(f"a photo of a {word}." for word in WORDS)
CUT = 0.8  # of a side
EVERY = 4  # photographs, of which one is kept for checking


def calibration_pixels(preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Return twelve photographs, four cuts of each: (48, s, s, 3)."""
    return _pixels([tile for i, tile in enumerate(_tiles()) if i % EVERY], preprocessing)


def check_pixels(preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Return the other four, which nothing was quantised by: (16, s, s, 3)."""
    return _pixels(_tiles()[::EVERY], preprocessing)


def _pixels(tiles: Sequence[Image], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    import numpy as np

    return np.stack([preprocess(cut, preprocessing) for tile in tiles for cut in _cuts(tile)])


def _tiles() -> list[Image]:
    import PIL.Image

    with PIL.Image.open(SHEET) as sheet:
        sheet.load()
        corners = [
            (x, y) for y in range(0, sheet.height, TILE_PX) for x in range(0, sheet.width, TILE_PX)
        ]
        return [sheet.crop((x, y, x + TILE_PX, y + TILE_PX)) for x, y in corners]


def _cuts(tile: Image) -> list[Image]:
    """Return the whole, two corners, and a darker mirror image."""
    from PIL import ImageEnhance, ImageOps

    side = round(CUT * TILE_PX)
    rest = TILE_PX - side
    corners = [tile.crop((x, x, x + side, x + side)) for x in (0, rest)]
    return [tile, *corners, ImageEnhance.Brightness(ImageOps.mirror(tile)).enhance(0.6)]
