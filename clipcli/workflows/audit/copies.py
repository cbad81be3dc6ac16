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

from clipcli.images.companions import split_ending
from clipcli.workflows.audit.choice import Chooser, ChosenCopy
from clipcli.workflows.audit.crops import crop_pairs
from clipcli.workflows.audit.dataset import Dataset
from clipcli.workflows.audit.findings import ACROSS_CLASSES, ACROSS_SPLITS, Finding
from clipcli.workflows.audit.index_choice import neighbours
from clipcli.workflows.audit.prints import LEAST_CONTRAST, pooled, prints_of
from clipcli.workflows.audit.vector_copies import LEAST_COSINE, pairs_above

if TYPE_CHECKING:
    from numpy.typing import NDArray

# (least cosine of prints, least cosine of embeddings). On three million pairs each of scenes,
# objects and waste; copies are recompressed, halved, brightened, darkened, greyed, blurred,
# mirrored, squashed (all found), or turned by 2 degrees (9 of 10).
RULES = ((0.88, -1.0), (0.8, 0.9))
LEAST_ALIKE = min(prints for prints, _ in RULES)
PRINT_CELLS = 16  # along a side of the prints that are compared
PAIRS_AT_ONCE = 1024  # of vectors that are compared
CHUNK_BYTES = 2**20
# Near copies that are kept beside another.
A_RAW, WITH_ITS_RAW = "a raw photograph", "beside its raw photograph"
ORIGINALS = (A_RAW, WITH_ITS_RAW)


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


def same_contents(contents: Sequence[bytes]) -> list[list[int]]:
    """Return groups of pictures with the same bytes, by hashes of them."""
    by_content: dict[bytes, list[int]] = defaultdict(list)
    for i, digest in enumerate(contents):
        by_content[digest].append(i)
    return [group for group in by_content.values() if len(group) > 1]


def _digest(path: str) -> bytes | None:
    digest = hashlib.blake2b(digest_size=16)
    try:
        with Path(path).open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except OSError:
        return None
    return digest.digest()


def near_groups(dataset: Dataset, *, by_index: bool = False) -> list[list[int]]:
    """Return groups of pictures that look the same, exact copies among them.

    Parameters
    ----------
    by_index
        What to compare is found by an index, which is worth it among many.
    """
    groups = _Groups(len(dataset))
    if dataset.measures:
        greys = np.stack([m.miniature for m in dataset.measures])  # (n, s, s)
        is_flat = np.array([m.contrast < LEAST_CONTRAST for m in dataset.measures])
        for i, j in _near_pairs(dataset, greys, is_flat, by_index=by_index):
            groups.join(i, j)
        for i, j in crop_pairs(greys, is_flat, groups.are_joined, by_index=by_index):
            groups.join(i, j)
    elif not dataset.are_files:
        for i, j in pairs_above(dataset.vectors, LEAST_COSINE, by_index=by_index):
            groups.join(i, j)
    return groups.several()


def _near_pairs(
    dataset: Dataset, greys: NDArray[np.uint8], is_flat: NDArray[np.bool_], *, by_index: bool
) -> Iterator[tuple[int, int]]:
    """Yield pairs i < j whose wholes look the same."""
    plain, mirrored = (
        prints_of(pooled(side, PRINT_CELLS)) for side in (greys, greys[:, :, ::-1])
    )  # (n, p) each
    plain[is_flat] = 0
    among = neighbours(plain, by_index=by_index)
    for side in (plain, mirrored):
        for one, two, alike in among.pairs(side, LEAST_ALIKE):
            is_near = _is_near(alike, dataset.vectors, one, two)
            yield from zip(one[is_near].tolist(), two[is_near].tolist(), strict=True)


def _is_near(
    alike: NDArray[np.float32],
    vectors: NDArray[np.float32],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
) -> NDArray[np.bool_]:
    result = np.zeros(len(rows), bool)
    for start in range(0, len(rows), PAIRS_AT_ONCE):
        part = slice(start, start + PAIRS_AT_ONCE)
        cosines = np.einsum("nd,nd->n", vectors[rows[part]], vectors[columns[part]])
        for least_alike, least_cosine in RULES:
            result[part] |= (alike[part] >= least_alike) & (cosines >= least_cosine)
    return result


def duplicates(
    dataset: Dataset, chooser: Chooser | None = None, *, by_index: bool = False
) -> list[Finding]:
    """Return a finding for every picture that has a copy; the one to keep is suggested."""
    chooser = chooser or Chooser()
    are_files = dataset.are_files
    exact = exact_groups(dataset.paths) if are_files else same_contents(dataset.contents)
    choices = [chooser.choose(dataset, group, are_exact=True) for group in exact]
    found = _findings(dataset, exact, choices, "exact-duplicate", 1)
    # Copies with the same bytes count as one picture here: one finding is enough.
    spare = {i for choice in choices for i in choice.reasons if i != choice.kept}
    left = sorted(set(range(len(dataset))) - spare)
    others = dataset.keep(left) if spare else dataset  # which would copy all vectors
    near = [[left[i] for i in group] for group in near_groups(others, by_index=by_index)]
    choices = [_with_originals(dataset, chooser.choose(dataset, group)) for group in near]
    return found + _findings(dataset, near, choices, "near-duplicate", len(exact) + 1)


def _findings(
    dataset: Dataset,
    groups: Sequence[Sequence[int]],
    choices: Sequence[ChosenCopy],
    kind: str,
    number: int,
) -> list[Finding]:
    found = []
    for group_number, (group, choice) in enumerate(zip(groups, choices, strict=True), start=number):
        across = _across(dataset, group)
        for i in group:
            is_kept = i == choice.kept or choice.reasons[i] in ORIGINALS
            kept = i if is_kept else choice.kept
            others = [dataset.paths[j] for j in group if j != i]
            more = f" and {len(others) - 1} more" if len(others) > 1 else ""
            found.append(
                Finding(
                    kind,
                    dataset.paths[i],
                    f"{'keep; ' if is_kept else ''}also {others[0]}{more}",
                    float(len(group)),
                    label=dataset.places[i].label or "",
                    split=dataset.places[i].split,
                    suggested=dataset.paths[kept],
                    group=group_number,
                    across=across,
                    why=choice.reasons[i],
                )
            )
    return found


def _with_originals(dataset: Dataset, choice: ChosenCopy) -> ChosenCopy:
    """Keep what a camera wrote: raw photographs, and the pictures beside them of their names."""
    if not dataset.measures:
        return choice
    raws = [i for i in choice.reasons if dataset.measures[i].is_raw]
    stems = {split_ending(dataset.paths[i])[0] for i in raws}
    reasons = dict(choice.reasons)
    for i in reasons:
        if i == choice.kept:
            continue
        if i in raws:
            reasons[i] = A_RAW
        elif split_ending(dataset.paths[i])[0] in stems:
            reasons[i] = WITH_ITS_RAW
    return ChosenCopy(choice.kept, reasons)


def _across(dataset: Dataset, group: Sequence[int]) -> tuple[str, ...]:
    places = [dataset.places[i] for i in group]
    is_across_classes = len({place.label for place in places}) > 1
    is_across_splits = len({place.split for place in places}) > 1
    return (ACROSS_CLASSES,) * is_across_classes + (ACROSS_SPLITS,) * is_across_splits
