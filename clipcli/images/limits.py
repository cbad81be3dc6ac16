"""What a picture may ask of its decoder: scans, tiles, tags, comments, time.

A header that fits the limit of pixels says nothing about the work behind it. Each of these was a
file of a few kilobytes that kept a core busy for half a minute, or took a gigabyte.
"""

from __future__ import annotations

import io
import re
import time
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

from clipcli.errors import ImageError
from clipcli.images.kinds import JPEG, PPM, TIFF, Kind

if TYPE_CHECKING:
    from PIL.Image import Image

# Of the processor, for this picture alone: neither a slow disk nor a busy machine counts.
LEAST_S = 5.0
PIXELS_PER_S = 10_000_000  # the slowest of our decoders, JPEG 2000, does twice as many
USUAL_SCANS = 12  # cameras and programs write 10
SCANNED_PIXELS = 1_000_000_000  # of all scans together, a second of work
SCAN_BYTES = 64 * 2**20  # looked at; a longer progressive JPEG is a large one
TILE_PIXELS = 2048 * 2048  # that any picture may have; a larger one may have four times its own
# A larger picture has something in it: an empty page of a fax, in strips, has a byte for every
# 12,000 pixels, and a file that has less only asks for memory.
LARGE_PIXELS = 32_000_000
PIXELS_PER_BYTE = 20_000
MAX_TAGS = 4096
MAX_PAGES = 32  # of a TIFF, looked at before one of them is chosen
MAX_COMMENTS = 1000
HEADER_BYTES = 2**16  # of a PPM, comments included

_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")  # not zero (data), not 0xD0-0xD7 (restarts)
_PPM_HEADER = re.compile(rb"P[1-6f](?:\s+|#[^\r\n]*[\r\n])*\d+(?:(?:\s+|#[^\r\n]*[\r\n])+\d+)")
# Bytes of a value by its type; the last three are BigTIFF's.
_SIZES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_TILE_WIDTH, _TILE_LENGTH = 322, 323


class Watched:
    """An open file whose reader has so much time; each read looks at the clock."""

    def __init__(self, stream: BinaryIO, kind: Kind) -> None:
        self._stream, self._kind = stream, kind
        self._begin_s, self.seconds = time.thread_time(), LEAST_S

    def allow_for(self, size: tuple[int, int]) -> None:
        """Give the time that so many pixels may take."""
        self.seconds = LEAST_S + size[0] * size[1] / PIXELS_PER_S

    def read(self, *n_bytes: int) -> bytes:
        """Read on, or raise :class:`ImageError` where the time is up."""
        if time.thread_time() - self._begin_s > self.seconds:
            raise ImageError(f"{self._kind.name} takes more than {self.seconds:.0f} s to decode")
        return self._stream.read(*n_bytes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def watched(stream: BinaryIO, kind: Kind) -> tuple[BinaryIO, Watched]:
    """Return a file to decode from, after a look at what it will ask for; twice the same object.

    Raises
    ------
    ImageError
        If decoding it would take far more than its pixels are worth.
    """
    check = {JPEG: _check_scans, TIFF: _check_directory, PPM: _check_comments}.get(kind)
    if check is not None:
        stream.seek(0)
        check(stream)
        stream.seek(0)
    watch = Watched(stream, kind)
    return cast("BinaryIO", watch), watch


def check_tiles(image: Image) -> None:
    """Refuse tiles that are larger than the picture that they make up."""
    tags = getattr(image, "tag_v2", {})
    width, length = tags.get(_TILE_WIDTH, 0), tags.get(_TILE_LENGTH, 0)
    if not isinstance(width, int) or not isinstance(length, int):
        raise ImageError("broken TIFF: tiles without a size", is_lasting=True)
    if width * length > max(TILE_PIXELS, 4 * image.size[0] * image.size[1]):
        raise ImageError(
            f"broken TIFF: tiles of {width} x {length} pixels in a picture of "
            f"{image.size[0]} x {image.size[1]}",
            is_lasting=True,
        )


def check_content(image: Image, n_bytes: int) -> None:
    """Refuse a large picture of which hardly anything is in the file, or in its frame."""
    width, height = image.size
    n_pixels = width * height
    if n_pixels > LARGE_PIXELS and n_pixels > PIXELS_PER_BYTE * n_bytes:
        raise ImageError(
            f"{width} x {height} pixels out of {n_bytes:,} bytes: there is nothing in it",
            is_lasting=True,
        )
    if image.format == "GIF":
        tiles: list[Any] = getattr(image, "tile", [])
        left, top, right, bottom = tiles[0].extents if tiles else (0, 0, 0, 0)
        if n_pixels > max(TILE_PIXELS, 4 * (right - left) * (bottom - top)):
            raise ImageError(
                f"broken GIF: a screen of {width} x {height} pixels for a picture of "
                f"{right - left} x {bottom - top}",
                is_lasting=True,
            )


def _check_scans(stream: BinaryIO) -> None:
    """Count a JPEG's scans (ITU T.81, B.2): each goes over all of its pixels."""
    content = stream.read(HEADER_BYTES)
    position, n_scans, n_pixels = 2, 0, 0
    while found := _MARKER.search(content, position):
        kind, position = content[found.start() + 1], found.end()
        if kind == 0xD9:
            return
        if len(content) < position + 20 and len(content) < SCAN_BYTES:
            more = stream.read(SCAN_BYTES - len(content))
            content += more
        length = int.from_bytes(content[position : position + 2], "big")
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):  # the frame's header
            height, width = (
                int.from_bytes(content[position + skip : position + skip + 2], "big")
                for skip in (3, 5)
            )
            n_pixels, is_progressive = width * height, kind in (0xC2, 0xC6, 0xCA, 0xCE)
            n_components = content[position + 7] if len(content) > position + 7 else 0
        elif kind == 0xDA:
            n_scans += 1
            in_scan = content[position + 2] if len(content) > position + 2 else 0
            if n_scans == 1 and n_pixels and not is_progressive and in_scan >= n_components:
                return  # all there is in one scan: whatever follows is not read
            if n_scans == 1 and len(content) < SCAN_BYTES:
                content += stream.read(SCAN_BYTES - len(content))
        position += length
        if n_scans > USUAL_SCANS and n_scans * n_pixels > SCANNED_PIXELS:
            raise ImageError(f"JPEG of more than {n_scans - 1} scans", is_lasting=True)


