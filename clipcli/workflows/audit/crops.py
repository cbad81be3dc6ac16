"""Crops: pictures that are most of another one, or have a frame around it.

A cut of 5 % moves what is at an edge by most of a cell of a print, so that whole prints say little.
Here the whole of one picture is held against insets of the other, what a cut leaves of it: against
a few dozen first, and where one of them fits roughly, its edges are moved until it fits best. That
is done only for the pictures whose coarse prints are the most alike: large cells hardly feel a cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from clipcli.workflows.audit.index_choice import neighbours
from clipcli.workflows.audit.neighbours import NONE, Neighbours
from clipcli.workflows.audit.prints import WHOLE, Part, pooled, rooted_prints_of, windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

CUTS = (0.04, 0.08)  # of a side; a cut of anything up to 10 % fits one of them roughly
# Cosines of rooted prints. Measured on 3,000 scenes, 3,925 objects and 10,000 pictures of CIFAR-10,
# recompressed after the cut: of cuts by 2 to 7 %, anywhere, all but 10 of 3,600 were found, of cuts
# by 10 % 98 in 100. By this, 27 groups more were found in those sets as they are and in 1,048
# skies: to the eye, two pictures of fog were none, and all others crops or shots of one burst.
# Things photographed alone on one table pass it as well, as they pass for copies without it.
ROUGHLY = 0.65
ALIKE = 0.9
STEPS = (0.015, 0.007)  # of a side, by which each edge is moved
LARGEST_CUT = 0.2  # that an edge is moved to
CELLS = 16  # along a side of the prints that are compared
COARSE_CELLS = 8  # and of those that say what to compare
NEIGHBOURS = 16  # that each picture is compared with, and as many of the mirrored ones

Inset = tuple[Part, Part]  # down, across


def _insets() -> tuple[Inset, ...]:
    """Return 3 x 3 places of each cut from both directions, and 3 of each cut from one."""
    found: list[Inset] = []
    for cut in CUTS:
        parts = [(place * cut, 1 - (1 - place) * cut) for place in (0.0, 0.5, 1.0)]
        found += [*product(parts, parts), *product(parts, [WHOLE]), *product([WHOLE], parts)]
    return tuple(found)


INSETS = _insets()  # 30


def crop_pairs(
    greys: NDArray[np.uint8],
    is_flat: NDArray[np.bool_],
    is_known: Callable[[int, int], bool],
    *,
    by_index: bool = False,
) -> Iterator[tuple[int, int]]:
    """Yield pairs of miniatures (n, s, s) of which one is most of the other, or of its mirror.

    Flat pictures (n,) are in no pair, and pairs that are known are not looked at. ``by_index``:
    what to compare is found by an index.
    """
    if len(greys) < 2:
        return
    among = neighbours(_prints(greys, COARSE_CELLS, is_flat), by_index=by_index)
    sides = [
        (_prints(side, CELLS, is_flat), _partners(among, _prints(side, COARSE_CELLS, is_flat)))
        for side in (greys, greys[:, :, ::-1])
    ]
    down = windows([part for part, _ in INSETS], greys.shape[1], CELLS)  # (30, c, s)
    across = windows([part for _, part in INSETS], greys.shape[1], CELLS)  # (30, c, s)
    for i in np.flatnonzero(~is_flat).tolist():
        picture = greys[i].astype(np.float32)  # (s, s)
        insets = rooted_prints_of(down @ picture @ across.swapaxes(1, 2))  # (30, p)
        for wholes, partners in sides:
            alike = insets @ wholes[partners[i]].T  # (30, k)
            best = alike.argmax(axis=0)  # (k,)
            for place in np.flatnonzero(alike.max(axis=0) >= ROUGHLY).tolist():
                j = int(partners[i][place])
                if not is_known(i, j) and _fits(picture, wholes[j], INSETS[best[place]]):
                    yield i, j


def _prints(
    greys: NDArray[np.uint8], cells: int, is_flat: NDArray[np.bool_]
) -> NDArray[np.float32]:
    prints = rooted_prints_of(pooled(greys, cells))
    prints[is_flat] = 0
    return prints


def _partners(among: Neighbours, coarse: NDArray[np.float32]) -> list[NDArray[np.intp]]:
    """Return for each picture those nearest to it, and those that it is nearest to."""
    nearest = among.nearest(coarse, NEIGHBOURS)  # (n, k)
    n = len(nearest)
    one, place = np.nonzero(nearest != NONE)
    two = nearest[one, place]
    pairs = np.unique(np.concatenate([one * n + two, two * n + one]))
    owners, partners = np.divmod(pairs, n)
    return np.split(partners, np.cumsum(np.bincount(owners, minlength=n))[:-1])


def _fits(picture: NDArray[np.float32], whole: NDArray[np.float32], inset: Inset) -> bool:
    """Move an inset's edges, each step by step, and tell whether it comes to look like a whole."""
    for step in STEPS:
        downs, acrosses = (_moved(part, step) for part in inset)  # 9 parts each
        down = windows(downs, len(picture), CELLS)[:, None]  # (9, 1, c, s)
        across = windows(acrosses, len(picture), CELLS).swapaxes(1, 2)  # (9, s, c)
        insets = down @ picture @ across  # (9, 9, c, c)
        alike = rooted_prints_of(insets.reshape(-1, CELLS, CELLS)) @ whole  # (81,)
        best = int(alike.argmax())
        if alike[best] >= ALIKE:
            return True
        inset = downs[best // len(acrosses)], acrosses[best % len(acrosses)]
    return False


def _moved(part: Part, step: float) -> list[Part]:
    begins = (min(max(part[0] + move, 0.0), LARGEST_CUT) for move in (-step, 0.0, step))
    ends = (min(max(part[1] + move, 1 - LARGEST_CUT), 1.0) for move in (-step, 0.0, step))
    return list(product(begins, ends))
