"""Every mode, format and orientation becomes the same upright 8-bit RGB."""

from __future__ import annotations

import io
import struct
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from clipcli.errors import ImageError
from clipcli.images.colour import to_rgb
from clipcli.images.decode import decode_image
from tests.broken_pictures import encoded, photo, png, tiff

LOSSLESS = [
    ("PNG", {}),
    ("BMP", {}),
    ("PPM", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ("TIFF", {"big_tiff": True}),
    ("WEBP", {"lossless": True}),
    ("JPEG2000", {}),
    ("JPEG2000", {"no_jp2": True}),
]
LOSSY = [
    ("JPEG", {"quality": 95}),
    ("JPEG", {"progressive": True, "quality": 95}),
    ("WEBP", {"quality": 95}),
    ("AVIF", {"quality": 95}),
    ("MPO", {"quality": 95}),
]


@pytest.mark.parametrize(("form", "options"), LOSSLESS)
def test_lossless_formats_keep_every_pixel(form: str, options: dict[str, Any]) -> None:
    picture = photo()

    decoded = decode_image(encoded(picture, form, **options))

    assert decoded.mode == "RGB"
    assert decoded.tobytes() == picture.tobytes()


@pytest.mark.parametrize(("form", "options"), LOSSY)
def test_lossy_formats_decode_as_pillow_decodes_them(form: str, options: dict[str, Any]) -> None:
    content = encoded(photo(), form, **options)

    decoded = decode_image(content)

    assert decoded.tobytes() == Image.open(io.BytesIO(content)).convert("RGB").tobytes()


def test_heic_decodes_with_the_extra() -> None:
    heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    heif.from_pillow(Image.new("RGB", (64, 48), (200, 30, 60))).save(stream, quality=95)

    decoded = decode_image(stream.getvalue())

    assert decoded.size == (64, 48)
    assert np.abs(np.asarray(decoded).astype(int) - (200, 30, 60)).max() <= 4


def test_the_content_decides_and_not_the_ending(tmp_path: Path) -> None:
    wrong = tmp_path / "picture.gif"
    wrong.write_bytes(encoded(photo(), "PNG"))

    assert decode_image(wrong).tobytes() == photo().tobytes()


@pytest.mark.parametrize("form", ["EPS", "PDF", "ICO", "TGA", "PCX", "SGI", "DDS"])
def test_formats_beyond_the_list_are_refused(form: str) -> None:
    with pytest.raises(ImageError, match="not a picture"):
        decode_image(encoded(photo(), form))


def test_paths_bytes_and_streams_are_the_same(tmp_path: Path) -> None:
    content = encoded(photo(), "PNG")
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    stream = io.BytesIO(content)
    stream.seek(17)

    decoded = [decode_image(source) for source in (path, str(path), content, stream)]

    assert {picture.tobytes() for picture in decoded} == {photo().tobytes()}
    assert not stream.closed


# Modes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 77, (77, 77, 77)),
        ("LA", (100, 255), (100, 100, 100)),
        ("LA", (100, 0), (255, 255, 255)),
        ("RGB", (1, 2, 3), (1, 2, 3)),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
        ("RGBA", (10, 20, 30, 0), (255, 255, 255)),
        # 10 * 51/255 + 255 * 204/255 = 206, and 20 and 30 likewise: a fifth of it, the rest white.
        ("RGBA", (10, 20, 30, 51), (206, 208, 210)),
        ("I;16", 0xABCD, (0xAB, 0xAB, 0xAB)),
    ],
)
def test_png_modes(mode: str, colour: Any, expected: tuple[int, int, int]) -> None:
    decoded = decode_image(encoded(Image.new(mode, (5, 4), colour), "PNG"))

    assert decoded.getcolors() == [(20, expected)]


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
        ("CMYK", (0, 0, 0, 255), (0, 0, 0)),
        ("CMYK", (0, 0, 0, 0), (255, 255, 255)),
        ("LAB", (255, 128, 128), (255, 255, 255)),  # 128 is no colour along a and b
    ],
)
def test_tiff_modes(mode: str, colour: Any, expected: tuple[int, int, int]) -> None:
    decoded = decode_image(encoded(Image.new(mode, (5, 4), colour), "TIFF"))

    assert np.abs(np.asarray(decoded).astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("YCbCr", (128, 128, 128), (128, 128, 128)),
        ("HSV", (0, 255, 255), (255, 0, 0)),
        ("RGBX", (1, 2, 3, 0), (1, 2, 3)),
        ("RGBa", (0, 0, 0, 0), (255, 255, 255)),  # premultiplied
        ("RGBa", (2, 4, 6, 51), (206, 208, 210)),
        ("La", (2, 51), (206, 206, 206)),
        ("PA", (0, 0), (255, 255, 255)),
        ("I;16B", 0x0102, (1, 1, 1)),
    ],
)
def test_modes_of_pictures_in_memory(
    mode: str, colour: Any, expected: tuple[int, int, int]
) -> None:
    assert to_rgb(Image.new(mode, (5, 4), colour)).getcolors() == [(20, expected)]


