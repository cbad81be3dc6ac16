"""Pictures that were misread: what was answered before, and the right answer.

All are the same cat, stored in another way each, so the right answer is known from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cases.conftest import PHOTOS
from tests.images.test_tiff_kinds import planes_of, tiff_of

GREY = np.asarray(Image.open(PHOTOS / "cat.jpg").convert("L").resize((192, 128)))  # (128, 192)
COLOURS = np.asarray(Image.open(PHOTOS / "cat.jpg").convert("RGB").resize((192, 128)))


def with_pixel(values: np.ndarray, value: float) -> np.ndarray:
    changed = values.copy()
    changed[5, 5] = value
    return changed


def no_data(values: np.ndarray) -> np.ndarray:
    changed = values.copy()
    changed[:6] = -9999
    return changed


def grey_tiff(values: np.ndarray) -> bytes:
    """Return a TIFF of greys (h, w) of any type."""
    form = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    height, width = values.shape
    tags = {256: (width,), 257: (height,), 258: (8 * values.dtype.itemsize,), 262: (1,)}
    return tiff_of(values.tobytes(), tags | {277: (1,), 339: (form,)})


FLOATS = (GREY / 255).astype(np.float32)
# name: (file, what was answered before)
CASES = {
    "float, one pixel of 1.02": (grey_tiff(with_pixel(FLOATS, 1.02)), "black"),
    "float to 255, one pixel of 255.7": (
        grey_tiff(with_pixel(GREY.astype(np.float32), 255.7)),
        "black",
    ),
    "float, no data is -9999": (grey_tiff(no_data(GREY.astype(np.float32))), "white"),
    "int32, one pixel of 256": (grey_tiff(with_pixel(GREY.astype(np.int32), 256)), "black"),
    "uint16 of 12 bits": (grey_tiff(GREY.astype(np.uint16) * 16), "black"),
    "uint32": (grey_tiff(GREY.astype(np.uint32) << 24), "bright half black"),
    "int16 about zero": (
        grey_tiff((GREY.astype(np.int32) * 257 - 32768).astype(np.int16)),
        "dark half black",
    ),
    "int8": (grey_tiff((GREY.astype(np.int16) - 128).astype(np.int8)), "halves exchanged"),
    "planes of 16 bits": (planes_of(COLOURS.astype(np.uint16) * 257, "<"), "noise"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_cat_is_a_cat_however_it_is_stored(
    name: str, tmp_path: Path, answers: Callable[..., dict[str, str]]
) -> None:
    (tmp_path / "plain.png").write_bytes(b"")
    Image.fromarray(GREY if "planes" not in name else COLOURS).save(tmp_path / "plain.png")
    content, _before = CASES[name]
    (tmp_path / "stored.tif").write_bytes(content)

    found = answers(tmp_path)

    assert found == {"plain.png": "cat", "stored.tif": "cat"}
