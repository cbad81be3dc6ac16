"""Raw photographs without the extra: by the camera's large preview, never by a thumbnail."""

from __future__ import annotations

import io
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipcli.errors import ImageError
from clipcli.images.decode import decode, decode_image
from clipcli.images.notes import NOTES, RAW_PREVIEW
from tests.broken_pictures import photo

pytestmark = pytest.mark.usefixtures("_no_rawpy")
RAW_NEEDS = "a raw photograph needs an extra"


@pytest.fixture(name="_no_rawpy")
def no_rawpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)


def jpeg(width: int, height: int, colour: str = "", **options: object) -> bytes:
    image = Image.new("RGB", (width, height), colour) if colour else photo(width, height)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=70, **options)
    return stream.getvalue()


PREVIEW, THUMBNAIL = jpeg(1200, 800), jpeg(160, 120, "red")
LOSSLESS = jpeg(1400, 900, "blue").replace(b"\xff\xc0", b"\xff\xc3", 1)  # as a sensor's data are


@dataclass
class Page:
    """A directory of a TIFF: numbers, files that it points to, and pages that belong to it."""

    numbers: dict[int, int]
    files: dict[int, bytes] = field(default_factory=dict)
    inside: list[Page] = field(default_factory=list)


def container(pages: list[Page], *, head: bytes = b"II*\0", gap: bytes = b"") -> bytes:
    """Return a TIFF, or what a camera's maker made of one, little-endian."""
    out = bytearray(head + bytes(4) + gap)

    def write(page: Page, *, following: int) -> int:
        places = {tag: _append(out, content) for tag, content in page.files.items()}
        offsets = [write(each, following=0) for each in page.inside]
        entries = {tag: (4, 1, value) for tag, value in {**page.numbers, **places}.items()}
        if 46 in entries:  # holds the file itself
            entries[46] = (7, len(page.files[46]), places[46])
        if len(offsets) > 1:
            lists = _append(out, struct.pack(f"<{len(offsets)}I", *offsets))
            entries[330] = (4, len(offsets), lists)
        elif offsets:
            entries[330] = (4, 1, offsets[0])
        written = struct.pack("<H", len(entries))
        for tag in sorted(entries):
            written += struct.pack("<HHII", tag, *entries[tag])
        return _append(out, written + struct.pack("<I", following))

    following = 0
    for page in reversed(pages):
        following = write(page, following=following)
    out[4:8] = struct.pack("<I", following)
    return bytes(out)


def _append(out: bytearray, content: bytes) -> int:
    out += bytes(len(out) % 2)
    at = len(out)
    out += content
    return at


def by_offset(content: bytes, **numbers: int) -> Page:
    """Return a page whose JPEG is named by its own two tags (513, 514)."""
    named = {int(tag[1:]): value for tag, value in numbers.items()}
    return Page({**named, 514: len(content)}, {513: content})


def by_strip(content: bytes, compression: int, **numbers: int) -> Page:
    named = {int(tag[1:]): value for tag, value in numbers.items()}
    return Page({259: compression, 262: 6, **named, 279: len(content)}, {273: content})


def sensor(content: bytes = bytes(96)) -> Page:
    return Page({256: 1500, 257: 1000, 258: 16, 259: 7, 262: 32803, 279: len(content)},
                {273: content})  # fmt: skip


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


def canon_3(preview: bytes, full: bytes, orientation: int) -> bytes:
    """Return a CR3: a preview in a box of its own, a larger one as the sample of a track."""
    facts = container([Page({274: orientation})])
    head = struct.pack(">IHHHHI", 0, 1, 1620, 1080, 0, len(preview))
    shown = bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16") + bytes(8)
    shown_box = box(b"uuid", shown + box(b"PRVW", head + preview))

    def movie(at: int) -> bytes:
        sample = box(b"stsz", struct.pack(">III", 0, len(full), 1))
        sample += box(b"co64", struct.pack(">IIQ", 0, 1, at))
        track = box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", sample))))
        known = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48") + box(b"CMT1", facts)
        return box(b"ftyp", b"crx \0\0\0\1crx isom") + box(b"moov", box(b"uuid", known) + track)

    before = len(movie(0)) + len(shown_box) + 8
    return movie(before) + shown_box + box(b"mdat", full)


def fujifilm(content: bytes) -> bytes:
    head = b"FUJIFILMCCD-RAW 0201".ljust(84, b"\0") + struct.pack(">II", 148, len(content))
    return head.ljust(148, b"\0") + content + bytes(5000)


