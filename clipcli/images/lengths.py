"""How long a file should be by its own headers: to call a cut file cut.

Decoders of the newer formats only say that something is wrong. Asked after a failure, never
before: a decoder that manages without the rest is right.
"""

from __future__ import annotations

import io
from typing import BinaryIO

from clipcli.images.kinds import AVIF, HEIF, JPEG_2000, TIFF, WEBP, Kind

_MAX_BOXES = 1000  # at the top of a file; real ones have a handful


def is_cut_short(stream: BinaryIO, kind: Kind) -> bool:
    """Say whether a file's own headers speak of bytes beyond its end."""
    n_bytes = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    head = stream.read(8)
    if len(head) < 8:
        return True
    if kind is WEBP:
        return 8 + int.from_bytes(head[4:8], "little") > n_bytes
    if kind is TIFF:
        first_directory = int.from_bytes(head[4:8], "little" if head[:1] == b"I" else "big")
        return first_directory > n_bytes  # BigTIFF has a small constant here
    if kind in (AVIF, HEIF, JPEG_2000):
        return _boxes_end(stream, n_bytes) > n_bytes
    return False


def _boxes_end(stream: BinaryIO, n_bytes: int) -> int:
    """Return where the last top-level box ends (ISO/IEC 14496-12, section 4.2)."""
    start = 0
    for _ in range(_MAX_BOXES):
        stream.seek(start)
        header = stream.read(16)
        size = int.from_bytes(header[:4], "big")
        if size == 1:  # the size is in the next eight bytes
            size = int.from_bytes(header[8:16], "big")
        if len(header) < 8 or size < 8:  # no box; 0 means up to the end
            break
        start += size
        if start >= n_bytes:
            break
    return start
