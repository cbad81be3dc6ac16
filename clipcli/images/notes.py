"""Notes: what is to be said of a picture that was read; kept by number in the cache.

The number is a byte: a note's in the lower half, the flags of ``origin`` in the upper.
"""

from __future__ import annotations

ENDLESS_JPEG, DAMAGED_PNG, RAW_PREVIEW = 1, 2, 3
NOTES = {
    0: "",
    ENDLESS_JPEG: "a JPEG without its end marker; all pixels are there",
    DAMAGED_PNG: "a PNG with a damaged part outside of its pixels; all pixels are there",
    RAW_PREVIEW: "a raw photograph, read by the camera's preview in it; "
    'the extra reads it in full: pip install "clipcli[raw]"',
}
DAMAGE = frozenset({ENDLESS_JPEG, DAMAGED_PNG})
_NOTE_BITS = 4


def with_origin(note: int, origin: int) -> int:
    """Return a note's number and a picture's origin as one number."""
    return note | origin << _NOTE_BITS


def note_of(number: int) -> str:
    """Return what is to be said, "" of most pictures."""
    return NOTES.get(number & ((1 << _NOTE_BITS) - 1), "")


def origin_of(number: int) -> int:
    """Return the flags of where a picture comes from."""
    return number >> _NOTE_BITS