def raw_photographs() -> dict[str, bytes]:
    thumbnail = by_offset(THUMBNAIL, _254=1)
    small = Page({254: 1, 256: 16, 257: 12, 258: 8, 262: 2, 271: 1, 277: 3, 279: 576},
                 {273: bytes(576)})  # fmt: skip
    inner = [by_strip(PREVIEW, 7, _254=1), sensor(LOSSLESS)]
    dng = Page({**small.numbers, 50706: 0x401}, small.files, inner)
    nef = Page(small.numbers, small.files, [by_offset(PREVIEW, _254=1), sensor()])
    panasonic = Page({1: 0x30303330}, {46: PREVIEW})
    return {
        "dng": container([dng]),
        "nef": container([nef]),
        "cr2": container([by_strip(PREVIEW, 6), thumbnail, by_strip(LOSSLESS, 6)],
                         gap=b"CR\2\0" + bytes(4)),
        "arw": container([by_offset(PREVIEW, _271=1), thumbnail, Page({259: 32767})]),
        "rw2": container([panasonic], head=b"IIU\0", gap=bytes(16)),
        "raf": fujifilm(PREVIEW),
        "cr3": canon_3(jpeg(1000, 600, "blue"), PREVIEW, 1),
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(raw_photographs()))
def test_a_raw_photograph_is_read_by_its_large_preview(name: str) -> None:
    decoded = decode(raw_photographs()[name])

    with Image.open(io.BytesIO(PREVIEW)) as expected:
        np.testing.assert_array_equal(np.asarray(decoded.image), np.asarray(expected))
    assert decoded.is_raw
    assert decoded.note_number == RAW_PREVIEW
    assert "preview" in NOTES[RAW_PREVIEW]


@pytest.mark.parametrize("name", sorted(raw_photographs()))
def test_what_lacks_a_large_preview_is_not_read_by_a_small_one(name: str) -> None:
    small = jpeg(640, 480)
    shorter = small + bytes(len(PREVIEW) - len(small))
    content = raw_photographs()[name].replace(PREVIEW, shorter)
    content = content.replace(jpeg(1000, 600, "blue"), bytes(len(jpeg(1000, 600, "blue"))))
    assert content != raw_photographs()[name]

    with pytest.raises(ImageError, match=RAW_NEEDS):
        decode_image(content)


def test_of_two_previews_the_larger_is_read_though_its_file_is_shorter() -> None:
    noisy, plain = jpeg(1000, 700), jpeg(1600, 1200, "white")
    assert len(noisy) > len(plain)
    inner = [by_offset(noisy, _254=1), by_offset(plain, _254=1), sensor()]

    assert decode_image(container([Page({254: 1, 271: 1}, {}, inner)])).size == (1600, 1200)


def test_a_preview_is_turned_as_the_camera_was_held() -> None:
    page = by_offset(PREVIEW, _271=1, _274=6)

    turned = decode_image(container([page, Page({259: 32767})]))

    with Image.open(io.BytesIO(PREVIEW)) as expected:
        upright = expected.transpose(Image.Transpose.ROTATE_270)
        np.testing.assert_array_equal(np.asarray(turned), np.asarray(upright))
    assert decode_image(canon_3(PREVIEW, PREVIEW, 8)).size == (800, 1200)


def test_a_preview_that_says_how_it_lies_is_not_turned_twice() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    own = jpeg(1200, 800, exif=exif)

    assert decode_image(container([by_offset(own, _271=1, _274=6), Page({259: 32767})])).size == (
        800,
        1200,
    )


def test_a_preview_that_is_cut_off_is_no_half_grey_picture() -> None:
    content = raw_photographs()["raf"][: 148 + len(PREVIEW) // 2]

    with pytest.raises(ImageError, match="truncated raw photograph"):
        decode_image(content)


def test_a_preview_has_the_limit_of_any_picture() -> None:
    with pytest.raises(ImageError, match="1200 x 800 pixels is over the limit of"):
        decode_image(raw_photographs()["nef"], max_pixels=500_000)


def test_boxes_without_end_are_left_alone() -> None:
    endless = b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + box(b"free", b"") * 100_000
    inside_out = b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + struct.pack(">I", 0) + b"moov" * 50

    for content in (endless, inside_out):
        with pytest.raises(ImageError, match=RAW_NEEDS):
            decode_image(content)


def test_a_record_says_that_it_is_about_the_preview(
    tmp_path: Path, tiny_model_folder: Path
) -> None:
    from clipcli import Classifier

    path = tmp_path / "a.nef"
    path.write_bytes(raw_photographs()["nef"])

    [result] = Classifier(["cat", "dog"], model=str(tiny_model_folder)).classify([path])

    assert result.note == NOTES[RAW_PREVIEW]
