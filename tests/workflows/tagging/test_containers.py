"""XMP inside of JPEG and PNG: other bytes, and all pixels, stay."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from clipcli.workflows.tagging.containers import embedded, packet_in
from clipcli.workflows.tagging.keywords import EMPTY, Keyword, with_keywords, without_ours
from clipcli.workflows.tagging.packet import UnreadablePacketError
from tests.workflows.tagging.samples import DIGIKAM

PHOTOS = Path(__file__).resolve().parents[3] / "examples" / "photos"
XMP = b"http://ns.adobe.com/xap/1.0/\0"


def add_cat(packet: bytes | None) -> bytes:
    return with_keywords(packet or EMPTY, [Keyword("cat")])


def picture(form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    with Image.open(PHOTOS / "cat.jpg") as image:
        image.resize((64, 48)).save(stream, form, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def segments(data: bytes) -> list[tuple[int, bytes]]:
    """Read a JPEG's segments by the standard's grammar, up to the scan."""
    at, found = 2, []
    while data[at + 1] != 0xDA:
        length = struct.unpack(">H", data[at + 2 : at + 4])[0]
        found.append((data[at + 1], data[at + 4 : at + 2 + length]))
        at += 2 + length
    return found


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_pixels_and_every_other_byte_stay(form: str) -> None:
    before = picture(form)

    after = embedded(before, add_cat)

    packet = packet_in(after)
    assert packet is not None
    assert packet == add_cat(None)
    assert (pixels(after) == pixels(before)).all()
    added = len(after) - len(before)
    overhead = {"JPEG": 4 + len(XMP), "PNG": 12 + len(b"XML:com.adobe.xmp") + 5}[form]
    assert added == len(packet) + overhead
    at = next(i for i in range(len(before)) if after[i] != before[i])
    assert after[:at] + after[at + added :] == before


def test_pillow_reads_it() -> None:
    for form, key in (("JPEG", "xmp"), ("PNG", "XML:com.adobe.xmp")):
        with Image.open(io.BytesIO(embedded(picture(form), add_cat))) as image:
            found = image.info[key]
            text = found.decode() if isinstance(found, bytes) else found
            assert "<rdf:li>cat</rdf:li>" in text


def test_exif_stays_the_first_segment() -> None:
    exif = Image.Exif()
    exif[0x0110] = "C-1"

    after = embedded(picture("JPEG", exif=exif), add_cat)

    kinds = [(kind, content[:4]) for kind, content in segments(after)[:3]]
    assert (0xE1, b"Exif") in kinds
    assert kinds.index((0xE1, b"Exif")) < kinds.index((0xE1, b"http"))


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_xmp_that_is_there_is_merged_in_its_place(form: str) -> None:
    options: dict[str, object] = {"xmp": DIGIKAM.encode()}
    if form == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", DIGIKAM, zip=True)
        options = {"pnginfo": text}
    before = picture(form, **options)

    after = embedded(before, lambda packet: with_keywords(packet or EMPTY, [Keyword("tree")]))

    assert packet_in(before) == DIGIKAM.encode()
    packet = packet_in(after)
    assert packet is not None
    assert b"<rdf:li>tree</rdf:li>" in packet
    assert without_ours(packet) == DIGIKAM.encode()
    assert (pixels(after) == pixels(before)).all()
    if form == "JPEG":
        assert embedded(after, lambda p: without_ours(p or b"")) == before


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_without_a_change_it_is_the_same_file(form: str) -> None:
    plain, tagged = picture(form), embedded(picture(form), add_cat)

    assert embedded(plain, lambda _: b"") is plain
    assert embedded(tagged, add_cat) is tagged


def chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def segment(kind: int, content: bytes) -> bytes:
    return bytes([0xFF, kind]) + struct.pack(">H", len(content) + 2) + content


def inside(jpeg: bytes, *more: bytes) -> bytes:
    return jpeg[:2] + b"".join(more) + jpeg[2:]


@cache
def broken() -> dict[str, tuple[bytes, str]]:
    jpeg, png = picture("JPEG"), picture("PNG")
    twice = segment(0xE1, XMP + EMPTY)
    text = b"XML:com.adobe.xmp\0\1\0\0\0"
    return {
        "several": (inside(jpeg, segment(0xE2, b"MPF\0II*\0")), "several pictures in one JPEG"),
        "signed jpeg": (inside(jpeg, segment(0xEB, b"JP\0\1")), "signed"),
        "signed png": (png[:33] + chunk(b"caBX", b"x") + png[33:], "signed"),
        "twice": (inside(jpeg, twice, twice), "has XMP twice"),
        "cut jpeg": (jpeg[:300], "cut off"),
        "no scan": (jpeg[:2] + b"\xff\xd9", "without pixels"),
        "cut png": (png[:-30], "cut off"),
        "bad zip": (png[:33] + chunk(b"iTXt", text + b"zzz") + png[33:], "broken"),
        "bomb": (
            png[:33] + chunk(b"iTXt", text + zlib.compress(bytes(40 * 2**20))) + png[33:],
            "broken",
        ),
        "webp": (picture("WEBP"), "WebP: nothing is written into those"),
        "text": (b"hello", "nothing is written into those"),
    }


@pytest.mark.parametrize("name", sorted(broken()))
def test_what_could_be_hurt_is_refused(name: str) -> None:
    data, reason = broken()[name]

    with pytest.raises(UnreadablePacketError, match=reason):
        embedded(data, add_cat)


def test_a_packet_longer_than_a_segment_is_refused() -> None:
    many = [Keyword(f"label {i}") for i in range(3000)]

    with pytest.raises(UnreadablePacketError, match="more XMP than a JPEG's segment holds"):
        embedded(picture("JPEG"), lambda _: with_keywords(EMPTY, many))
