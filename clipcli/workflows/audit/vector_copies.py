"""Copies by vectors alone, where the pictures are not here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from clipcli.images.key_truth import MEMBER
from clipcli.pipeline.source_names import URL
from clipcli.workflows.audit.index_choice import neighbours

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clipcli.workflows.audit.dataset import Dataset

# Cosines of mini. Among a million pairs of scenes none that were no copies came to 0.91; of copies
# that were recompressed, brightened or mirrored two in three pass 0.95, of halved ones very few.
LEAST_COSINE = 0.95
# Where the pictures are files here, these are looked at: all but a few copies pass it.
WORTH_A_LOOK = 0.8


def pairs_above(
    vectors: NDArray[Any], least: float, *, by_index: bool = False
) -> Iterator[tuple[int, int]]:
    """Yield pairs i < j of unit rows (n, d) whose cosine is at least that; some of them twice."""
    for one, two, _ in neighbours(vectors, by_index=by_index).pairs(vectors, least):
        yield from zip(one.tolist(), two.tolist(), strict=True)


def are_here(dataset: Dataset) -> bool:
    """Tell whether pictures of which only vectors were read are files of this machine."""
    return all(MEMBER not in path and not URL.match(path) for path in dataset.paths) and any(
        map(os.path.isfile, dataset.paths)  # the first that is gone may be the only one
    )


def worth_a_look(dataset: Dataset, *, by_index: bool = False) -> list[str]:
    """Return the paths of pictures that have another one near enough to be copies, in order."""
    found: set[int] = set()
    for pair in pairs_above(dataset.vectors, WORTH_A_LOOK, by_index=by_index):
        found.update(pair)
    return [dataset.paths[i] for i in sorted(found)]
