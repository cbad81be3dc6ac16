"""Damage that costs no pixel is read, with a note; damage that costs some is refused."""

from __future__ import annotations

import struct

import pytest

from clipcli.errors import ImageError
from clipcli.images.decode import decode
from clipcli.images.notes import NOTES
from tests.broken_pictures import encoded, photo, png_chunk

JPEG_NOTE, PNG_NOTE = 1, 2


def chunked(content: bytes) -> list[tuple[bytes, bytes]]:
    """Return a PNG's chunks: names and data."""
    chunks, at = [], 8
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def png_of(chunks: list[tuple[bytes, bytes]], broken: bytes = b"") -> bytes:
    """Return a PNG of chunks; the checksum of those called ``broken`` is wrong."""
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, data in chunks:
        part = png_chunk(name, data)
        parts.append(part[:-1] + bytes([part[-1] ^ 1]) if name == broken else part)
    return b"".join(parts)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("ending", [b"", b"\xff", bytes(50)])
def test_a_jpeg_without_its_end_marker_is_read(options: dict[str, object], ending: bytes) -> None:
    whole = encoded(photo(), "JPEG", **options)
    assert whole.endswith(b"\xff\xd9")

    decoded = decode(whole[:-2] + ending)

    assert decoded.note_number == JPEG_NOTE
    assert decoded.image.tobytes() == decode(whole).image.tobytes()
    assert "end marker" in NOTES[JPEG_NOTE]


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("n_lost", [4, 9, 100, 1000])
def test_a_jpeg_that_lacks_data_is_truncated(options: dict[str, object], n_lost: int) -> None:
    whole = encoded(photo(), "JPEG", **options)

    with pytest.raises(ImageError, match="truncated JPEG"):
        decode(whole[:-n_lost])


def test_a_progressive_jpeg_that_lacks_whole_scans_is_truncated() -> None:
    whole = encoded(photo(), "JPEG", progressive=True)
    last_scan = whole.rindex(b"\xff\xda")
    tables = whole.rindex(b"\xff\xc4", 0, last_scan)

    for cut in (last_scan, tables):
        with pytest.raises(ImageError, match="truncated JPEG"):
            decode(whole[:cut])


@pytest.mark.parametrize("name", [b"tEXt", b"pHYs"])
def test_a_wrong_checksum_outside_of_a_pngs_pixels_is_noted(name: bytes) -> None:
    head, *rest = chunked(encoded(photo(), "PNG"))
    chunks = [head, (b"tEXt", b"Comment\0hello"), (b"pHYs", bytes(9)), *rest]

    decoded = decode(png_of(chunks, broken=name))

    assert decoded.note_number == PNG_NOTE
    assert decoded.image.tobytes() == photo().tobytes()


def test_a_png_without_its_end_is_read() -> None:
    whole = encoded(photo(), "PNG")

    for cut in (whole[:-12], whole[:-4]):
        assert decode(cut).image.tobytes() == photo().tobytes()


@pytest.mark.parametrize("name", [b"IHDR", b"tRNS"])
def test_a_wrong_checksum_of_what_the_pixels_need_is_broken(name: bytes) -> None:
    head, *rest = chunked(encoded(photo(), "PNG"))
    chunks = [head, (b"tRNS", bytes(6)), *rest]

    with pytest.raises(ImageError, match="broken PNG"):
        decode(png_of(chunks, broken=name))


def test_changed_pixels_of_a_png_are_broken() -> None:
    head, (name, data), end = chunked(encoded(photo(), "PNG", compress_level=0))
    changed = bytearray(data)
    changed[2000] ^= 255

    with pytest.raises(ImageError, match="broken PNG"):
        decode(png_of([head, (name, bytes(changed)), end], broken=b"IDAT"))


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_broken_off_jpeg_that_zeros_fill_up_is_truncated(options: dict[str, object]) -> None:
    whole = encoded(photo(), "JPEG", **options)
    half = len(whole) // 2

    with pytest.raises(ImageError, match="truncated JPEG"):
        decode(whole[:half] + bytes(len(whole) - half))


def test_zeros_after_a_jpegs_end_are_no_damage() -> None:
    whole = encoded(photo(), "JPEG")

    for extra in (bytes(100), b"a camera's own data" + bytes(100)):
        assert decode(whole + extra).note_number == 0


def test_the_orientation_survives_the_loss_of_something_else() -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    head, *rest = chunked(encoded(photo(40, 24), "PNG", exif=exif))
    assert any(name == b"eXIf" for name, _ in rest)

    decoded = decode(png_of([head, (b"tEXt", b"Comment\0hello"), *rest], broken=b"tEXt"))

    assert decoded.image.size == (24, 40)


def test_sound_pictures_have_no_note() -> None:
    for form in ("PNG", "JPEG"):
        assert decode(encoded(photo(), form)).note_number == 0
