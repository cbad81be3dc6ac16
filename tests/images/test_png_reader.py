"""PNGs of 16 bits: a camera's 12 in the lower ones, by their own word, and a transparent colour."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from clipcli.images.decode import decode_image
from tests.broken_pictures import photo

RGB = np.asarray(photo())  # (64, 96, 3)
NOISE = np.arange(96)[None, :, None] % 16  # what is below the upper 8 of 12 bits


def png_of(values: np.ndarray, sbit: bytes = b"", **chunks: bytes) -> bytes:
    """Return a PNG of 16-bit values (h, w, bands); ``sbit`` is what it says of their bits."""
    height, width, bands = values.shape
    colour = {1: 0, 3: 2, 4: 6}[bands]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0))]
    parts += [(b"sBIT", sbit)] if sbit else []
    parts += [(name.encode(), data) for name, data in chunks.items()]
    parts += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


def of_12_bits(bands: int, alpha: int = 4095) -> np.ndarray:
    values = np.full((64, 96, 4), alpha, np.uint16)
    values[..., :3] = RGB.astype(np.uint16) * 16 + NOISE
    return values[..., :bands]


@pytest.mark.parametrize(
    ("bands", "sbit"), [(1, b"\x0c"), (3, b"\x0c\x0c\x0c"), (4, b"\x0c\x0c\x0c\x0c")]
)
def test_12_bits_in_the_lower_ones_are_not_dark_where_the_file_says_12(
    bands: int, sbit: bytes
) -> None:
    decoded = np.asarray(decode_image(png_of(of_12_bits(bands), sbit)))

    np.testing.assert_array_equal(decoded, RGB if bands > 1 else np.repeat(RGB[..., :1], 3, 2))


def test_an_alpha_that_fills_its_16_bits_stays_opaque() -> None:
    decoded = decode_image(png_of(of_12_bits(4, alpha=65535), b"\x0c\x0c\x0c\x10"))

    np.testing.assert_array_equal(np.asarray(decoded), RGB)


def test_a_transparent_grey_is_white_at_any_depth() -> None:
    values = of_12_bits(1)
    values[:5] = 7

    decoded = np.asarray(decode_image(png_of(values, b"\x0c", tRNS=struct.pack(">H", 7))))

    assert (decoded[:5] == 255).all()
    np.testing.assert_array_equal(decoded[5:, :, 0][values[5:, :, 0] != 7],
                                  RGB[5:, :, 0][values[5:, :, 0] != 7])  # fmt: skip


@pytest.mark.parametrize("sbit", [b"", b"\x10\x10\x10", b"\x63\x63\x63", b"\0\0\0"])
def test_colours_of_which_nothing_is_said_or_nonsense_stay_as_they_are(sbit: bytes) -> None:
    decoded = np.asarray(decode_image(png_of(of_12_bits(3), sbit)))

    np.testing.assert_array_equal(decoded, RGB // 16)


@pytest.mark.parametrize("scale", ["replicated", "shifted", "rounded"])
def test_12_bits_that_were_scaled_as_they_should_be_stay_dark(scale: str) -> None:
    twelve = of_12_bits(3) // 16  # a dark picture: at most 255 of 4095
    values = {
        "replicated": twelve << 4 | twelve >> 8,
        "shifted": twelve << 4,
        "rounded": np.rint(twelve * (65535 / 4095)).astype(np.uint16),
    }[scale]

    decoded = np.asarray(decode_image(png_of(values, b"\x0c\x0c\x0c")))

    np.testing.assert_array_equal(decoded, values >> 8)


def test_of_16_bit_colours_the_transparent_one_is_white_and_no_neighbour_is() -> None:
    values = RGB.astype(np.uint16) * 257
    values[:5], values[5:10] = (0x0100, 0x0203, 0x0405), (0x0101, 0x0203, 0x0405)
    key = struct.pack(">HHH", 0x0100, 0x0203, 0x0405)

    decoded = np.asarray(decode_image(png_of(values, tRNS=key)))

    assert (decoded[:5] == 255).all()
    assert (decoded[5:10] == (1, 2, 4)).all()
    np.testing.assert_array_equal(decoded[10:], RGB[10:])


def test_a_transparent_colour_and_12_bits_go_together() -> None:
    values = of_12_bits(3)
    values[:5] = (7, 8, 9)

    decoded = np.asarray(
        decode_image(png_of(values, b"\x0c\x0c\x0c", tRNS=struct.pack(">HHH", 7, 8, 9)))
    )

    assert (decoded[:5] == 255).all()
    np.testing.assert_array_equal(decoded[5:], RGB[5:])


def test_sbit_behind_a_large_profile_counts() -> None:
    content = png_of(of_12_bits(3), iTXt=b"x" * 100_000, sBIT=b"\x0c\x0c\x0c")

    np.testing.assert_array_equal(np.asarray(decode_image(content)), RGB)
