"""From what GLIP's head says to boxes: the arithmetic of anchors.

As GLIP's detector does it, which counts a box's last pixel as part of it (widths plus one).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from clipcli.encoder.boxes import suppress_words
from clipcli.encoder.torch.locators.glip import Glip, Level

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRIDES = (8, 16, 32, 64, 128)  # pixels a cell
LEAST_FIT = 0.05  # before centerness; what is below is not looked at
MOST_A_LEVEL = 1000
MOST = 100  # boxes of a picture
PLACE_WEIGHT, SIZE_WEIGHT = 10.0, 5.0
LARGEST_GROWTH = math.log(1000 / 16)
LAST_PIXEL = 1.0


def label_scores(fits: Tensor, label_tokens: Sequence[Sequence[int]]) -> Tensor:
    """Average each label's tokens: logits (m, l) -> (m, c), 0 to 1."""
    chances = fits.float().sigmoid()  # (m, l)
    return torch.stack([chances[:, list(tokens)].mean(dim=1) for tokens in label_tokens], dim=1)


def decode(moves: Tensor, anchors: Tensor) -> Tensor:
    """Move anchors (m, 4) as the head says (m, 4): left, top, right, bottom, (m, 4)."""
    size = anchors[:, 2:] - anchors[:, :2] + LAST_PIXEL  # (m, 2)
    centre = (anchors[:, :2] + anchors[:, 2:]) / 2
    centre = centre + moves[:, :2] / PLACE_WEIGHT * size
    grown = size * (moves[:, 2:] / SIZE_WEIGHT).clamp(max=LARGEST_GROWTH).exp()
    half = (grown - LAST_PIXEL) / 2
    return torch.cat([centre - half, centre + half], dim=1)


def level_boxes(
    network: Glip,
    i: int,
    level: Level,
    label_tokens: Sequence[Sequence[int]],
    size: tuple[int, int],
) -> tuple[Tensor, Tensor, Tensor]:
    """Return one level's boxes (n, 4) in the network's pixels, their scores (n,) and labels (n,).

    ``size`` is the picture's height and width, without padding.
    """
    scores = label_scores(level.fits, label_tokens)  # (m, c)
    is_candidate = scores > LEAST_FIT
    scores = scores * level.centerness.float().sigmoid()[:, None]
    n = min(int(is_candidate.sum()), MOST_A_LEVEL)
    cells, labels = is_candidate.nonzero().unbind(1)
    best, order = scores[cells, labels].topk(n)
    cells, labels = cells[order], labels[order]
    width = level.size[1]
    corner = torch.stack([cells % width, cells // width], dim=1) * STRIDES[i]  # (n, 2)
    anchors = network.anchor(i).float() + torch.cat([corner, corner], dim=1)
    boxes = decode(level.moves[cells].float(), anchors)  # (n, 4)
    edges = torch.tensor([size[1], size[0], size[1], size[0]], device=boxes.device) - LAST_PIXEL
    boxes = torch.minimum(boxes.clamp(min=0), edges)
    return boxes, best.sqrt(), labels


def merge(
    found: Sequence[tuple[Tensor, Tensor, Tensor]], nms: float, owners: Sequence[int] = ()
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]:
    """Join levels and captions, and drop boxes that say the same twice; best first.

    ``owners`` says whose each phrase is, where labels have several.
    """
    boxes = torch.cat([each[0] for each in found]).cpu().numpy().astype(np.float32)
    scores = torch.cat([each[1] for each in found]).cpu().numpy().astype(np.float32)
    labels = torch.cat([each[2] for each in found]).cpu().numpy().astype(np.intp)
    stay = suppress_words(boxes, scores, labels, owners, nms, extra=LAST_PIXEL)[:MOST]
    return boxes[stay], scores[stay], labels[stay]
