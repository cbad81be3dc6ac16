"""Previews: the large JPEG that a camera puts into a raw photograph for its own screen.

Found where the format says that it is, never by a search for something that looks like a JPEG:
directories of TIFF (Adobe DNG 1.7, chapter 3; Nikon, Canon's CR2, Sony, Pentax, Panasonic), the
head of Fujifilm's RAF, boxes of Canon's CR3 (ISO/IEC 14496-12; https://github.com/lclevy/canon_cr3).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from clipcli.images import tiff
from clipcli.images.mending import segments

LEAST_PX = 1000  # of the longer side: thumbnails have 160 to 640, previews 1,024 and up
_MAX_BYTES = 64 * 2**20
_MAX_TRIED = 4  # the longest of the places that a file names
_HEAD_BYTES = 2**20  # of a JPEG; metadata come before its size
_JPEG_BEGIN = b"\xff\xd8\xff"
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # with losses; sensors' data are JPEGs without
_FUJIFILM, _FUJIFILM_AT = b"FUJIFILMCCD-RAW", 84  # where its head names the JPEG
_MAX_BOXES = 400
_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
_CANON_FACTS = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
_CANON_PREVIEW = bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16")
_CANON_FACT_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Preview:
    """A JPEG, and how the camera was held (EXIF's 1..8) where the JPEG does not say it itself."""

    content: bytes
    orientation: int = 1


class _Place(NamedTuple):
    begin: int
    n_bytes: int


def find_preview(stream: BinaryIO) -> Preview | None:
    """Return the largest preview of an open raw photograph; None if it has but a thumbnail."""
    n_bytes = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    head = stream.read(16)
    if head.startswith(_FUJIFILM):
        places, orientation = _places_of_fujifilm(stream), 1
    elif head[4:8] == b"ftyp":
        places, orientation = _places_of_canon(stream, n_bytes)
    else:
        places, orientation = _places_of_tiff(stream)
    # What is cut off is tried as well: the decoder will tell.
    there = {_Place(at, min(length, n_bytes - at)) for at, length in places if at < n_bytes}
    possible = [place for place in there if 0 < place.n_bytes <= _MAX_BYTES]
    longest = sorted(possible, key=lambda place: (-place.n_bytes, place))[:_MAX_TRIED]
    sizes = {place: _size_at(stream, place) for place in longest}
    large = [place for place in longest if max(sizes[place]) >= LEAST_PX]
    if not large:
        return None
    best = max(large, key=lambda place: sizes[place][0] * sizes[place][1])
    stream.seek(best.begin)
    return Preview(stream.read(best.n_bytes), orientation)


def canon_facts(stream: BinaryIO) -> Iterator[bytes]:
    """Yield what a CR3 says of its picture: EXIF's directories, each written as a TIFF."""
    n_bytes = stream.seek(0, io.SEEK_END)
    for name, box in _boxes(stream, n_bytes):
        if name in (b"CMT1", b"CMT2"):
            stream.seek(box.begin)
            yield stream.read(min(box.n_bytes, _CANON_FACT_BYTES))


def fujifilm_jpeg(head: bytes) -> int:
    """Return where a RAF's own JPEG begins, by the file's first bytes; 0 for other files."""
    if not head.startswith(_FUJIFILM):
        return 0
    return int.from_bytes(head[_FUJIFILM_AT : _FUJIFILM_AT + 4], "big")


def _size_at(stream: BinaryIO, place: _Place) -> tuple[int, int]:
    """Return a JPEG's width and height by its frame header (ITU T.81, B.2.2); zeros for others."""
    stream.seek(place.begin)
    head = stream.read(min(_HEAD_BYTES, place.n_bytes))
    for marker, segment, _ in segments(head) if head.startswith(_JPEG_BEGIN) else ():
        if marker in _FRAMES and len(segment) >= 5:
            return int.from_bytes(segment[3:5], "big"), int.from_bytes(segment[1:3], "big")
    return 0, 0


def _places_of_tiff(stream: BinaryIO) -> tuple[list[_Place], int]:
    directories = tiff.read_directories(stream)
    places = [_Place(*place) for each in directories for place in each.jpegs()]
    orientation = directories[0].first(tiff.ORIENTATION, 1) if directories else 1
    return places, orientation


def _places_of_fujifilm(stream: BinaryIO) -> list[_Place]:
    stream.seek(_FUJIFILM_AT)
    numbers = stream.read(8)
    return [_Place(int.from_bytes(numbers[:4], "big"), int.from_bytes(numbers[4:], "big"))]


def _places_of_canon(stream: BinaryIO, n_bytes: int) -> tuple[list[_Place], int]:
    places, orientation, n_sample_bytes = [], 1, 0
    for name, box in _boxes(stream, n_bytes):
        stream.seek(box.begin)
        if name == b"PRVW":  # six bytes, width, height, two bytes, and how long the JPEG is
            places.append(_Place(box.begin + 16, int.from_bytes(stream.read(16)[12:], "big")))
        elif name == b"CMT1":
            facts = stream.read(min(box.n_bytes, _CANON_FACT_BYTES))
            orientation = _places_of_tiff(io.BytesIO(facts))[1]
        elif name == b"stsz":  # of a track's one sample, before its place
            n_sample_bytes = int.from_bytes(stream.read(8)[4:], "big")
        elif name == b"co64":
            places.append(_Place(int.from_bytes(stream.read(16)[8:], "big"), n_sample_bytes))
    return places, orientation


def _boxes(stream: BinaryIO, n_bytes: int) -> Iterator[tuple[bytes, _Place]]:
    """Yield the boxes of a CR3, and those in its containers: their names, and what is in them."""
    ranges = [(0, n_bytes)]
    for _ in range(_MAX_BOXES):
        while ranges and ranges[-1][0] + 8 > ranges[-1][1]:
            ranges.pop()
        if not ranges:
            return
        at, end = ranges.pop()
        stream.seek(at)
        head = stream.read(32)
        length, name, inner = int.from_bytes(head[:4], "big"), head[4:8], at + 8
        if length == 1:
            length, inner = int.from_bytes(head[8:16], "big"), at + 16
        length = min(length if length >= inner - at else end - at, end - at)
        ranges.append((at + length, end))
        kind = head[inner - at :][:16] if name == b"uuid" else b""
        if name in _CONTAINERS:
            ranges.append((inner, at + length))
        elif kind == _CANON_FACTS:
            ranges.append((inner + 16, at + length))
        elif kind == _CANON_PREVIEW:
            ranges.append((inner + 24, at + length))  # eight bytes of its own
        yield name, _Place(inner, at + length - inner)
