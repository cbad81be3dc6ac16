"""TIFF directories: the few tags that tell what a TIFF really holds.

A TIFF is a container: a camera's raw file is one whose first picture is a thumbnail. Read within
bounds, before any decoder sees the file (TIFF 6.0, section 2; BigTIFF).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from clipcli.errors import several

SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
MAKE, SAMPLES, SUB_DIRECTORIES, SAMPLE_FORMAT, DNG_VERSION = 271, 277, 330, 339, 50706
ORIENTATION, STRIPS, STRIP_BYTES, JPEG, JPEG_BYTES = 274, 273, 279, 513, 514
DATE, EXIF_DIRECTORY, DATE_TAKEN, DATE_DIGITIZED = 306, 34665, 36867, 36868
PANASONIC_JPEG = 46  # holds the JPEG itself; here, where it begins, and its length
_WANTED = frozenset(
    {SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, MAKE, SAMPLES, SUB_DIRECTORIES}
    | {SAMPLE_FORMAT, DNG_VERSION, ORIENTATION, STRIPS, STRIP_BYTES, JPEG, JPEG_BYTES}
    | {DATE, EXIF_DIRECTORY, DATE_TAKEN, DATE_DIGITIZED}
)
_PACKED_AS_JPEG = frozenset({6, 7})  # compressions
# Bytes, characters, whole numbers, and offsets.
_TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_MAX_DIRECTORIES, _MAX_ENTRIES, _MAX_VALUES = 32, 4096, 64

_SENSOR = frozenset({32803, 34892})  # photometric: colour filter array, and linear raw
# Compressions that cameras alone write: Sony, Nikon, Samsung, Pentax, Kodak.
_RAW_COMPRESSIONS = frozenset({32767, 32769, 32770, 34713, 65000, 65535})
# What libtiff is usually built with: none, fax, LZW, JPEG, deflate, packed bits, LZMA, Zstandard.
UNPACKED = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32946, 34925, 50000})
_CANON = b"CR"  # at byte 8 of a CR2


@dataclass(frozen=True, slots=True)
class Directory:
    """One picture of a TIFF; tags with whole numbers that say what it is."""

    tags: dict[int, tuple[int, ...]] = field(default_factory=dict)
    page: int | None = None  # from 0; None for one that belongs to another

    def first(self, tag: int, otherwise: int) -> int:
        """Return the first value of a tag."""
        return self.tags.get(tag, (otherwise,))[0]

    @property
    def is_reduced(self) -> bool:
        """Whether this is a smaller version of another picture, by its own word."""
        return bool(self.first(SUBFILE, 0) & 1)

    def jpegs(self) -> Iterator[tuple[int, int]]:
        """Yield where whole JPEGs are, and how long: pictures, and what a sensor saw perhaps."""
        if {JPEG, JPEG_BYTES} <= self.tags.keys():
            yield self.tags[JPEG][0], self.tags[JPEG_BYTES][0]
        offsets, counts = self.tags.get(STRIPS, ()), self.tags.get(STRIP_BYTES, ())
        is_jpeg = self.first(COMPRESSION, 1) in _PACKED_AS_JPEG
        if is_jpeg and len(offsets) == len(counts) == 1:
            yield offsets[0], counts[0]
        if PANASONIC_JPEG in self.tags:
            begin, n_bytes = self.tags[PANASONIC_JPEG]
            yield begin, n_bytes


class _Layout(NamedTuple):
    """How numbers are written: byte order, and whether offsets have 64 bits."""

    order: str
    is_big: bool

    def unpack(self, form: str, content: bytes) -> tuple[int, ...]:
        return struct.unpack(self.order + form, content)


def read_directories(stream: BinaryIO) -> list[Directory]:
    """Return the pictures of a TIFF, those that belong to others after them.

    What is damaged is left out: whether the file can be decoded is for the decoder to say.
    """
    try:
        return list(_walk(stream))
    except (OSError, struct.error, ValueError, OverflowError):
        return []


def read_exif(stream: BinaryIO) -> dict[int, tuple[int, ...]]:
    """Return the tags of a TIFF's first directory, with those of the EXIF directory in it."""
    try:
        layout, first = _begin(stream)
        tags, _ = _read_directory(stream, first, layout)
        inner = tags.get(EXIF_DIRECTORY, ())
        return tags | (_read_directory(stream, inner[0], layout)[0] if inner else {})
    except (OSError, struct.error, ValueError, OverflowError):
        return {}


def is_raw(stream: BinaryIO) -> bool:
    """Say whether an open TIFF is a camera's raw photograph, by what is in it."""
    stream.seek(8)
    if stream.read(2) == _CANON:
        return True
    directories = read_directories(stream)
    if directories and all(each.is_reduced for each in directories):
        # What the thumbnail belongs to is where only the camera's maker finds it.
        return MAKE in directories[0].tags
    return any(
        DNG_VERSION in each.tags
        or each.first(PHOTOMETRIC, 0) in _SENSOR
        or each.first(COMPRESSION, 1) in _RAW_COMPRESSIONS
        for each in directories
    )


