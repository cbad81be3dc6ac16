"""Notes: what is to be said of a picture that was read; kept by number in the cache."""

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
