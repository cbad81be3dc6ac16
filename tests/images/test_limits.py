"""Pictures that ask for far more work than their pixels are worth."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest
from PIL import Image

from clipcli.errors import ImageError
from clipcli.images import limits
from clipcli.images.decode import decode_image
from clipcli.images.kinds import PPM
from clipcli.images.limits import Watched


def saved(form: str, side: int = 64, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((side, side)).convert("RGB").save(out, form, **options)
    return out.getvalue()


def with_scans(n: int, side: int) -> bytes:
    content = saved("JPEG", side, progressive=True, quality=1)
    last = content[content.rfind(b"\xff\xda") : -2]
    return content[:-2] + last * n + content[-2:]


def test_scans_are_bounded_by_the_work_that_they_are() -> None:
    with pytest.raises(ImageError, match="JPEG of more than"):
        decode_image(with_scans(200, 3000))

    assert decode_image(with_scans(200, 64)).size == (64, 64)  # odd, and no work


def test_what_only_looks_like_scans_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SCANNED_PIXELS", 0)
    plain = saved("JPEG")
    comment = b"\xff\xfe" + (2 + 200).to_bytes(2, "big") + b"\xff\xda" * 100
    film = b"\xff\xda" * 1000

    assert decode_image(plain[:2] + comment + plain[2:] + film).size == (64, 64)
    progressive = saved("JPEG", progressive=True)
    assert decode_image(progressive[:2] + comment + progressive[2:] + film).size == (64, 64)


@pytest.mark.parametrize("big", [True, False])
def test_a_directory_without_end_is_refused(big: bool) -> None:
    content = bytearray(saved("TIFF", big_tiff=big))
    at = int.from_bytes(content[8:16] if big else content[4:8], "little")
    content[at : at + 2] = b"\xff\xff"

    with pytest.raises(ImageError, match="a directory of 65,535 tags"):
        decode_image(bytes(content))


def test_tags_hold_no_more_than_the_file() -> None:
    content = bytearray(saved("TIFF"))
    at = int.from_bytes(content[4:8], "little")
    content[at + 2 + 4 : at + 2 + 8] = b"\xff\xff\xff\x7f"  # how many values the first tag has

    with pytest.raises(ImageError, match="its tags hold more than the file"):
        decode_image(bytes(content))


def test_comments_are_bounded_and_a_header_ends() -> None:
    few, many = (b"P3\n# a\n2 1\n255\n" + b"#a\n" * n + b"9 " * 6 for n in (10, 2000))

    assert decode_image(few).size == (2, 1)
    with pytest.raises(ImageError, match="more than 1,000 comments"):
        decode_image(many)
    with pytest.raises(ImageError, match="no usable size"):
        decode_image(b"P6 1 #" + b"a" * 100_000 + b"\n2 1 255 123456")


def test_time_is_up_at_the_next_read(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watched(io.BytesIO(b"abc"), PPM)
    begin_s = time.thread_time()
    monkeypatch.setattr(time, "thread_time", lambda: begin_s + 6)

    with pytest.raises(ImageError, match="PPM takes more than 5 s"):
        watch.read(1)
    watch.allow_for((10_000, 10_000))
    assert watch.read(1) == b"a"


def test_a_large_picture_out_of_a_few_bytes_is_refused() -> None:
    out = io.BytesIO()
    Image.new("RGB", (9000, 9000), "red").save(out, "WEBP", lossless=True)

    with pytest.raises(ImageError, match="9000 x 9000 pixels out of"):
        decode_image(out.getvalue())


def test_a_blank_page_of_a_usual_size_is_read() -> None:
    out = io.BytesIO()
    Image.new("1", (4960, 6400), 1).save(out, "TIFF", compression="group4")  # A4 at 600 dpi
    assert len(out.getvalue()) < 3000

    assert decode_image(out.getvalue()).size == (4960, 6400)


def test_the_screen_of_a_gif_is_no_desert_around_its_picture() -> None:
    content = bytearray(saved("GIF"))
    content[6:10] = (5000).to_bytes(2, "little") * 2
    with pytest.raises(ImageError, match="a screen of 5000 x 5000 pixels for a picture of 64 x 64"):
        decode_image(bytes(content))

    content[6:10] = (200).to_bytes(2, "little") * 2
    assert decode_image(bytes(content)).size == (200, 200)
