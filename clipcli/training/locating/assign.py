"""Which places of the pyramid answer for which thing.

Adaptive training sample selection (Zhang et al. 2019, arXiv:1912.02424, algorithm 1), as GLIP
trains: the nearest places of each level are candidates, and those stay whose anchor overlaps the
thing by more than these candidates do on average plus a deviation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

CANDIDATES = 9  # a level
LAST_PIXEL = 1.0
INSIDE_PX = 0.01
NOTHING = -1


def assign(anchors: Sequence[Tensor], boxes: Tensor) -> Tensor:
    """Return the thing that each place answers for, or -1.

    Parameters
    ----------
    anchors
        A level: (m_i, 4) left, top, right, bottom.
    boxes
        (n, 4) of the things.

    Returns
    -------
    Tensor
        (m,) int64, of all levels one after the other.
    """
    every = torch.cat(list(anchors))  # (m, 4)
    found = torch.full((len(every),), NOTHING, dtype=torch.long, device=every.device)
    if not len(boxes):
        return found
    shares = overlaps(every, boxes)  # (m, n)
    places, middles = centres(every), centres(boxes)
    distances = torch.cdist(places, middles)  # (m, n)
    candidates = _candidates(distances, [len(level) for level in anchors])  # (k, n)
    theirs = shares.gather(0, candidates)  # (k, n)
    least = theirs.mean(dim=0) + (theirs.std(dim=0) if len(theirs) > 1 else 0)  # (n,)
    apart = torch.cat([places[:, None] - boxes[:, :2], boxes[:, 2:] - places[:, None]], dim=2)
    is_inside = apart.amin(dim=2) > INSIDE_PX  # (m, n)
    is_candidate = torch.zeros_like(is_inside).scatter(0, candidates, True)
    fits = is_candidate & is_inside & (shares >= least)
    # A place that fits several things answers for the one that its anchor overlaps most.
    best, which = torch.where(fits, shares, -1.0).max(dim=1)  # (m,)
    return torch.where(best >= 0, which, found)


def _candidates(distances: Tensor, sizes: Sequence[int]) -> Tensor:
    chosen, start = [], 0
    for size in sizes:
        n = min(CANDIDATES, size)
        nearest = distances[start : start + size].topk(n, dim=0, largest=False).indices
        chosen.append(nearest + start)
        start += size
    return torch.cat(chosen)  # (k, n)


def centres(boxes: Tensor) -> Tensor:
    """Return the middles of boxes (n, 4): (n, 2) across and down."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def overlaps(boxes: Tensor, others: Tensor) -> Tensor:
    """Return the intersection over union of each two: (m, 4), (n, 4) -> (m, n).

    A box's last pixel is part of it, as everywhere in GLIP.
    """
    left_top = torch.maximum(boxes[:, None, :2], others[:, :2])
    right_bottom = torch.minimum(boxes[:, None, 2:], others[:, 2:])
    common = (right_bottom - left_top + LAST_PIXEL).clamp(min=0).prod(dim=2)  # (m, n)
    areas, theirs = (
        (each[:, 2:] - each[:, :2] + LAST_PIXEL).prod(dim=1) for each in (boxes, others)
    )
    return common / (areas[:, None] + theirs - common)
