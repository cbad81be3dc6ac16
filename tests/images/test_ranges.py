"""Which value is black and which white: what a file declares, else what most values say."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from clipcli.images.decode import decode_image
from tests.broken_pictures import encoded, tiff

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRIPES = np.tile(np.linspace(0.02, 0.9, 50, dtype=np.float32), (40, 1))  # (40, 50)


def grey_of(values: NDArray[np.generic], **tags: int) -> NDArray[np.uint8]:
    """Return the decoded greys (h, w) of a TIFF that holds just these values."""
    form = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    height, width = values.shape
    fields = {258: 8 * values.dtype.itemsize, 262: 1, 339: form}
    fields |= {int(name[1:]): value for name, value in tags.items()}
    return np.asarray(decode_image(tiff(width, height, fields, values.tobytes())))[..., 0]


def expected_of(zero_to_one: NDArray[np.floating]) -> NDArray[np.float64]:
    return 255.0 * zero_to_one


def with_pixel(values: NDArray[np.generic], pixel: float) -> NDArray[np.generic]:
    changed = values.copy()
    changed[3, 3] = pixel
    return changed


def others(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return all greys but the one that was planted."""
    seen = grey.astype(float)
    seen[3, 3] = np.nan
    return seen


def assert_near(grey: NDArray[np.uint8], expected: NDArray[np.floating], tolerance: float) -> None:
    assert np.nanmax(np.abs(others(grey) - expected)) <= tolerance


@pytest.mark.parametrize("outlier", [1.02, 1.5, 255.7, 1e9, -0.01, -3.0, -9999.0, np.inf, np.nan])
def test_one_pixel_does_not_decide_the_range_of_floats(outlier: float) -> None:
    grey = grey_of(with_pixel(STRIPES, outlier))

    assert_near(grey, expected_of(STRIPES), 0.51)


@pytest.mark.parametrize("outlier", [255.7, 256.0, 5000.0, -1.0, -9999.0])
def test_one_pixel_does_not_decide_between_0_to_255_and_more(outlier: float) -> None:
    values = np.rint(255 * STRIPES)

    for numbers in (values.astype(np.float32), values.astype(np.int32)):
        assert_near(grey_of(with_pixel(numbers, int(outlier))), values, 0)


def test_floats_that_overshoot_as_resampling_makes_them_are_clipped() -> None:
    values = STRIPES * 1.12 - 0.02  # up to 0.99; a tenth of the columns is then set above 1
    values[:, -5:] = 1.05

    grey = grey_of(values.astype(np.float32))

    assert grey[:, -1].tolist() == [255] * 40
    assert np.abs(grey[:, :-5] - 255 * np.clip(values[:, :-5], 0, 1)).max() <= 0.51


def test_floats_of_no_usual_range_run_from_zero_to_their_most() -> None:
    assert_near(grey_of(STRIPES * np.float32(3.2 / 0.9)), expected_of(STRIPES) / 0.9, 1)
    assert_near(grey_of(STRIPES * np.float32(0.001)), expected_of(STRIPES) / 0.9, 1)


def test_a_nodata_value_is_black_and_does_not_count_whether_declared_or_by_custom() -> None:
    values = STRIPES.copy()
    values[:10] = -9999
    declared = np.where(values == -9999, np.float32(7777), values)

    by_custom = grey_of(values)
    by_tag = grey_of_ascii(declared, 42113, b"7777\0")

    for grey in (by_custom, by_tag):
        assert (grey[:10] == 0).all()
        assert np.abs(grey[10:] - expected_of(STRIPES[10:])).max() <= 0.51


def grey_of_ascii(values: NDArray[np.float32], tag: int, text: bytes) -> NDArray[np.uint8]:
    """Return the greys of a TIFF with a text tag, which Pillow writes."""
    info = ImageFileDirectory_v2()
    info[tag] = text.decode()
    info.tagtype[tag] = 2
    content = encoded(Image.fromarray(values), "TIFF", tiffinfo=info)
    return np.asarray(decode_image(content))[..., 0]


def test_the_least_and_greatest_value_that_a_file_declares_are_black_and_white() -> None:
    values = np.rint(STRIPES * 1000).astype(np.uint16)

    grey = grey_of(values, t280=0, t281=2000)

    assert_near(grey, values.astype(float) * 255 / 2000, 0.51)


def test_a_declared_range_that_most_values_are_outside_of_is_not_believed() -> None:
    values = np.rint(STRIPES * 255).astype(np.int32)

    assert_near(grey_of(values, t280=0, t281=1), values.astype(float), 0)


@pytest.mark.parametrize("bits", [10, 12])
def test_a_camera_s_bits_in_16_are_scaled_by_the_camera_s_range(bits: int) -> None:
    values = np.rint(STRIPES * (2**bits - 1)).astype(np.uint16)

    grey = grey_of(with_pixel(values, 65535))

    assert_near(grey, (values >> (bits - 8)).astype(float), 0)


def test_16_bits_in_use_are_scaled_by_all_16() -> None:
    values = np.rint(STRIPES * 40000).astype(np.uint16)

    assert_near(grey_of(values), (values >> 8).astype(float), 0)


def test_32_bits_without_a_sign_have_no_negatives() -> None:
    values = np.rint(STRIPES.astype(float) * 4.7e9).clip(0, 2**32 - 1).astype(np.uint32)

    assert_near(grey_of(values), (values >> 24).astype(float), 0)


def test_8_and_16_bits_with_a_sign_that_use_all_of_it_are_shifted() -> None:
    wide = np.rint(STRIPES.astype(float) * 65535 - 32768).astype(np.int16)
    narrow = np.rint(STRIPES.astype(float) * 255 - 128).astype(np.int8)

    assert_near(grey_of(wide), ((wide.astype(int) + 32768) >> 8).astype(float), 0)
    assert_near(grey_of(narrow), narrow.astype(float) + 128, 0)


def test_computed_tomography_keeps_what_is_below_water() -> None:
    # Hounsfield units: air is -1000, water 0, bone 1000 and more.
    values = np.rint(np.tile(np.linspace(-1000, 1500, 50), (40, 1))).astype(np.int16)

    grey = grey_of(values)

    assert np.abs(grey - np.linspace(0, 255, 50)).max() <= 1


def test_a_bmp_whose_alpha_is_zero_everywhere_is_opaque() -> None:
    header = struct.pack("<IiiHHIIiiII", 108, 2, 1, 1, 32, 3, 8, 0, 0, 0, 0)
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + bytes(52)

    def bmp(pixels: bytes) -> bytes:
        return b"BM" + struct.pack("<IHHI", 130, 0, 0, 122) + header + masks + pixels

    unused = decode_image(bmp(bytes([30, 20, 10, 0, 3, 2, 1, 0])))
    used = decode_image(bmp(bytes([30, 20, 10, 255, 3, 2, 1, 0])))

    assert colours(unused) == [(10, 20, 30), (1, 2, 3)]
    assert colours(used) == [(10, 20, 30), (255, 255, 255)]


def colours(picture: Image.Image) -> list[tuple[int, int, int]]:
    return [tuple(pixel) for row in np.asarray(picture).tolist() for pixel in row]
