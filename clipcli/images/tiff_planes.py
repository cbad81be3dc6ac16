"""Planes of packed 16-bit colours, each as a TIFF of its own.

libtiff gives Pillow the planes of a packed TIFF one after the other, and Pillow keeps the upper
byte of each number. A plane that is alone is a grey picture, of which it keeps all 16 bits.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, BinaryIO

from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COMPRESSION,
    IMAGELENGTH,
    IMAGEWIDTH,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    PREDICTOR,
    ROWSPERSTRIP,
    SAMPLESPERPIXEL,
    STRIPBYTECOUNTS,
    STRIPOFFSETS,
    TILELENGTH,
    TILEOFFSETS,
    TILEWIDTH,
    TiffImageFile,
)

from clipcli.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_TILE_BYTE_COUNTS, _FILL_ORDER, _ORIENTATION = 325, 266, 274
_KEPT = (
    *(IMAGEWIDTH, IMAGELENGTH, COMPRESSION, _FILL_ORDER, _ORIENTATION, ROWSPERSTRIP, PREDICTOR),
    *(TILEWIDTH, TILELENGTH),
)
_ALONE = {BITSPERSAMPLE: 16, PHOTOMETRIC_INTERPRETATION: 1, SAMPLESPERPIXEL: 1}
_HEADER_BYTES, _ENTRY_BYTES, _LONG = 8, 12, 4


def planes_of(image: TiffImageFile, stream: BinaryIO) -> Iterator[bytes]:
    """Yield the planes of a picture, each the content of a TIFF of one 16-bit band.

    Raises
    ------
    ImageError
        If the pieces are not where they should be.
    """
    tags, n_bytes = image.tag_v2, stream.seek(0, io.SEEK_END)
    offset_tag, count_tag = (
        (TILEOFFSETS, _TILE_BYTE_COUNTS) if TILEOFFSETS in tags else (STRIPOFFSETS, STRIPBYTECOUNTS)
    )
    offsets, counts = tags.get(offset_tag, ()), tags.get(count_tag, ())
    n_planes = tags[SAMPLESPERPIXEL]
    n_pieces = len(offsets) // n_planes
    # What lies in several places at once is no picture, and would be read once for each.
    if len(counts) != len(offsets) or n_pieces * n_planes != len(offsets) or sum(counts) > n_bytes:
        raise ImageError("broken TIFF: its planes are not whole", is_lasting=True)
    kept = {tag: tags[tag] for tag in _KEPT if tag in tags}
    for first in range(0, len(offsets), n_pieces):
        pieces = []
        for offset, count in zip(
            offsets[first : first + n_pieces], counts[first : first + n_pieces], strict=True
        ):
            stream.seek(offset)
            pieces.append(stream.read(count))
        yield _tiff(pieces, {**kept, **_ALONE}, (offset_tag, count_tag), tags.prefix)


def is_in_packed_planes(image: TiffImageFile) -> bool:
    """Say whether libtiff unpacks the picture plane by plane."""
    return bool(image.use_load_libtiff) and image.tag_v2.get(PLANAR_CONFIGURATION) == 2


def _tiff(
    pieces: Sequence[bytes], tags: Mapping[int, int], piece_tags: tuple[int, int], prefix: bytes
) -> bytes:
    """Return a TIFF of these strips or tiles; all numbers in it are of 32 bits."""
    order = "<" if prefix == b"II" else ">"
    offsets, at = [], _HEADER_BYTES
    for piece in pieces:
        offsets.append(at)
        at += len(piece)
    at += at % 2
    numbers = {tag: [value] for tag, value in tags.items()}
    numbers |= zip(piece_tags, (offsets, [len(piece) for piece in pieces]), strict=True)
    directory, beyond = struct.pack(order + "H", len(numbers)), b""
    beyond_at = at + len(directory) + _ENTRY_BYTES * len(numbers) + _LONG
    for tag, values in sorted(numbers.items()):
        content = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            beyond += content
            content = struct.pack(order + "I", beyond_at + len(beyond) - len(content))
        directory += struct.pack(order + "HHI", tag, _LONG, len(values)) + content
    head = prefix + struct.pack(order + "HI", 42, at)
    return b"".join([head, *pieces]).ljust(at, b"\0") + directory + bytes(_LONG) + beyond
