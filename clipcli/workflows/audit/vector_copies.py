"""Copies by vectors alone, where the pictures are not here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from clipcli.images.key_truth import MEMBER
from clipcli.pipeline.remote import URL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clipcli.workflows.audit.dataset import Dataset

# Cosines of mini. Among a million pairs of scenes none that were no copies came to 0.91; of copies
# that were recompressed, brightened or mirrored two in three pass 0.95, of halved ones very few.
LEAST_COSINE = 0.95
# Where the pictures are files here, these are looked at: all but a few copies pass it.
WORTH_A_LOOK = 0.8
ROWS_AT_ONCE = 1024


def pairs_above(vectors: NDArray[Any], least: float) -> Iterator[tuple[int, int]]:
    """Yield pairs i < j of unit rows (n, d) whose cosine is at least that; a block at a time."""
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        block = vectors[start : start + ROWS_AT_ONCE]
        for other in range(start, len(vectors), ROWS_AT_ONCE):
            cosines = block @ vectors[other : other + ROWS_AT_ONCE].T  # (b, b)
            rows, columns = np.nonzero(cosines >= least)
            rows, columns = rows + start, columns + other
            is_after = columns > rows
            yield from zip(rows[is_after].tolist(), columns[is_after].tolist(), strict=True)


def are_here(dataset: Dataset) -> bool:
    """Tell whether pictures of which only vectors were read are files of this machine."""
    return all(MEMBER not in path and not URL.match(path) for path in dataset.paths) and any(
        map(os.path.isfile, dataset.paths)  # the first that is gone may be the only one
    )


def worth_a_look(dataset: Dataset) -> list[str]:
    """Return the paths of pictures that have another one near enough to be copies, in order."""
    found: set[int] = set()
    for pair in pairs_above(dataset.vectors, WORTH_A_LOOK):
        found.update(pair)
    return [dataset.paths[i] for i in sorted(found)]
