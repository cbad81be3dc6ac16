"""What a page carries so that its pictures can be reviewed: hashes, dates, labels, small vectors.

Vectors are for "all like this": at most 64 numbers of one byte each a picture, the directions in
which the page's pictures differ most, and only on pages of up to 20,000 pictures (1.7 MB).
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipcli.files import content_sha256
from clipcli.images.taken import taken_on
from clipcli.pipeline.reviewed import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

VECTORS = 20_000  # pictures on a page; of more there are none
DIRECTIONS = 64  # kept of each vector
LEAST = 1e-9  # length of a vector that points somewhere
ID_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Review:
    """What can be said of a page's pictures."""

    labels: tuple[str, ...] = ()  # to choose from; none: pictures are accepted or rejected
    first_order: int = 0  # the order that the page opens in
    is_begun: bool = False  # it opens in review


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What is to be known of a file besides its pixels."""

    sha256: str
    n_bytes: int
    taken: str  # by the camera's clock; "" where it does not say


def facts_of(path: str) -> PictureFacts | None:
    """Return a file's facts; None for what is no file of its own, or is gone."""
    try:
        sha256, n_bytes = content_sha256(path), os.stat(path).st_size  # noqa: PTH116 - any path
    except (OSError, ValueError):
        return None
    taken = taken_on(path)
    return PictureFacts(sha256, n_bytes, taken.isoformat(" ", "minutes") if taken else "")


class PageContents:
    """Gathers, while cards are written, what all of them make together: an id, and vectors."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256(b"clipcli page 1\n")
        self._rows: list[NDArray[np.float16] | None] = []

    def add(self, card: Mapping[str, Any], vector: NDArray[np.floating[Any]] | None) -> None:
        """Take in a card as it is written, and its picture's vector (d,)."""
        import numpy as np

        for key in ("name", "sha256", "title"):
            text = str(card.get(key, "")).encode("utf-8", "replace")
            self._digest.update(len(text).to_bytes(8, "big") + text)
        # Past the limit none is kept: memory does not grow with the pictures.
        is_kept = vector is not None and len(self._rows) < VECTORS
        self._rows.append(np.asarray(vector, np.float16) if is_kept else None)
        if len(self._rows) == VECTORS + 1:
            self._rows = [None] * len(self._rows)

    def data(self, review: Review | None) -> dict[str, Any] | None:
        """Return what the page's script wants to know, as JSON data."""
        if review is None:
            return None
        return {
            "version": VERSION,
            "id": self._digest.hexdigest()[:ID_CHARACTERS],
            "labels": list(review.labels),
            "begun": review.is_begun,
            "vectors": quantised(self._rows),
        }


def quantised(rows: Sequence[NDArray[np.float16] | None]) -> dict[str, Any] | None:
    """Return rows (d,) as base64 of int8 (n, k), unit rows times 127; zeros where there is none.

    They are centred and turned into the k directions of most variance (principal components), so
    that k <= 64 numbers keep what tells these pictures apart.
    """
    import numpy as np

    places = [i for i, row in enumerate(rows) if row is not None]
    if len(places) < 2 or len(rows) > VECTORS:
        return None
    kept = np.stack([row for row in rows if row is not None]).astype(np.float32)  # (m, d)
    kept -= kept.mean(axis=0)
    _, directions = np.linalg.eigh(kept.T @ kept)  # (d, d), least variance first
    turned = kept @ directions[:, ::-1][:, :DIRECTIONS]  # (m, k)
    lengths = np.linalg.norm(turned, axis=1, keepdims=True)
    units = turned / np.maximum(lengths, LEAST)
    numbers = np.zeros((len(rows), units.shape[1]), np.int8)
    numbers[places] = np.round(units * 127)
    return {
        "size": units.shape[1],
        "data": base64.b64encode(numbers.tobytes()).decode("ascii"),
    }
