"""Copies: files with the same bytes, and pictures that look the same.

Two pictures are near duplicates if their prints are so alike that chance is out of question, or
alike enough and their embeddings are close too, or if one is a crop of the other. One may be
mirrored.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clipcli.workflows.audit.crops import crop_pairs
from clipcli.workflows.audit.dataset import Dataset
from clipcli.workflows.audit.findings import ACROSS_CLASSES, ACROSS_SPLITS, Finding
from clipcli.workflows.audit.prints import LEAST_CONTRAST, pooled, prints_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

# (least cosine of prints, least cosine of embeddings). On three million pairs each of scenes,
# objects and waste; copies are recompressed, halved, brightened, darkened, greyed, blurred,
# mirrored, squashed (all found), or turned by 2 degrees (9 of 10).
RULES = ((0.88, -1.0), (0.8, 0.9))
LEAST_ALIKE = min(prints for prints, _ in RULES)
PRINT_CELLS = 16  # along a side of the prints that are compared
ROWS_AT_ONCE = 1024  # of a matrix product against all pictures
CHUNK_BYTES = 2**20


class _Groups:
    """Union-find over n things."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))

    def find(self, i: int) -> int:
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i

    def join(self, i: int, j: int) -> None:
        first, second = sorted((self.find(i), self.find(j)))
        self._parent[second] = first

    def are_joined(self, i: int, j: int) -> bool:
        return self.find(i) == self.find(j)

    def several(self) -> list[list[int]]:
        """Return the groups of more than one, by their first member."""
        groups: dict[int, list[int]] = defaultdict(list)
        for i in range(len(self._parent)):
            groups[self.find(i)].append(i)
        return [group for group in groups.values() if len(group) > 1]


def exact_groups(paths: Sequence[str]) -> list[list[int]]:
    """Return groups of files with the same bytes; only files of the same length are read."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for i, path in enumerate(paths):
        try:
            by_length[Path(path).stat().st_size].append(i)
        except OSError:  # gone since
            continue
    by_content: dict[bytes, list[int]] = defaultdict(list)
    for indices in by_length.values():
        for i in indices if len(indices) > 1 else ():
            digest = _digest(paths[i])
            if digest is not None:
                by_content[digest].append(i)
    return sorted(group for group in by_content.values() if len(group) > 1)


def _digest(path: str) -> bytes | None:
    digest = hashlib.blake2b(digest_size=16)
    try:
        with Path(path).open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except OSError:
        return None
    return digest.digest()


def near_groups(dataset: Dataset) -> list[list[int]]:
    """Return groups of pictures that look the same, exact copies among them."""
    groups = _Groups(len(dataset))
    if dataset.measures:
        greys = np.stack([m.miniature for m in dataset.measures])  # (n, s, s)
        is_flat = np.array([m.contrast < LEAST_CONTRAST for m in dataset.measures])
        for i, j in _near_pairs(dataset, greys, is_flat):
            groups.join(i, j)
        for i, j in crop_pairs(greys, is_flat, groups.are_joined):
            groups.join(i, j)
    return groups.several()


def _near_pairs(
    dataset: Dataset, greys: NDArray[np.uint8], is_flat: NDArray[np.bool_]
) -> Iterator[tuple[int, int]]:
    """Yield pairs i < j whose wholes look the same; memory holds a block of products at a time."""
    sides = [prints_of(pooled(side, PRINT_CELLS)) for side in (greys, greys[:, :, ::-1])]
    plain = sides[0]  # (n, p)
    plain[is_flat] = 0
    for start in range(0, len(plain), ROWS_AT_ONCE):
        block = plain[start : start + ROWS_AT_ONCE]
        for other in sides:
            alike = block @ other[start:].T  # (b, n - start)
            rows, columns = np.nonzero(alike >= LEAST_ALIKE)
            is_after = columns > rows
            rows, columns = rows[is_after], columns[is_after]
            found = alike[rows, columns]
            rows, columns = rows + start, columns + start
            is_near = _is_near(found, dataset.vectors, rows, columns)
            yield from zip(rows[is_near].tolist(), columns[is_near].tolist(), strict=True)


def _is_near(
    alike: NDArray[np.float32],
    vectors: NDArray[np.float32],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
) -> NDArray[np.bool_]:
    result = np.zeros(len(rows), bool)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        cosines = np.einsum("nd,nd->n", vectors[rows[part]], vectors[columns[part]])
        for least_alike, least_cosine in RULES:
            result[part] |= (alike[part] >= least_alike) & (cosines >= least_cosine)
    return result


def duplicates(dataset: Dataset) -> list[Finding]:
    """Return a finding for every picture that has a copy; the one to keep is suggested."""
    exact = exact_groups(dataset.paths)
    found = _findings(dataset, exact, "exact-duplicate", 1)
    # Copies with the same bytes count as one picture here: one finding is enough.
    firsts = sorted(set(range(len(dataset))) - {i for group in exact for i in group[1:]})
    near = [[firsts[i] for i in group] for group in near_groups(dataset.keep(firsts))]
    return found + _findings(dataset, near, "near-duplicate", len(exact) + 1)


def _findings(
    dataset: Dataset, groups: Sequence[Sequence[int]], kind: str, number: int
) -> list[Finding]:
    found = []
    for group_number, group in enumerate(groups, start=number):
        keep = best_of(dataset, group)
        across = _across(dataset, group)
        for i in group:
            # A raw photograph is an original, even beside another.
            kept = i if _is_raw(dataset, i) else keep
            others = [dataset.paths[j] for j in group if j != i]
            more = f" and {len(others) - 1} more" if len(others) > 1 else ""
            found.append(
                Finding(
                    kind,
                    dataset.paths[i],
                    f"{'keep; ' if i == kept else ''}also {others[0]}{more}",
                    float(len(group)),
                    label=dataset.places[i].label or "",
                    split=dataset.places[i].split,
                    suggested=dataset.paths[kept],
                    group=group_number,
                    across=across,
                )
            )
    return found


def best_of(dataset: Dataset, group: Sequence[int]) -> int:
    """Return the picture to keep.

    A raw photograph goes before all others, then what has the most pixels, what is stored without
    loss, what is longest (the least compressed), the sharpest, and the first.
    """
    if not dataset.measures:
        return group[0]

    def worth(i: int) -> tuple[bool, int, bool, int, float, int]:
        one = dataset.measures[i]
        n_pixels = one.width * one.height
        return not one.is_raw, -n_pixels, not one.is_lossless, -one.n_bytes, one.blur, i

    return min(group, key=worth)


def _is_raw(dataset: Dataset, i: int) -> bool:
    return bool(dataset.measures) and dataset.measures[i].is_raw


def _across(dataset: Dataset, group: Sequence[int]) -> tuple[str, ...]:
    places = [dataset.places[i] for i in group]
    is_across_classes = len({place.label for place in places}) > 1
    is_across_splits = len({place.split for place in places}) > 1
    return (ACROSS_CLASSES,) * is_across_classes + (ACROSS_SPLITS,) * is_across_splits
