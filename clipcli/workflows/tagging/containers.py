"""XMP inside of pictures: JPEG's APP1 segment and PNG's iTXt chunk.

Only that segment or chunk is made anew; every other byte of the file, and so every pixel, stays as
it is. What could be hurt by that is refused: pictures of several pictures, whose parts know their
places, and pictures that are signed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from clipcli.images.kinds import JPEG, PNG, sniff
from clipcli.workflows.tagging.packet import MAX_BYTES, UnreadablePacketError

Change = Callable[[bytes | None], bytes]

MAX_FILE_BYTES = 512 * 2**20
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_EXIF = b"Exif\0\0"
_APP0, _APP1, _APP2, _APP11, _SCAN, _END = 0xE0, 0xE1, 0xE2, 0xEB, 0xDA, 0xD9
_MOST_IN_SEGMENT = 0xFFFF - 2
_KEYWORD = b"XML:com.adobe.xmp"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Piece(NamedTuple):
    """A segment or chunk: its kind, its place in the file, and what it holds."""

    kind: bytes
    start: int
    end: int
    content: bytes


def embedded(data: bytes, change: Change) -> bytes:
    """Return a picture's file with its XMP changed.

    Parameters
    ----------
    data
        The whole file.
    change
        Takes the packet, or None where there is none yet, and returns the new one; nothing
        for none at all.

    Raises
    ------
    UnreadablePacketError
        If it is a file into which nothing is written.
    """
    kind = sniff(data[:512])
    if kind is JPEG:
        return _in_jpeg(data, change)
    if kind is PNG:
        return _in_png(data, change)
    name = kind.name if kind else "no picture that is read"
    raise UnreadablePacketError(f"{name}: nothing is written into those; leave --embed out")


def packet_in(data: bytes) -> bytes | None:
    """Return the XMP inside a picture's file, if there is any; raises as :func:`embedded`."""
    found: list[bytes | None] = []

    def look(packet: bytes | None) -> bytes:
        found.append(packet)
        return packet or b""

    embedded(data, look)
    return found[0]


def _in_jpeg(data: bytes, change: Change) -> bytes:
    place, found = 2, None
    for piece in _segments(data):
        if piece.kind == bytes([_APP2]) and piece.content.startswith(b"MPF\0"):
            raise UnreadablePacketError("several pictures in one JPEG: leave --embed out")
        if piece.kind == bytes([_APP11]):
            raise UnreadablePacketError("it is signed (C2PA), which a change would break")
        if piece.kind == bytes([_APP1]) and piece.content.startswith(_XMP):
            if found is not None:
                raise UnreadablePacketError("has XMP twice")
            found = piece
        is_head = piece.kind == bytes([_APP0]) or piece.content.startswith(_EXIF)
        if is_head and piece.start == place:  # EXIF has to be the first, behind JFIF's at most
            place = piece.end
    packet = change(found.content[len(_XMP) :] if found else None)
    if packet == (found.content[len(_XMP) :] if found else b""):
        return data
    content = _XMP + packet
    if len(content) > _MOST_IN_SEGMENT:
        raise UnreadablePacketError("has more XMP than a JPEG's segment holds")
    segment = b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content
    start, end = (found.start, found.end) if found else (place, place)
    return data[:start] + segment + data[end:]


def _segments(data: bytes) -> Iterator[Piece]:
    """Yield the segments before the pixels (ITU T.81, B.1.1)."""
    at = 2
    while True:
        if data[at : at + 1] != b"\xff":
            raise UnreadablePacketError("a JPEG whose segments do not follow each other")
        start = at
        while data[at : at + 1] == b"\xff":  # any number of them may fill up
            at += 1
        kind = data[at : at + 1]
        if not kind or kind[0] in (_SCAN, _END):
            if kind and kind[0] == _SCAN:
                return
            raise UnreadablePacketError("a JPEG without pixels")
        length = int.from_bytes(data[at + 1 : at + 3], "big")
        end = at + 1 + length
        if length < 2 or end > len(data):
            raise UnreadablePacketError("a JPEG whose segments are cut off")
        yield Piece(kind, start, end, data[at + 3 : end])
        at = end


def _in_png(data: bytes, change: Change) -> bytes:
    place, found = 0, None
    for piece in _chunks(data):
        if piece.kind == b"IDAT" and not place:
            place = piece.start
        if piece.kind == b"caBX":
            raise UnreadablePacketError("it is signed (C2PA), which a change would break")
        if piece.kind == b"iTXt" and piece.content.startswith(_KEYWORD + b"\0"):
            if found is not None:
                raise UnreadablePacketError("has XMP twice")
            found = piece
    if not place:
        raise UnreadablePacketError("a PNG without pixels")
    old = _text_of(found.content) if found else None
    packet = change(old)
    if packet == (old or b""):
        return data
    content = _KEYWORD + b"\0\0\0\0\0" + packet  # uncompressed, no language, no translated keyword
    checked = b"iTXt" + content
    crc = struct.pack(">I", zlib.crc32(checked))
    chunk = struct.pack(">I", len(content)) + checked + crc
    start, end = (found.start, found.end) if found else (place, place)
    return data[:start] + chunk + data[end:]


def _chunks(data: bytes) -> Iterator[Piece]:
    at = len(_SIGNATURE)
    while True:
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            raise UnreadablePacketError("a PNG that is cut off")
        yield Piece(kind, at, end, data[at + 8 : end - 4])
        if kind == b"IEND":
            return
        at = end


def _text_of(content: bytes) -> bytes:
    """Return the text of an iTXt chunk (PNG 11.3.3.4), which may be compressed."""
    rest = content[len(_KEYWORD) + 1 :]
    is_compressed, method = rest[:1] == b"\1", rest[1:2]
    parts = rest[2:].split(b"\0", 2)
    if len(parts) < 3 or rest[:1] not in (b"\0", b"\1") or method != b"\0":
        raise UnreadablePacketError("has XMP in a chunk that is broken")
    if not is_compressed:
        return parts[2]
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(parts[2], MAX_BYTES)
    except zlib.error as error:
        raise UnreadablePacketError("has XMP in a chunk that is broken") from error
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise UnreadablePacketError("has XMP in a chunk that is broken")
    return text
