"""How much a file says about its picture: EXIF's entries, XMP and IPTC."""

from __future__ import annotations

import struct
from os import PathLike
from typing import BinaryIO

from clipcli.errors import ImageError
from clipcli.images.files import open_regular
from clipcli.images.kinds import HEAD_BYTES, JPEG, sniff
from clipcli.images.mending import segments
from clipcli.images.taken import exif_blocks

# Of EXIF's first directory (EXIF 3.0, 4.6.4, and XMP's and IPTC's tags): what is about the picture,
# not about how its pixels are stored.
_ABOUT = frozenset({270, 271, 272, 274, 305, 306, 315, 316, 700, 33432, 33723})
_EXIF_DIRECTORY, _GPS_DIRECTORY = 0x8769, 0x8825
_XMP, _IPTC = b"http://ns.adobe.com/xap/1.0/\0", b"Photoshop 3.0\0"
_JPEG_BYTES = 2**20


def n_metadata(path: str | PathLike[str]) -> int:
    """Count what a file says about its picture; 0 where it says nothing, or cannot be read.

    Each entry of EXIF counts one, and so do XMP and IPTC, whatever is in them.
    """
    try:
        with open_regular(path) as stream:
            n = sum(map(_n_tags, exif_blocks(stream)))
            stream.seek(0)
            return n + _n_packets(stream.read(_JPEG_BYTES))
    except (ImageError, OSError, ValueError, struct.error):
        return 0


def _n_tags(block: BinaryIO) -> int:
    from PIL.Image import Exif

    exif = Exif()
    try:
        exif.load_from_fp(block)
        n = len(_ABOUT.intersection(exif))
        return n + sum(len(exif.get_ifd(each)) for each in (_EXIF_DIRECTORY, _GPS_DIRECTORY))
    except Exception:  # whatever Pillow raises over what is broken: then it says nothing
        return 0


def _n_packets(content: bytes) -> int:
    if sniff(content[:HEAD_BYTES]) is not JPEG:
        return 0
    found = set()
    for marker, segment, _ in segments(content):
        if marker == 0xDA:  # pixels
            break
        if marker == 0xE1 and segment.startswith(_XMP):
            found.add(_XMP)
        elif marker == 0xED and segment.startswith(_IPTC):
            found.add(_IPTC)
    return len(found)