def _check_directory(stream: BinaryIO) -> None:
    """Look at a TIFF's directories: how many tags, and how much they claim to hold."""
    n_bytes = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    head = stream.read(16)
    order: Literal["little", "big"] = "little" if head[:1] == b"I" else "big"
    is_large = head[2:4] in (b"+\0", b"\0+")
    width, entry_bytes = (8, 20) if is_large else (4, 12)  # of an offset, of an entry
    at = int.from_bytes(head[8:16] if is_large else head[4:8], order)
    for _ in range(MAX_PAGES):
        stream.seek(min(at, n_bytes))
        n_tags = int.from_bytes(stream.read(8 if is_large else 2), order)
        if n_tags > MAX_TAGS:
            raise ImageError(f"broken TIFF: a directory of {n_tags:,} tags", is_lasting=True)
        directory = stream.read(n_tags * entry_bytes)
        claimed = 0
        for begin in range(0, len(directory) - entry_bytes + 1, entry_bytes):
            _, kind, count = (
                int.from_bytes(directory[begin + skip :][:n], order)
                for skip, n in ((0, 2), (2, 2), (4, width))
            )
            claimed += _SIZES.get(kind, 1) * count
        if claimed > n_bytes + HEADER_BYTES:
            raise ImageError("broken TIFF: its tags hold more than the file", is_lasting=True)
        at = int.from_bytes(stream.read(width), order)
        if not at:
            return


def _check_comments(stream: BinaryIO) -> None:
    """Bound a PPM's comments: each is cut out of a block of a megabyte, which is copied."""
    head = stream.read(HEADER_BYTES)
    if not _PPM_HEADER.match(head):
        raise ImageError("broken PPM: no usable size in its header", is_lasting=True)
    is_plain, n_comments = head[1:2] in b"123", head.count(b"#")
    while is_plain and n_comments <= MAX_COMMENTS and (block := stream.read(2**20)):
        n_comments += block.count(b"#")
    if is_plain and n_comments > MAX_COMMENTS:
        raise ImageError(f"PPM of more than {MAX_COMMENTS:,} comments", is_lasting=True)
