"""When a picture was taken, by the EXIF date that is in it.

Read from where each format keeps it (EXIF 3.0, 4.7; PNG 3, 11.3.4.5; the WebP container), without
a look at the pixels.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from datetime import datetime
from os import PathLike
from typing import BinaryIO

from clipcli.errors import ImageError
from clipcli.images import tiff
from clipcli.images.decode import MAX_PIXELS, most_bytes, reader_of
from clipcli.images.files import open_regular
from clipcli.images.kinds import AVIF, HEAD_BYTES, HEIF, JPEG, PNG, RAW, TIFF, WEBP, sniff
from clipcli.images.mending import segments
from clipcli.images.quiet import keep_pillow_quiet
from clipcli.images.raw_preview import canon_facts, fujifilm_jpeg

_PREFIX = b"Exif\0\0"  # of the block in a JPEG; some programs write it elsewhere, too
_JPEG_BYTES = 2**18  # the block is within the first segments, of 64 KB at most
_EXIF_BYTES = 2**20
_MAX_CHUNKS = 20_000  # of a PNG: pixels may be in chunks of 8 KB
_TAGS = (tiff.DATE_TAKEN, tiff.DATE_DIGITIZED, tiff.DATE)  # the first that holds a date counts
_DATE = re.compile(rb"(\d{4})[:/.-](\d\d)[:/.-](\d\d)(?:[ T](\d\d):(\d\d):(\d\d))?")
_FIRST_YEAR = 1826  # of the first photograph; smaller numbers are a clock that nobody set


def taken_on(path: str | PathLike[str]) -> datetime | None:
    """Return when a picture was taken, by its camera's clock; None where it does not say.

    That is EXIF's DateTimeOriginal, or else DateTimeDigitized, or else DateTime. The file's own
    times do not count: they change as files are copied.
    """
    tags: dict[int, tuple[int, ...]] = {}
    try:
        with open_regular(path) as stream:
            for block in exif_blocks(stream):
                tags = tiff.read_exif(block) | tags
    except (ImageError, OSError, ValueError, struct.error):
        return None
    dates = (_parse(tags.get(tag, ())) for tag in _TAGS)
    return next((date for date in dates if date), None)


def _parse(values: tuple[int, ...]) -> datetime | None:
    found = _DATE.match(bytes(value & 0xFF for value in values))
    if not found or int(found[1]) < _FIRST_YEAR:
        return None
    try:
        year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
        return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - it has no zone
    except ValueError:  # the 31st of February
        return None


def exif_blocks(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Yield what is written as a TIFF and may hold the date, of a picture of any kind."""
    head = stream.read(HEAD_BYTES)
    kind = sniff(head)
    if kind is JPEG:
        yield from _of_jpeg(stream, 0)
    elif kind is PNG:
        yield from _of_chunks(stream, 8, ">", b"eXIf")
    elif kind is WEBP:
        yield from _of_chunks(stream, 12, "<", b"EXIF")
    elif kind in (HEIF, AVIF):
        yield from _of_decoder(stream, head)
    elif kind is RAW and head[4:8] == b"ftyp":
        yield from map(io.BytesIO, canon_facts(stream))
    elif kind is RAW and (place := fujifilm_jpeg(head)):
        yield from _of_jpeg(stream, place)
    elif kind in (TIFF, RAW):
        yield stream


def _of_jpeg(stream: BinaryIO, begin: int) -> Iterator[BinaryIO]:
    stream.seek(begin)
    for marker, segment, _ in segments(stream.read(_JPEG_BYTES)):
        if marker == 0xE1 and segment.startswith(_PREFIX):
            yield io.BytesIO(segment.removeprefix(_PREFIX))
            return
        if marker == 0xDA:  # pixels
            return


def _of_chunks(stream: BinaryIO, begin: int, order: str, wanted: bytes) -> Iterator[BinaryIO]:
    """Look through the chunks of a PNG, or of a WebP, which has length and name in turn."""
    at = begin
    for _ in range(_MAX_CHUNKS):
        stream.seek(at)
        head = stream.read(8)
        if len(head) < 8:
            return
        if order == ">":
            (length,), name, after = struct.unpack(">I", head[:4]), head[4:], 4  # a checksum
        else:
            (length,), name = struct.unpack("<I", head[4:]), head[:4]
            after = length % 2
        if name == wanted:
            content = stream.read(min(length, _EXIF_BYTES))
            yield io.BytesIO(content.removeprefix(_PREFIX))
            return
        at += 8 + length + after


def _of_decoder(stream: BinaryIO, head: bytes) -> Iterator[BinaryIO]:
    kind = sniff(head)
    assert kind is not None
    if stream.seek(0, io.SEEK_END) > most_bytes(MAX_PIXELS):  # these readers take all of it
        return
    keep_pillow_quiet()
    stream.seek(0)
    try:
        content = reader_of(kind)(stream).info.get("exif")
    except Exception:  # whatever a decoder raises: then there is no date
        return
    if isinstance(content, bytes):
        yield io.BytesIO(content.removeprefix(_PREFIX))
