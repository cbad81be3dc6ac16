"""Arithmetic on boxes: overlaps, and dropping those that say the same twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Boxes of two words of a label that overlap by more are one thing, also where a model's boxes are
# otherwise all kept.
SAME_THING = 0.7


def overlaps(
    box: NDArray[np.float32], others: NDArray[np.float32], *, extra: float = 0.0
) -> NDArray[np.float32]:
    """Return the intersection over union of one box (4,) with others (n, 4): (n,).

    ``extra`` is added to every width and height: 1 counts corners as whole pixels, as detectors
    that stem from Caffe do.
    """
    import numpy as np

    common = _common(box, others, extra)
    area = (box[2:] - box[:2] + extra).prod()
    areas = (others[:, 2:] - others[:, :2] + extra).prod(axis=1)  # (n,)
    union = area + areas - common
    shares: NDArray[np.float32] = np.divide(
        common, union, out=np.zeros_like(common), where=union > 0
    )
    return shares


def shares_within(box: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how much of each other's area (n, 4) lies within one box (4,): (n,)."""
    import numpy as np

    common = _common(box, others)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)  # (n,)
    shares: NDArray[np.float32] = np.divide(
        common, areas, out=np.zeros_like(common), where=areas > 0
    )
    return shares


def suppress(
    corners: NDArray[np.float32],
    scores: NDArray[np.float32],
    classes: NDArray[np.intp],
    limit: float,
    *,
    extra: float = 0.0,
    inside: float = 1.0,
    words: NDArray[np.intp] | None = None,
    across: float = 1.0,
) -> NDArray[np.intp]:
    """Drop boxes that overlap a better one of their class by more than ``limit``.

    Parameters
    ----------
    corners
        (n, 4) left, top, right, bottom.
    scores, classes
        (n,) each.
    limit
        Intersection over union; 1 keeps all.
    extra
        See :func:`overlaps`.
    inside
        Drop those as well of which more than this share lies within a better one.
    words, across
        (n,) which word of its class found a box: those of different words are dropped beyond
        ``across`` already, for they are one thing found again.

    Returns
    -------
    numpy.ndarray
        Indices of those that stay, (m,), best first; ties keep their order.
    """
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    if limit >= 1 and words is None:
        return order
    kept: list[int] = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        same = classes[rest] == classes[best]
        shares = overlaps(corners[best], corners[rest], extra=extra)
        again = shares > limit
        if inside < 1:
            again |= shares_within(corners[best], corners[rest]) > inside
        if words is not None:
            again |= (words[rest] != words[best]) & (shares > across)
        order = rest[~(same & again)]
    return np.array(kept, dtype=np.intp)


def suppress_words(
    corners: NDArray[np.float32],
    scores: NDArray[np.float32],
    words: NDArray[np.intp],
    owners: Sequence[int],
    limit: float,
    *,
    extra: float = 0.0,
) -> NDArray[np.intp]:
    """Drop boxes as :func:`suppress` does, where several words are of one label.

    ``words`` says which word found a box, (n,), and ``owners`` whose each word is; without owners
    each is a label by itself. Boxes of all words of a label compete, and what two of them found is
    one thing.
    """
    import numpy as np

    if not owners:
        return suppress(corners, scores, words, limit, extra=extra)
    labels = np.array(owners, np.intp)[words]  # (n,)
    across = min(limit, SAME_THING)
    return suppress(corners, scores, labels, limit, extra=extra, words=words, across=across)


def _common(
    box: NDArray[np.float32], others: NDArray[np.float32], extra: float = 0.0
) -> NDArray[np.float32]:
    """Return the area that a box (4,) has in common with each other (n, 4): (n,)."""
    import numpy as np

    left_top = np.maximum(box[:2], others[:, :2])  # (n, 2)
    right_bottom = np.minimum(box[2:], others[:, 2:])  # (n, 2)
    common: NDArray[np.float32] = np.maximum(right_bottom - left_top + extra, 0).prod(axis=1)
    return common
