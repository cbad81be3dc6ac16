"""What is kept of pictures between runs: boxes by question, and what a model saw before one.

Boxes let a run that broke off go on where it was. Models that do not fuse picture and text also
leave what they saw, so that another question does not look again; it is large, so it fills no more
than half of the cache.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipcli.cache.kept_bytes import ByteFacts, KeptBytes
from clipcli.encoder.locator import Boxes, Sight

if TYPE_CHECKING:
    from clipcli.cache.image_cache import ImageCache

BOXES_HEAD = struct.Struct("<III")  # width, height, boxes
SIGHT_HEAD = struct.Struct("<IIIIII")  # width and height, in full and as seen; places, numbers
SIGHT_SHARE = 0.5  # of the cache's limit
PLACE_NUMBERS = 6


@dataclass(frozen=True, slots=True)
class Answer:
    """Boxes of a picture, in its pixels in full."""

    width: int
    height: int
    boxes: Boxes


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model saw in a picture, and the picture's size in full."""

    width: int
    height: int
    sight: Sight


class Memory:
    """The boxes, and perhaps the sights, of one model and one question."""

    def __init__(self, cache: ImageCache, boxes: ByteFacts, sights: ByteFacts | None) -> None:
        self._cache = cache
        self._boxes = KeptBytes(cache, boxes)
        self._sights = KeptBytes(cache, sights, share=SIGHT_SHARE) if sights else None
        self._exact = boxes.exact

    @property
    def is_off(self) -> bool:
        """Whether nothing is kept."""
        return self._boxes.is_off

    def close(self) -> None:
        """Let go of the store."""
        self._cache.close()

    def answer(self, content: bytes, max_pixels: int) -> Answer | None:
        """Return the boxes of a picture by its hash."""
        payload = self._boxes.get(content, max_pixels)
        return unpack_answer(payload) if payload is not None else None

    def keep_answer(self, content: bytes, answer: Answer) -> None:
        """Keep a picture's boxes."""
        n_pixels = answer.width * answer.height
        self._boxes.keep(content, pack_answer(answer), n_pixels)

    def seen(self, content: bytes, max_pixels: int) -> Seen | None:
        """Return what a model saw in a picture by its hash."""
        payload = self._sights.get(content, max_pixels) if self._sights else None
        return unpack_seen(payload) if payload is not None else None

    def keep_seen(self, content: bytes | None, seen: Seen) -> Seen:
        """Keep what a model saw, and return it as it will come back."""
        payload = pack_seen(seen, exact=self._exact)
        if self._sights is not None and content is not None:
            self._sights.keep(content, payload, seen.width * seen.height)
        return unpack_seen(payload)


def pack_answer(answer: Answer) -> bytes:
    """Return boxes as bytes."""
    boxes = answer.boxes
    head = BOXES_HEAD.pack(answer.width, answer.height, len(boxes.scores))
    arrays = (boxes.corners.astype("<f4"), boxes.scores.astype("<f4"), boxes.phrases.astype("<i4"))
    return head + b"".join(array.tobytes() for array in arrays)


def unpack_answer(payload: bytes) -> Answer:
    """Return what :func:`pack_answer` was given."""
    import numpy as np

    width, height, n = BOXES_HEAD.unpack_from(payload)
    start = BOXES_HEAD.size
    numbers = np.frombuffer(payload, "<f4", 5 * n, start).astype(np.float32)
    phrases = np.frombuffer(payload, "<i4", n, start + 20 * n).astype(np.intp)
    return Answer(width, height, Boxes(numbers[: 4 * n].reshape(n, 4), numbers[4 * n :], phrases))


def pack_seen(seen: Seen, *, exact: bool) -> bytes:
    """Return a sight as bytes; its rows are rounded to 16 bits, unless ``exact``."""
    sight = seen.sight
    n, d = sight.rows.shape
    head = SIGHT_HEAD.pack(seen.width, seen.height, sight.width, sight.height, n, d)
    rows = sight.rows.astype("<f4" if exact else "<f2")
    return head + sight.places.astype("<f4").tobytes() + rows.tobytes()


def unpack_seen(payload: bytes) -> Seen:
    """Return what :func:`pack_seen` was given, rounded."""
    import numpy as np

    width, height, sight_width, sight_height, n, d = SIGHT_HEAD.unpack_from(payload)
    start = SIGHT_HEAD.size
    places = np.frombuffer(payload, "<f4", PLACE_NUMBERS * n, start).astype(np.float32)
    start += places.nbytes
    kind = "<f4" if len(payload) - start == 4 * n * d else "<f2"
    rows = np.frombuffer(payload, kind, n * d, start).astype(np.float32)
    sight = Sight(rows.reshape(n, d), places.reshape(n, -1), sight_width, sight_height)
    return Seen(width, height, sight)
