"""Prints: what copies of a picture have in common, as vectors of length one.

A print is how the greys change from each cell of a grid to the next; the changes and not the
greys, since half of all landscapes are bright above and dark below. It starts from miniatures,
which are square, whatever the picture: (n, s, s).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_CONTRAST = 4.0  # of 255: without any, every print looks like every other
LEAST_LENGTH = 1e-6  # keeps what is flat at zero
MINIATURE_CELLS = 48  # along a side: three to one of the prints that are compared

Part = tuple[float, float]  # of a side: where it begins and ends, of 1
WHOLE: Part = (0.0, 1.0)


def miniature_of(greys: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return means (s, s) of greys (h, w) in equal cells, to the fraction of a pixel.

    Pillow's box filter counts each pixel in one cell alone, which makes foliage another picture
    after a cut.
    """
    down, across = map(_cells_of_a_side, greys.shape)
    return np.rint(down @ greys @ across.T).astype(np.uint8)


@lru_cache(maxsize=64)  # pictures of a set have few sizes
def _cells_of_a_side(side: int) -> NDArray[np.float32]:
    (matrix,) = windows([WHOLE], side, MINIATURE_CELLS)
    cells: NDArray[np.float32] = matrix  # (s, side)
    return cells


def windows(parts: Sequence[Part], side: int, cells: int) -> NDArray[np.float32]:
    """Return matrices (m, cells, side) that take means of equal cells of m parts of a side."""
    begins, ends = np.array(parts).T  # (m,), (m,)
    shares = np.linspace(0, 1, cells + 1)
    edges = side * (begins[:, None] + (ends - begins)[:, None] * shares)  # (m, cells + 1)
    # How much of each pixel is before each edge, 0..1: what two edges differ by is between them.
    before = np.clip(edges[:, :, None] - np.arange(side), 0, 1)  # (m, cells + 1, side)
    covered = np.diff(before, axis=1)  # (m, cells, side)
    weights: NDArray[np.float64] = covered / covered.sum(axis=2, keepdims=True)
    return weights.astype(np.float32)


def pooled(greys: NDArray[Any], cells: int) -> NDArray[np.float32]:
    """Return means (n, cells, cells) of miniatures (n, s, s); s is a multiple of cells."""
    n, side, _ = greys.shape
    each = side // cells
    blocks = greys.reshape(n, cells, each, cells, each)
    means: NDArray[np.float32] = blocks.mean(axis=(2, 4), dtype=np.float32)
    return means  # (n, cells, cells)


def prints_of(greys: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the changes between neighbours (n, p), each row of length one, or of zeros."""
    return _unit(_changes(greys))


def rooted_prints_of(greys: NDArray[Any]) -> NDArray[np.float32]:
    """Return prints of the changes' square roots, their signs kept.

    In plain ones a horizon or a frame outweighs all the rest, and whatever has a horizon there
    looks alike. Roots do for changes what they did for the gradients of SIFT (Arandjelovic and
    Zisserman 2012, "Three things everyone should know to improve object retrieval", section 3).
    """
    changes = _changes(greys)
    return _unit(np.copysign(np.sqrt(np.abs(changes)), changes))


def _changes(greys: NDArray[Any]) -> NDArray[np.float32]:
    across = np.diff(greys, axis=2).reshape(len(greys), -1)  # (n, s * (s - 1))
    down = np.diff(greys, axis=1).reshape(len(greys), -1)  # (n, (s - 1) * s)
    return np.hstack([across, down])  # (n, p)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.sqrt(np.einsum("np,np->n", rows, rows))[:, None]
    unit: NDArray[np.float32] = rows / np.maximum(lengths, LEAST_LENGTH)
    return unit