def is_big_motorola(stream: BinaryIO) -> bool:
    """Say whether an open TIFF is of the one layout that Pillow takes for another."""
    stream.seek(0)
    return stream.read(4) == b"MM\0\x2b"


def compressions(stream: BinaryIO) -> set[int]:
    """Return how the pictures of an open TIFF are packed."""
    return {each.first(COMPRESSION, 1) for each in read_directories(stream)}


def first_full_page(stream: BinaryIO) -> int:
    """Return the first page that is no thumbnail of another; the first of all if all are."""
    pages = [each.page for each in read_directories(stream) if not each.is_reduced]
    return next((page for page in pages if page is not None), 0)


def _begin(stream: BinaryIO) -> tuple[_Layout, int]:
    """Return how a TIFF is written, and where its first directory is."""
    stream.seek(0)
    head = stream.read(16)
    layout = _Layout("<" if head[:1] == b"I" else ">", is_big=43 in head[2:4])
    first = layout.unpack("Q", head[8:16]) if layout.is_big else layout.unpack("I", head[4:8])
    return layout, first[0]


def _walk(stream: BinaryIO) -> Iterator[Directory]:
    layout, first = _begin(stream)
    waiting: list[tuple[int, bool]] = [(first, True)]  # offsets, and whether they are pages
    seen: set[int] = set()
    n_pages = 0
    while waiting and len(seen) < _MAX_DIRECTORIES:
        at, is_page = waiting.pop(0)
        if at == 0 or at in seen:
            continue
        seen.add(at)
        tags, following = _read_directory(stream, at, layout)
        yield Directory(tags, n_pages if is_page else None)
        n_pages += is_page
        others = [(each, False) for each in tags.get(SUB_DIRECTORIES, ())]
        waiting = [*([(following, True)] if is_page else ()), *waiting, *others]


def _read_directory(
    stream: BinaryIO, at: int, layout: _Layout
) -> tuple[dict[int, tuple[int, ...]], int]:
    """Return the tags of the directory there, and where the next page's is."""
    count_form, entry_bytes, offset_form = ("Q", 20, "Q") if layout.is_big else ("H", 12, "I")
    stream.seek(at)
    n_entries = layout.unpack(count_form, stream.read(struct.calcsize("=" + count_form)))[0]
    entries = stream.read(entry_bytes * min(n_entries, _MAX_ENTRIES))
    offset = stream.read(struct.calcsize("=" + offset_form)) if n_entries <= _MAX_ENTRIES else b""
    tags: dict[int, tuple[int, ...]] = {}
    for start in range(0, len(entries) - entry_bytes + 1, entry_bytes):
        tag, kind = layout.unpack("HH", entries[start : start + 4])
        if tag == PANASONIC_JPEG:
            count, place = layout.unpack(offset_form * 2, entries[start + 4 : start + entry_bytes])
            tags[tag] = (place, count)
        if tag in _WANTED and kind in _TYPES:
            values = _values(stream, entries[start + 4 : start + entry_bytes], kind, layout)
            if values:
                tags[tag] = values
    is_whole = len(offset) == struct.calcsize("=" + offset_form)
    return tags, layout.unpack(offset_form, offset)[0] if is_whole else 0


def _values(stream: BinaryIO, rest: bytes, kind: int, layout: _Layout) -> tuple[int, ...]:
    """Return an entry's numbers: they are in it, or where it points to."""
    half = len(rest) // 2
    form = "Q" if layout.is_big else "I"
    count = min(layout.unpack(form, rest[:half])[0], _MAX_VALUES)
    n_bytes = count * struct.calcsize("=" + _TYPES[kind])
    content = rest[half : half + n_bytes]
    if n_bytes > half:
        stream.seek(layout.unpack(form, rest[half:])[0])
        content = stream.read(n_bytes)
    if len(content) < n_bytes:
        return ()
    return layout.unpack(f"{count}{_TYPES[kind]}", content)


def describe(stream: BinaryIO) -> str:
    """Say in a few words what an open TIFF's first picture consists of; "" if nobody can."""
    directories = read_directories(stream)
    if not directories or WIDTH not in directories[0].tags:
        return ""
    first = directories[0]
    bits = first.tags.get(BITS, (1,))
    n_samples = first.first(SAMPLES, len(bits))
    forms = {2: "signed ", 3: "floating-point "}
    form = forms.get(first.first(SAMPLE_FORMAT, 1), "")
    bands = "one band" if n_samples == 1 else f"{n_samples} bands"
    compression = first.first(COMPRESSION, 1)
    packed = "" if compression in UNPACKED else f", compression {compression}"
    return f"{bands} of {form}{several(bits[0], 'bit')}{packed}"