def test_adobes_inverted_cmyk_jpeg() -> None:
    # Pillow writes CMYK as Adobe does, inverted, with its marker; ink 0 is white.
    paper = Image.new("CMYK", (16, 16), (0, 0, 0, 0))

    decoded = decode_image(encoded(paper, "JPEG", quality=95))

    assert np.asarray(decoded).min() >= 253


def test_grey_jpeg() -> None:
    decoded = decode_image(encoded(Image.new("L", (16, 16), 90), "JPEG", quality=95))

    assert decoded.getpixel((3, 3)) == (90, 90, 90)


def test_every_value_at_every_alpha_is_composited_as_transformers_does() -> None:
    values, alphas = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    picture = Image.fromarray(np.stack([values, values, 255 - values, alphas], axis=2))

    composited = to_rgb(picture)

    white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    expected = Image.alpha_composite(white, picture).convert("RGB")
    assert composited.tobytes() == expected.tobytes()


def test_palette_with_transparency() -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putdata([0, 1])

    for form in ("PNG", "GIF"):
        clear = encoded(picture, form, transparency=1)
        assert colours(clear) == [(255, 0, 0), (255, 255, 255)]
    assert colours(encoded(picture, "PNG")) == [(255, 0, 0), (0, 0, 255)]
    half = encoded(picture, "PNG", transparency=bytes([255, 51]))
    assert colours(half) == [(255, 0, 0), (204, 204, 255)]


def test_one_transparent_colour_of_rgb_and_grey() -> None:
    rgb = png(2, [bytes([1, 2, 3, 4, 5, 6])], chunks=[(b"tRNS", struct.pack(">3H", 4, 5, 6))])
    grey = png(2, [bytes([7, 8])], colour=0, chunks=[(b"tRNS", struct.pack(">H", 8))])
    deep = png(
        2,
        [struct.pack(">2H", 0x1234, 0x1235)],
        bits=16,
        colour=0,
        chunks=[(b"tRNS", struct.pack(">H", 0x1235))],
    )

    assert colours(rgb) == [(1, 2, 3), (255, 255, 255)]
    assert colours(grey) == [(7, 7, 7), (255, 255, 255)]
    assert colours(deep) == [(0x12, 0x12, 0x12), (255, 255, 255)]


# Deep greys ----------------------------------------------------------------------------------


def test_16_bits_are_scaled_and_not_clipped() -> None:
    values = np.array([[0, 255, 256, 0x7FFF, 0xFFFF]], np.uint16)

    for content in (
        encoded(Image.fromarray(values), "PNG"),
        encoded(Image.fromarray(values), "TIFF"),
        b"P5\n5 1\n65535\n" + values.astype(">u2").tobytes(),
    ):
        assert greys(content) == [0, 0, 1, 0x7F, 0xFF]


def test_a_dark_16_bit_picture_stays_dark() -> None:
    # All values fit into 8 bits; they would be bright if the range were guessed from them.
    values = np.array([[0, 200]], np.uint16)

    for content in (
        encoded(Image.fromarray(values), "PNG"),
        b"P5\n2 1\n65535\n" + values.astype(">u2").tobytes(),
    ):
        assert greys(content) == [0, 0]


def test_16_bit_colour_and_16_bit_grey_agree() -> None:
    grey = png(1, [struct.pack(">H", 0x12F0)], bits=16, colour=0)
    colour = png(1, [struct.pack(">3H", 0x12F0, 0x12F0, 0x12F0)], bits=16, colour=2)

    assert greys(grey) == greys(colour) == [0x12]


def test_tiffs_with_12_bits_or_a_sign_use_their_own_range() -> None:
    twelve = tiff(2, 1, {258: 12, 262: 1}, bytes([0xFF, 0xF8, 0x00]))  # 0xFFF, 0x800
    signed = tiff(3, 1, {258: 16, 262: 1, 339: 2}, struct.pack("<3h", 0x7FFF, 0x4000, 0))

    assert greys(twelve) == [255, 128]
    assert greys(signed) == [255, 128, 0]


def test_white_is_zero_in_a_16_bit_tiff() -> None:
    negative = tiff(2, 1, {258: 16, 262: 0}, struct.pack("<2H", 0, 0xFFFF))

    assert greys(negative) == [255, 0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.2, 1.0], [0, 51, 255]),  # 0 to 1
        ([0.0, 51.0, 102.0], [0, 51, 102]),  # 0 to 255
        ([0.0, 257.0, 65535.0], [0, 1, 255]),  # 0 to 65535
        ([-1.0, 0.0, 1.0], [0, 128, 255]),  # none of them: least to greatest
        ([0.0, 1e6, 5e6], [0, 51, 255]),
        ([float("nan"), 0.2, float("inf")], [0, 51, 255]),  # what is finite decides: 0 to 1
        ([float("nan")] * 3, [0, 0, 0]),
        ([-7.0, -7.0, -7.0], [0, 0, 0]),
    ],
)
def test_floats_are_scaled_by_the_range_they_fit(values: list[float], expected: list[int]) -> None:
    content = encoded(Image.fromarray(np.array([values], np.float32)), "TIFF")

    assert greys(content) == expected


