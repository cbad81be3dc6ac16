"""What GLIP minimises: words fit their regions, boxes fit things, and places know their worth.

Li et al. 2022 (arXiv:2112.03857), sections 3.1 and 4, and the detectors it stands on: focal loss
(Lin et al. 2017, arXiv:1708.02002), generalised overlap (Rezatofighi et al. 2019,
arXiv:1902.09630), centerness (Tian et al. 2019, arXiv:1904.01355).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

ALPHA, GAMMA = 0.25, 2.0
TINY = 1e-7  # areas are divided by more than this


def alignment_loss(fits: Tensor, wanted: Tensor) -> Tensor:
    """Return the sum of sigmoid focal losses over all pairs of a region and a word.

    Parameters
    ----------
    fits
        (m, l) logits of regions and tokens.
    wanted
        (m, l) 1 where the token belongs to what is in the region, else 0.
    """
    plain = F.binary_cross_entropy_with_logits(fits, wanted, reduction="none")  # (m, l)
    chance = fits.sigmoid()
    miss = torch.where(wanted > 0, 1 - chance, chance)  # how far from right
    share = torch.where(wanted > 0, ALPHA, 1 - ALPHA)
    return (share * miss**GAMMA * plain).sum()


def generalised_overlap(boxes: Tensor, others: Tensor) -> Tensor:
    """Return how well boxes (n, 4) cover others (n, 4), corner by corner: (n,), -1 to 1."""
    left_top, right_bottom = boxes[:, :2], boxes[:, 2:]  # (n, 2) each
    their_left_top, their_right_bottom = others[:, :2], others[:, 2:]
    common = _area(
        torch.maximum(left_top, their_left_top), torch.minimum(right_bottom, their_right_bottom)
    )
    hull = _area(
        torch.minimum(left_top, their_left_top), torch.maximum(right_bottom, their_right_bottom)
    )
    both = _area(left_top, right_bottom) + _area(their_left_top, their_right_bottom)
    union = (both - common).clamp(min=TINY)  # (n,)
    return common / union - (hull - union) / hull.clamp(min=TINY)


def box_losses(
    boxes: Tensor, wanted: Tensor, weights: Tensor, side: float
) -> tuple[Tensor, Tensor]:
    """Return the L1 and the overlap loss of boxes (n, 4), averaged by weights (n,).

    The first is the mean distance of the four edges, in ``side`` pixels.
    """
    total = weights.sum().clamp(min=TINY)
    distances = (boxes - wanted).abs().mean(dim=1) / side  # (n,)
    apart = 1 - generalised_overlap(boxes, wanted)  # (n,)
    return (distances * weights).sum() / total, (apart * weights).sum() / total


def centerness(places: Tensor, boxes: Tensor) -> Tensor:
    """Return how central places (n, 2) lie in their boxes (n, 4): (n,), 1 in the middle."""
    before = places - boxes[:, :2]  # (n, 2) left and top
    behind = boxes[:, 2:] - places
    near, far = torch.minimum(before, behind), torch.maximum(before, behind)
    shares = near.clamp(min=0) / far.clamp(min=TINY)
    return shares.prod(dim=1).sqrt()


def _area(left_top: Tensor, right_bottom: Tensor) -> Tensor:
    return (right_bottom - left_top).clamp(min=0).prod(dim=1)
