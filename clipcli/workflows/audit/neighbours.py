"""Neighbours: which rows are alike, found by comparing each with each.

Rows are of length one, or of zeros, which are like nothing. Symbols: ``n`` rows, ``q`` queries,
``d`` numbers in a row, ``k`` neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    # Places of both rows, the smaller one first, and their cosines: (m,), (m,), (m,)
    Pairs: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]

ROWS_AT_ONCE = 512  # of a product against all rows, at most
PRODUCTS_AT_ONCE = 2**26  # 256 MB
NONE = -1  # in the place of a neighbour that was not found


class Neighbours(Protocol):
    """Rows (n, d) that may be asked."""

    def pairs(self, queries: NDArray[np.float32], least: float) -> Iterator[Pairs]:
        """Yield pairs of places i < j with a cosine of at least ``least``, some of them twice.

        Parameters
        ----------
        queries
            (n, d): the rows themselves, or their mirror images, in the same order. A query is not
            compared with its own row.
        """

    def nearest(self, queries: NDArray[np.float32], k: int) -> NDArray[np.intp]:
        """Return the places of the rows nearest to each of n queries, not its own: (n, k).

        They are in no order; NONE stands where fewer were found.
        """


class Compared:
    """Rows that are compared with each query: all pairs are found, in time that grows as n².

    A block of products is in memory at a time.
    """

    def __init__(self, rows: NDArray[np.float32]) -> None:
        self._rows = rows

    def pairs(self, queries: NDArray[np.float32], least: float) -> Iterator[Pairs]:
        at_once = _rows_at_once(len(queries))
        for start in range(0, len(queries), at_once):
            alike = queries[start : start + at_once] @ self._rows[start:].T  # (b, n - start)
            one, two = np.nonzero(alike >= least)
            is_after = two > one
            one, two = one[is_after], two[is_after]
            yield one + start, two + start, alike[one, two]

    def nearest(self, queries: NDArray[np.float32], k: int) -> NDArray[np.intp]:
        n = len(self._rows)
        result = np.full((n, k), NONE, np.intp)
        k = min(k, n - 1)
        at_once = _rows_at_once(n)
        for start in range(0, n, at_once):
            alike = queries[start : start + at_once] @ self._rows.T  # (b, n)
            places = np.arange(len(alike))
            alike[places, places + start] = -2  # its own: below all cosines
            best = np.argpartition(alike, n - k, axis=1)[:, n - k :]
            result[start : start + at_once, :k] = best
        return result


def _rows_at_once(n: int) -> int:
    return max(1, min(ROWS_AT_ONCE, PRODUCTS_AT_ONCE // max(n, 1)))
