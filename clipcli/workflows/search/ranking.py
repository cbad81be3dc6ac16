"""Which pictures are most like a text, a picture, or both.

A search reads any number of vectors and keeps the best few of each query, so that its memory does
not grow with the pictures. Symbols: ``n`` images, ``q`` queries, ``d`` embedding.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from clipcli.errors import UsageError
from clipcli.results import path_fields
from clipcli.vectors import similarities, unit_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clipcli.pipeline.embed import Embedded

    # similarity, minus the place (so that equals stay in order), path and row
    Kept: TypeAlias = tuple[float, int, str, NDArray[np.float32] | None]

ROWS_AT_ONCE = 512  # compared in one matrix product
# What float16 vectors carry; the order is that of the rounded numbers, so that no last bit that
# differs between two runs can change it.
DECIMALS = 6
ROWS_KEPT = 1000  # of hits, for a page: bounds memory
LEAST_OF_SUM = 1e-3  # of a sum's weights: what is shorter has no direction to speak of


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: a text, pictures, or both at once."""

    text: str | None
    like: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Name the query in results."""
        words = [self.text] if self.text is not None else []
        return " + ".join([*words, *self.like])


@dataclass(frozen=True, slots=True)
class Hit:
    """A picture that a query found; ``rank`` counts from 1."""

    path: str
    rank: int
    similarity: float  # cosine, -1..1
    row: NDArray[np.float32] | None = field(default=None, compare=False)  # (d,), of few hits


@dataclass(frozen=True, slots=True)
class QueryHits:
    """The best pictures of one query, best first."""

    query: Query
    hits: tuple[Hit, ...]


def query_rows(
    texts: NDArray[np.float32] | None, pictures: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Return a unit row for each query (q, d): of each text, the sum of it and all pictures.

    ``texts`` are (q, d), ``pictures`` (m, d), unit rows; one of them may be missing. Without a
    text there is one query, the pictures' own.
    """
    assert texts is not None or pictures is not None
    if pictures is None:
        assert texts is not None
        return texts
    likeness = unit_rows(pictures.astype(np.float64).sum(axis=0, keepdims=True))  # (1, d)
    both = likeness if texts is None else unit_rows(likeness + texts)  # (q, d)
    rows: NDArray[np.float32] = both.astype(np.float32)
    return rows


def weighted_rows(
    texts: NDArray[np.float32], sums: Sequence[Sequence[tuple[int, float]]]
) -> NDArray[np.float32]:
    """Return a unit row (q, d) for each weighted sum of unit rows (t, d).

    ``sums`` names rows by number, each with its weight. One row alone stays bit for bit, however
    much it weighs.

    Raises
    ------
    UsageError
        If a sum is next to nothing: its direction would be rounding noise.
    """
    rows = []
    for terms in sums:
        if len(terms) == 1 and terms[0][1] > 0:
            rows.append(texts[terms[0][0]])
            continue
        parts = [weight * texts[i].astype(np.float64) for i, weight in terms]
        total = np.sum(parts, axis=0)  # (d,)
        if np.linalg.norm(total) < LEAST_OF_SUM * sum(abs(weight) for _, weight in terms):
            raise UsageError(
                "query: its texts cancel each other out", hint="weigh them differently"
            )
        rows.append(unit_rows(total[None])[0].astype(np.float32))
    return np.stack(rows)


@dataclass
class Ranking:
    """The best ``top`` pictures of each query row (q, d), while pictures come in."""

    rows: NDArray[np.float32]
    top: int
    min_similarity: float = -1.0
    n_seen: int = 0
    # Of each query a heap: the worst that is kept lies on top.
    _heaps: list[list[Kept]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._heaps = [[] for _ in self.rows]

    def add_all(self, pictures: Iterable[Embedded]) -> None:
        """Look at pictures, a block at a time."""
        rest = iter(pictures)
        while block := list(islice(rest, ROWS_AT_ONCE)):
            self._add([p.path for p in block], np.stack([p.row for p in block]))

    def _add(self, paths: Sequence[str], images: NDArray[np.float32]) -> None:
        cosines = np.round(similarities(images, self.rows), DECIMALS) + 0.0  # (n, q)
        for heap, column in zip(self._heaps, cosines.T, strict=True):
            # What is no better than the worst of enough older ones cannot get in any more.
            is_full = len(heap) == self.top
            is_wanted = column > heap[0][0] if is_full else column >= self.min_similarity
            for i in np.flatnonzero(is_wanted).tolist():
                row = images[i].copy() if self.top <= ROWS_KEPT else None
                self._offer(heap, (float(column[i]), -(self.n_seen + i), paths[i], row))
        self.n_seen += len(paths)

    def _offer(self, heap: list[Kept], entry: Kept) -> None:
        if len(heap) < self.top:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)

    def hits(self) -> Iterator[tuple[Hit, ...]]:
        """Yield each query's pictures, best first; equal ones in the order that they came."""
        for heap in self._heaps:
            ranked = sorted(heap, reverse=True)
            yield tuple(
                Hit(path, i, value, row) for i, (value, _, path, row) in enumerate(ranked, start=1)
            )


def hit_record(query: Query, hit: Hit) -> dict[str, Any]:
    """Return the JSON object of a picture that was found; its keys are only ever added to."""
    return path_fields(hit.path) | {
        "rank": hit.rank,
        "similarity": hit.similarity,
        **query_record(query),
    }


def query_record(query: Query) -> dict[str, Any]:
    """Return the JSON keys of a query."""
    return {"query": query.text, "like": [path_fields(path)["path"] for path in query.like]}
