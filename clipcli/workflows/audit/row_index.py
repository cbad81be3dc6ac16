"""An index of many rows: faiss's inverted file.

Rows are put into lists, each into that of the nearest of some centres, and of a query only the
nearest lists are looked through (Jegou, Douze and Schmid 2011, "Product quantization for nearest
neighbor search", section 4; Douze et al. 2024, "The Faiss library"). Centres are found by k-means
from a seed, so that the same rows give the same answer, whatever the number of threads.

What is found so is compared again: an index misses some pairs, and adds none.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from clipcli.process import usable_cores
from clipcli.workflows.audit.neighbours import NONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clipcli.workflows.audit.neighbours import Pairs

LISTS = 4  # times the root of n, as faiss's guidelines have it
LISTS_OF_A_QUERY = 16  # that are looked through
SAMPLE = 40  # rows a centre that k-means looks at: fewer, and faiss warns
QUERIES_AT_ONCE = 512
COMPARED_AT_ONCE = 4096
SLACK = 0.005  # of a cosine: rows lie in the index as float16, and are compared as they are


class RowIndex:
    """Rows (n, d) in an index; it takes two bytes a number and eight a row."""

    def __init__(self, rows: NDArray[np.float32]) -> None:
        import faiss

        faiss.omp_set_num_threads(usable_cores())
        n, d = rows.shape
        self._rows = rows
        places = np.flatnonzero(_are_long(rows))  # zeros are like nothing
        n_lists = max(1, min(LISTS * isqrt(n), len(places) // SAMPLE))
        self._coarse = faiss.IndexFlatIP(d)  # kept here, since the index only refers to it
        self._index: Any = faiss.IndexIVFScalarQuantizer(
            self._coarse, d, n_lists, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        self._index.nprobe = LISTS_OF_A_QUERY
        self._n = len(places)
        if self._n:
            every = max(1, self._n // (n_lists * SAMPLE))
            self._index.train(np.ascontiguousarray(rows[places[::every]], np.float32))
        for start in range(0, self._n, COMPARED_AT_ONCE):
            block = places[start : start + COMPARED_AT_ONCE]
            self._index.add_with_ids(np.ascontiguousarray(rows[block], np.float32), block)

    def pairs(self, queries: NDArray[np.float32], least: float) -> Iterator[Pairs]:
        for start in range(0, len(queries) if self._n else 0, QUERIES_AT_ONCE):
            block = np.ascontiguousarray(queries[start : start + QUERIES_AT_ONCE], np.float32)
            limits, _, found = self._index.range_search(block, least - SLACK)
            # Each pair has two chances to be found: from either of its rows.
            one = np.repeat(np.arange(start, start + len(block)), np.diff(limits.astype(np.intp)))
            for at in range(0, len(found), COMPARED_AT_ONCE):
                part = slice(at, at + COMPARED_AT_ONCE)
                yield from self._compared(queries, one[part], found[part], least)

    def _compared(
        self,
        queries: NDArray[np.float32],
        one: NDArray[np.intp],
        two: NDArray[np.intp],
        least: float,
    ) -> Iterator[Pairs]:
        alike = np.einsum("md,md->m", queries[one], self._rows[two])
        is_pair = (alike >= least) & (one != two)
        if is_pair.any():
            one, two = one[is_pair], two[is_pair]
            yield np.minimum(one, two), np.maximum(one, two), alike[is_pair]

    def nearest(self, queries: NDArray[np.float32], k: int) -> NDArray[np.intp]:
        result = np.full((len(queries), k), NONE, np.intp)
        for start in range(0, len(queries) if self._n else 0, QUERIES_AT_ONCE):
            block = np.ascontiguousarray(queries[start : start + QUERIES_AT_ONCE], np.float32)
            _, found = self._index.search(block, k + 1)  # (b, k + 1), its own row among them
            is_other = found != np.arange(start, start + len(block))[:, None]
            # The others first, the nearest of them first.
            order = np.argsort(~is_other, axis=1, kind="stable")[:, :k]
            result[start : start + len(block)] = np.take_along_axis(found, order, axis=1)
        return result


def _are_long(rows: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which rows (n, d) are not of zeros."""
    found = np.empty(len(rows), bool)
    for start in range(0, len(rows), COMPARED_AT_ONCE):
        found[start : start + COMPARED_AT_ONCE] = rows[start : start + COMPARED_AT_ONCE].any(axis=1)
    return found
