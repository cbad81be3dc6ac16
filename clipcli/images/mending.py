"""Damage that costs no pixel: a JPEG without its end, a PNG with a wrong checksum.

Viewers show such pictures, decoders refuse them. They are read here if it is certain that all
pixels are there, and the result says so.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from clipcli.images.kinds import JPEG, PNG, Kind
from clipcli.images.notes import DAMAGED_PNG, ENDLESS_JPEG

_MAX_BYTES = 64 * 2**20  # a larger damaged file is refused
_TAIL_BYTES = 32
_END_OF_JPEG = b"\xff\xd9"
# Codes of many lengths; if the picture is whole, a decoder passes over them.
_FILLING = bytes(range(1, 250)) * 8
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXEL_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT"})  # tRNS is which pixels are seen
_KEPT_CHUNKS = _PIXEL_CHUNKS | {b"eXIf", b"gAMA", b"sBIT"}


class Mended(NamedTuple):
    """The bytes of a picture that a decoder will take, and what was wrong (``notes``)."""

    content: bytes
    note_number: int


def mend(kind: Kind, stream: BinaryIO, pixels_of: Callable[[bytes], bytes]) -> Mended | None:
    """Return a damaged picture made whole, or None where pixels are missing or may be.

    Parameters
    ----------
    stream
        The file that a decoder refused.
    pixels_of
        Decodes a file's bytes in full; whatever it raises means that they cannot be.
    """
    if kind not in (JPEG, PNG):
        return None
    stream.seek(0)
    content = stream.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        return None
    return _mend_png(content) if kind is PNG else _mend_jpeg(content, pixels_of)


def is_filled_up(stream: BinaryIO) -> bool:
    """Say whether an open JPEG has zeros in place of its end, as a broken-off download may.

    Subtle: zeros are data to a decoder, which makes grey of them and does not complain.
    """
    n_bytes = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, n_bytes - _TAIL_BYTES))
    if stream.read(_TAIL_BYTES).strip(b"\0"):
        return False
    stream.seek(0)
    content = stream.read(_MAX_BYTES)
    data_at = next((at for marker, _, at in segments(content) if marker == 0xDA), len(content))
    return content.find(_END_OF_JPEG, data_at) < 0


def _mend_jpeg(content: bytes, pixels_of: Callable[[bytes], bytes]) -> Mended | None:
    """Add the end marker, if nothing else is missing.

    Subtle: where data is missing, a decoder goes on with zeros, and the last blocks are grey. With
    other bytes in their place the pixels become others, too; if not, no data is missing.
    """
    body = content.rstrip(b"\xff\0")
    if b"\xff\xc2" in body[:65536] and not _has_all_scans(body):
        return None
    ended = body + _END_OF_JPEG
    # A stop in the middle of the last byte's bits is shown by all three.
    others = (body + _FILLING + _END_OF_JPEG, body + bytes(64) + _END_OF_JPEG)
    try:
        pixels = pixels_of(ended)
        is_whole = all(pixels_of(other) == pixels for other in others)
    except Exception:  # it lacks more than its end
        return None
    return Mended(ended, ENDLESS_JPEG) if is_whole else None


def _has_all_scans(content: bytes) -> bool:
    """Say whether a progressive JPEG's scans reach the last bit of all coefficients.

    Where whole scans are missing the picture is only blurred, and no decoder complains
    (ITU-T T.81, section G.1.1).
    """
    refined: dict[int, set[int]] = {}  # by component: coefficients whose lowest bit was sent
    n_components = 0
    for marker, segment, _ in segments(content):
        if marker == 0xC2:
            n_components = segment[5]
        elif marker == 0xDA:
            n = segment[0]
            start, end, low_bit = segment[1 + 2 * n], segment[2 + 2 * n], segment[3 + 2 * n] & 15
            for component in segment[1 : 1 + 2 * n : 2] if low_bit == 0 else b"":
                refined.setdefault(component, set()).update(range(start, end + 1))
    return len(refined) == n_components and all(len(each) == 64 for each in refined.values())


def segments(content: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield the markers of a JPEG that have a segment, what is in it, and where it ends."""
    at = 2
    while (at := content.find(b"\xff", at)) >= 0 and at + 4 <= len(content):
        marker = content[at + 1]
        if marker in (0x00, 0xFF) or 0xD0 <= marker <= 0xD9:  # data, filling, or without a segment
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        segment = content[at + 4 : at + 2 + length]
        if len(segment) < length - 2 or length < 2:
            return
        at += 2 + length
        yield marker, segment, at


def _mend_png(content: bytes) -> Mended | None:
    """Leave out what is not needed for the pixels, if all that is needed is sound."""
    kept = [_PNG_SIGNATURE]
    for name, data, is_sound in chunks(content):
        if not is_sound and name in _PIXEL_CHUNKS:
            return None
        if is_sound and name in _KEPT_CHUNKS:
            kept.append(_chunk(name, data))
    kept.append(_chunk(b"IEND", b""))
    return Mended(b"".join(kept), DAMAGED_PNG)


def chunks(content: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yield the chunks of a PNG, and whether each is whole and its checksum right."""
    stream = io.BytesIO(content[len(_PNG_SIGNATURE) :])
    while head := stream.read(8):
        length, name = int.from_bytes(head[:4], "big"), head[4:8]
        data, check = stream.read(length), stream.read(4)
        is_whole = len(data) == length and len(check) == 4
        yield name, data, is_whole and zlib.crc32(name + data) == int.from_bytes(check, "big")
        if name == b"IEND" or not is_whole:
            return


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
