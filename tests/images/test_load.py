"""Loading: exact by request, else large JPEGs take a short cut that changes next to nothing."""

from __future__ import annotations

import io
import os
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clipcli.errors import ImageError
from clipcli.images.decode import decode
from clipcli.images.load import load_pixels
from clipcli.models.config import Preprocessing
from tests.broken_pictures import encoded, photo

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"
PREPROCESSING = Preprocessing(224)


def test_exact_loading_is_pillows_resizing_of_the_whole_picture(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    path.write_bytes(encoded(photo(1200, 900), "JPEG"))

    pixels = load_pixels(path, PREPROCESSING, exact=True)

    resized = Image.open(path).resize((298, 224), Image.Resampling.BICUBIC)  # 224 * 1200 / 900
    np.testing.assert_array_equal(pixels, np.asarray(resized.crop((37, 0, 261, 224))))


@pytest.mark.parametrize("name", ["cow.jpg", "coffee.jpg"])
@pytest.mark.parametrize("ending", ["jpg", "bmp"])
def test_the_short_cut_is_close_on_photographs_of_12_megapixels(
    name: str, ending: str, tmp_path: Path
) -> None:
    path = (tmp_path / name).with_suffix(f".{ending}")
    photograph = Image.open(PHOTOS / name).convert("RGB")
    photograph.resize((4000, 3000), Image.Resampling.BICUBIC).save(path)

    short_cut = load_pixels(path, PREPROCESSING).astype(int)

    exact = load_pixels(path, PREPROCESSING, exact=True)
    assert np.abs(short_cut - exact).mean() < 0.5  # of 255
    assert np.abs(short_cut - exact).max() <= 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_short_cut_does_not_shift_the_picture(orientation: int, tmp_path: Path) -> None:
    # 1 more than a multiple of 8: the reduced picture is rounded up by most of a pixel. A smooth
    # slope shows a shift in its mean, which cannot come from the loss of detail.
    width, height = 1545, 1545
    slope = np.linspace(0, 255, width)[None, :, None].repeat(height, 0).repeat(3, 2)
    slope[..., 1] = np.linspace(0, 255, height)[:, None]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "slope.jpg"
    Image.fromarray(slope.astype(np.uint8)).save(path, quality=98, exif=exif)
    preprocessing = Preprocessing(32)  # k = 8: 1545 // 192

    short_cut = load_pixels(path, preprocessing).astype(int)

    exact = load_pixels(path, preprocessing, exact=True)
    # From the rounded size, 194 instead of 193.125, the middle would be 0.57 grey levels off.
    assert np.abs((short_cut - exact).mean(axis=(0, 1))).max() < 0.5


@pytest.mark.parametrize(
    ("orientation", "box"),  # 1001 x 803 at 1/2 is 501 x 402 pixels, of which 500.5 x 401.5 count
    [
        (1, (0, 0, 500.5, 401.5)),
        (2, (0.5, 0, 501, 401.5)),
        (3, (0.5, 0.5, 501, 402)),
        (4, (0, 0.5, 500.5, 402)),
        (5, (0, 0, 401.5, 500.5)),
        (6, (0.5, 0, 402, 500.5)),
        (7, (0.5, 0.5, 402, 501)),
        (8, (0, 0.5, 401.5, 501)),
    ],
)
def test_the_box_turns_with_the_picture(orientation: int, box: tuple[float, ...]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation

    decoded = decode(encoded(photo(1001, 803), "JPEG", exif=exif), at_least_px=400)

    assert decoded.box == box
    assert decoded.image.size == ((402, 501) if orientation >= 5 else (501, 402))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 900), st.integers(1, 900), st.integers(1, 300))
def test_a_reduced_jpeg_keeps_at_least_what_was_asked(width: int, height: int, px: int) -> None:
    content = encoded(Image.new("RGB", (width, height)), "JPEG")

    decoded = decode(content, at_least_px=px)

    assert min(decoded.image.size) >= min(px, width, height)
    right, bottom = decoded.box[2:]
    assert width / right == height / bottom
    assert width / right in (1, 2, 4, 8)


def test_only_jpegs_are_reduced() -> None:
    # An embedded thumbnail, which a HEIC may offer instead, is no reduced picture.
    for form in ("PNG", "WEBP", "TIFF"):
        decoded = decode(encoded(photo(500, 400), form), at_least_px=50)

        assert decoded.image.size == (500, 400)


def test_a_heic_whose_header_lies_about_its_size_is_still_whole() -> None:
    heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    heif.from_pillow(photo(97, 61)).save(stream)
    content = bytearray(stream.getvalue())
    width_at = content.index(b"ispe") + 8

    for width in (96, 97, 98, 99, 120):
        content[width_at : width_at + 4] = width.to_bytes(4, "big")
        try:
            decoded = decode(bytes(content))
        except ImageError:
            continue
        assert decoded.box == (0, 0, *decoded.image.size)


def test_small_pictures_take_no_short_cut_in_size(tmp_path: Path) -> None:
    path = tmp_path / "small.jpg"
    path.write_bytes(encoded(photo(640, 480), "JPEG"))

    difference = load_pixels(path, PREPROCESSING).astype(int) - load_pixels(
        path, PREPROCESSING, exact=True
    )

    assert np.abs(difference).max() <= 1


def test_returns_writable_bytes_of_the_models_size(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    path.write_bytes(encoded(Image.new("L", (3, 9), 5), "PNG"))

    pixels = load_pixels(path, Preprocessing(48))

    assert pixels.shape == (48, 48, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable


# What is no regular file ---------------------------------------------------------------------


def test_missing_files_and_folders_have_reasons(tmp_path: Path) -> None:
    assert reason_for(tmp_path / "no.jpg") == "no such file or folder"
    assert reason_for(tmp_path) == "a folder, not a file"
    assert reason_for(tmp_path / ("x" * 5000)) == "path is too long"
    assert reason_for("a\0b.jpg") == "not a valid path"


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in folders")
def test_pipes_sockets_and_devices_are_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # a socket's path may only have 100 characters
        server.bind("socket.jpg")

        assert reason_for(tmp_path / "pipe.jpg") == "a named pipe, not a file"
        assert reason_for(tmp_path / "socket.jpg") == "a socket, not a file"
    assert reason_for("/dev/zero") == "a device, not a file"


def test_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.jpg"
    path.write_bytes(encoded(photo(), "JPEG"))

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)

    assert reason_for(path) == "permission denied"


def test_files_are_closed(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(encoded(photo(), "PNG"))
    bad.write_bytes(encoded(photo(), "PNG")[:200])

    for _ in range(3):
        load_pixels(good, PREPROCESSING)
        reason_for(bad)
        good.rename(tmp_path / "moved.png")  # Windows refuses this while a file is open
        (tmp_path / "moved.png").rename(good)
    if sys.platform == "linux":
        opened = {os.path.realpath(entry) for entry in Path("/proc/self/fd").iterdir()}
        assert not opened & {str(good), str(bad)}


def test_names_that_are_not_utf8_work(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    try:
        Path(name).write_bytes(encoded(photo(), "PNG"))
    except OSError:
        pytest.skip("this file system only has UTF-8 names")

    assert load_pixels(name, Preprocessing(16)).shape == (16, 16, 3)


def test_streams_are_decoded_without_a_name() -> None:
    assert decode(io.BytesIO(encoded(photo(), "PNG"))).image.size == (96, 64)


def reason_for(path: str | Path) -> str:
    with pytest.raises(ImageError) as caught:
        load_pixels(path, PREPROCESSING)
    return caught.value.message
