"""Which pictures a probe is fitted on, and which ones judge a setting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Places: TypeAlias = NDArray[np.intp]

FOLDS = 5
# With more pictures than this, one held-out part tells enough: no need to fit five times.
MANY = 2000


def draw_shots(truth: Places, shots: int, seed: int) -> Places:
    """Return the places of up to so many pictures of each class of ``truth`` (n,), in order."""
    random = np.random.default_rng(seed)
    drawn = []
    for label in np.unique(truth):
        mine = np.flatnonzero(truth == label)
        drawn.append(random.permutation(mine)[:shots])
    return np.sort(np.concatenate(drawn))


def make_folds(truth: Places, seed: int) -> list[tuple[Places, Places]]:
    """Return pairs of what to fit on and what to judge by; none where no class has two pictures.

    Each class is dealt out evenly. A class with one picture is always fitted on: a probe that has
    never seen it could only be wrong about it.
    """
    n_folds = min(FOLDS, int(np.bincount(truth).max(initial=0)))
    if n_folds < 2:
        return []
    parts = _deal(truth, n_folds, seed)  # (n,)
    folds = [(np.flatnonzero(parts != i), np.flatnonzero(parts == i)) for i in range(n_folds)]
    return folds[:1] if len(truth) > MANY else folds


def _deal(truth: Places, n_folds: int, seed: int) -> Places:
    """Return the fold of each picture; -1 where it is held out in none."""
    random = np.random.default_rng(seed)
    parts = np.full(len(truth), -1, np.intp)
    next_fold = 0
    for label in np.unique(truth):
        mine = random.permutation(np.flatnonzero(truth == label))
        if len(mine) > 1:
            # Subtle: classes go on where the last one stopped, or the first fold would get most.
            parts[mine] = (next_fold + np.arange(len(mine))) % n_folds
            next_fold += len(mine)
    return parts


def join(parts: Sequence[Places]) -> Places:
    """Return the places of several parts, in order."""
    return np.sort(np.concatenate(parts))
