"""A data set under audit: pictures in input order, and what is known of each.

Arrays have a row for each picture that could be read; :attr:`Dataset.broken` has the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from clipcli.images.class_tree import Place
from clipcli.results import Skipped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clipcli.workflows.audit.measures import Measures

NO_CLASS = -1


@dataclass(slots=True)
class Dataset:
    """n pictures, c classes."""

    classes: tuple[str, ...]
    paths: list[str] = field(default_factory=list)  # n
    places: list[Place] = field(default_factory=list)  # n
    vectors: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))
    measures: list[Measures] = field(default_factory=list)  # n, or none
    broken: list[tuple[Skipped, Place]] = field(default_factory=list)
    # Where pictures are no files: hashes of their bytes (n); none where only vectors are here.
    contents: list[bytes] = field(default_factory=list)
    are_files: bool = True

    def __len__(self) -> int:
        return len(self.paths)

    def labels(self) -> NDArray[np.int64]:
        """Return each picture's class (n,), as its place among the classes, or NO_CLASS."""
        at = {name: i for i, name in enumerate(self.classes)}
        found = [at.get(place.label or "", NO_CLASS) for place in self.places]
        return np.array(found, np.int64)

    def keep(self, indices: Sequence[int]) -> Dataset:
        """Return a data set of some of the pictures, with the same broken ones."""
        return Dataset(
            self.classes,
            [self.paths[i] for i in indices],
            [self.places[i] for i in indices],
            self.vectors[list(indices)],
            [self.measures[i] for i in indices] if self.measures else [],
            self.broken,
            [self.contents[i] for i in indices] if self.contents else [],
            self.are_files,
        )