@pytest.mark.filterwarnings("error")
def test_signalling_nans_are_not_announced() -> None:
    signalling = struct.pack("<2I", 0x7F800001, 0x3F800000)

    assert greys(tiff(2, 1, {258: 32, 262: 1, 339: 3}, signalling)) == [0, 255]


def test_32_bit_label_maps_are_visible() -> None:
    content = encoded(Image.fromarray(np.array([[0, 1, 1]], np.int32)), "TIFF")

    assert greys(content) == [0, 255, 255]


# Orientation ---------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_orientation_is_applied_as_pillow_applies_it(form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(photo(40, 24), form, exif=exif)

    decoded = decode_image(content)

    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
    assert decoded.size == expected.size
    assert decoded.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("orientation", "corner"),  # where the first row and first column meet, by the EXIF standard
    [
        (1, "top left"),
        (2, "top right"),
        (3, "bottom right"),
        (4, "bottom left"),
        (5, "top left"),
        (6, "top right"),
        (7, "bottom right"),
        (8, "bottom left"),
    ],
)
def test_orientation_puts_the_first_pixel_where_exif_says(orientation: int, corner: str) -> None:
    picture = Image.new("RGB", (3, 2))
    picture.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = orientation

    decoded = decode_image(encoded(picture, "PNG", exif=exif))

    width, height = decoded.size
    assert decoded.size == ((2, 3) if orientation >= 5 else (3, 2))
    x = 0 if "left" in corner else width - 1
    y = 0 if "top" in corner else height - 1
    assert decoded.getpixel((x, y)) == (255, 255, 255)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_orientations_that_do_not_exist_are_upright(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value

    decoded = decode_image(encoded(photo(), "PNG", exif=exif))

    assert decoded.tobytes() == photo().tobytes()


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"garbage",
        b"Exif\0\0",
        b"Exif\0\0II*\0",
        b"Exif\0\0MM\0*\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(40),
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\xff\xff\xff\x7f\0\0\0\0",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x05\0\x01\0\0\0\xff\0\0\0",
    ],
)
def test_broken_exif_does_not_cost_the_picture(exif: bytes) -> None:
    jpeg = encoded(photo(), "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif

    decoded = decode_image(jpeg[:2] + segment + jpeg[2:])

    assert decoded.tobytes() == Image.open(io.BytesIO(jpeg)).convert("RGB").tobytes()


def test_a_broken_multi_picture_header_does_not_cost_the_picture() -> None:
    jpeg = encoded(photo(), "JPEG")
    header = b"MPF\0II*\0\x08\0\0\0\x01\0\xff\xff"
    segment = b"\xff\xe2" + struct.pack(">H", len(header) + 2) + header

    decoded = decode_image(jpeg[:2] + segment + jpeg[2:])

    assert decoded.size == (96, 64)


# Animations, profiles, threads ---------------------------------------------------------------


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF", "AVIF", "MPO"])
def test_the_first_frame_of_several_counts(form: str) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "lime", "blue")]
    content = encoded(frames[0], form, save_all=True, append_images=frames[1:])

    red, green, blue = np.asarray(decode_image(content))[16, 16].tolist()
    assert red > 240
    assert max(green, blue) < 15


def test_colour_profiles_are_ignored() -> None:
    profile = b"\0" * 128 + b"not a real profile"

    decoded = decode_image(encoded(photo(), "PNG", icc_profile=profile))

    assert decoded.tobytes() == photo().tobytes()


def test_threads_do_not_disturb_each_other() -> None:
    contents = [encoded(photo(60 + i, 40), form) for i in range(4) for form in ("PNG", "TIFF")]
    expected = [decode_image(content).tobytes() for content in contents]
    wrong: list[int] = []

    def decode_all() -> None:
        for _ in range(5):
            for index, content in enumerate(contents):
                if decode_image(content).tobytes() != expected[index]:
                    wrong.append(index)

    threads = [threading.Thread(target=decode_all) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def colours(content: bytes) -> list[tuple[int, ...]]:
    return [tuple(colour) for colour in np.asarray(decode_image(content))[0].tolist()]


def greys(content: bytes) -> list[int]:
    decoded = np.asarray(decode_image(content))  # (1, w, 3)
    assert (decoded == decoded[..., :1]).all()
    return [int(grey) for grey in decoded[0, :, 0]]
