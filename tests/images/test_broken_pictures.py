"""Broken pictures become reasons: short, true, and never anything but an ImageError."""

from __future__ import annotations

import contextlib
import io
import random
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from clipcli.errors import ImageError
from clipcli.images.decode import decode_image
from tests.broken_pictures import encoded, photo, png_header, write_broken_pictures

FORMS = ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "JPEG2000", "PPM"]


def test_names_what_is_wrong_with_each_broken_picture(tmp_path: Path) -> None:
    expected = write_broken_pictures(tmp_path)

    reasons = {path: reason_for(path) for path in expected}

    assert len(expected) >= 40
    wrong = {path.name: reasons[path] for path in expected if expected[path] not in reasons[path]}
    assert wrong == {}


def test_reasons_are_short_single_lines_without_the_path(tmp_path: Path) -> None:
    for path in write_broken_pictures(tmp_path):
        reason = reason_for(path)

        assert len(reason) <= 120
        assert reason.isprintable()
        assert str(tmp_path) not in reason
        assert "BytesIO" not in reason


def test_nothing_reaches_the_terminal(tmp_path: Path) -> None:
    write_broken_pictures(tmp_path)
    damaged = bytearray(encoded(photo(), "TIFF", compression="tiff_lzw"))
    damaged[100:200] = bytes(100)  # libtiff itself would write a line about this
    (tmp_path / "damaged.tif").write_bytes(damaged)
    script = (
        "import sys, pathlib\n"
        "from clipcli.images.decode import decode_image\n"
        "from clipcli.errors import ImageError\n"
        "for path in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    try: decode_image(path)\n"
        "    except ImageError: pass\n"
    )

    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", script, tmp_path], capture_output=True, check=True
    )

    assert done.stdout == b""
    # Where libtiff is built into Pillow its own lines cannot be held back.
    assert done.stderr == b"" or sys.platform == "win32"


def test_pillow_warnings_do_not_escape_even_as_errors() -> None:
    header = encoded(photo(), "JPEG")
    # An EXIF block whose directory points far outside makes Pillow warn.
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x0f\x01\x02\0\xff\xff\0\0\xff\xff\0\0"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    picture = header[:2] + segment + header[2:]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decoded = decode_image(picture)

    assert decoded.size == (96, 64)


@pytest.mark.parametrize("form", FORMS)
def test_damage_never_raises_anything_but_image_errors(form: str) -> None:
    whole = encoded(photo(40, 30), form)
    chance = random.Random(form)

    for attempt in range(60):
        damaged = bytearray(whole)
        reach = len(damaged) if attempt % 2 else min(200, len(damaged))
        for _ in range(chance.randrange(1, 12)):
            damaged[chance.randrange(reach)] = chance.randrange(256)
        if attempt % 3 == 0:
            del damaged[chance.randrange(len(damaged)) :]
        with contextlib.suppress(ImageError):
            assert decode_image(bytes(damaged), max_pixels=1_000_000).mode == "RGB"


def test_the_limit_is_the_callers_own() -> None:
    picture = encoded(photo(100, 50), "PNG")

    assert decode_image(picture, max_pixels=5000).size == (100, 50)
    with pytest.raises(ImageError, match=r"100 x 50 pixels is over the limit of 0\.004999 mega"):
        decode_image(picture, max_pixels=4999)


def test_a_limit_above_pillows_own_holds_and_pillows_stays() -> None:
    from PIL import Image

    before = Image.MAX_IMAGE_PIXELS
    header = png_header(20_000, 19_000)  # 380 megapixels, more than twice Pillow's limit

    with pytest.raises(ImageError, match="PNG"):  # not "over the limit": it fails for its data
        decode_image(header, max_pixels=400_000_000)

    assert before == Image.MAX_IMAGE_PIXELS


def test_huge_files_are_refused_unread(tmp_path: Path) -> None:
    sparse = tmp_path / "huge.webp"
    with sparse.open("wb") as stream:
        stream.write(b"RIFF\xff\xff\xff\xffWEBPVP8 ")
        stream.truncate(5 * 10**9)

    assert reason_for(sparse) == "WebP of 5.0 GB is too large to be a picture"


def test_streams_that_fail_to_read_become_reasons() -> None:
    class Failing(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(ImageError, match="input/output error"):
        decode_image(Failing(b"GIF89a"))


def test_heic_without_the_extra_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)

    with pytest.raises(ImageError, match=r'pip install "clipcli\[heif\]"'):
        decode_image(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic")


def reason_for(path: Path) -> str:
    with pytest.raises(ImageError) as caught:
        decode_image(path)
    return caught.value.message
