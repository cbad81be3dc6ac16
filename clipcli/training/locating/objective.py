"""What a GLIP network is to minimise on one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcli.encoder.torch.locators.glip_boxes import STRIDES, decode
from clipcli.training.locating.assign import assign, centres
from clipcli.training.locating.losses import alignment_loss, box_losses, centerness

if TYPE_CHECKING:
    from clipcli.encoder.torch.locators.glip import Glip, Level
    from clipcli.training.locating.draw import Drawn


@dataclass(frozen=True, slots=True)
class Losses:
    """The parts of a picture's loss, weighted; their sum is minimised."""

    alignment: Tensor
    distance: Tensor  # L1 of edges
    overlap: Tensor
    centerness: Tensor

    def total(self) -> Tensor:
        """Return the sum."""
        return self.alignment + self.distance + self.overlap + self.centerness


DISTANCE_WEIGHT, OVERLAP_WEIGHT = 1.0, 2.0


def losses_of(network: Glip, drawn: Drawn) -> Losses:
    """Look at one picture and compare with what is annotated."""
    text = network.encode_text(drawn.tokens)
    levels = network.read(network.encode_image(drawn.pixels), text)
    anchors = [anchors_of(network, i, level) for i, level in enumerate(levels)]
    found = assign(anchors, drawn.boxes)  # (m,)
    positive = found >= 0
    fits = torch.cat([level.fits for level in levels]).float()  # (m, l)
    wanted = torch.zeros_like(fits)
    wanted[positive] = drawn.words[found[positive]]
    n = positive.sum().clamp(min=1)
    alignment = alignment_loss(fits[:, drawn.counts], wanted[:, drawn.counts]) / n
    moves = torch.cat([level.moves for level in levels])[positive].float()  # (p, 4)
    central = torch.cat([level.centerness for level in levels])[positive].float()  # (p,)
    if not len(moves):
        nothing = moves.sum() + central.sum()  # 0, with a gradient of 0
        return Losses(alignment, nothing, nothing, nothing)
    every = torch.cat(anchors)[positive]
    boxes = drawn.boxes[found[positive]]
    worth = centerness(centres(every), boxes)  # (p,)
    side = float(max(drawn.size))
    distance, overlap = box_losses(decode(moves, every), boxes, worth, side)
    certainty = F.binary_cross_entropy_with_logits(central, worth, reduction="sum") / n
    return Losses(alignment, DISTANCE_WEIGHT * distance, OVERLAP_WEIGHT * overlap, certainty)


def anchors_of(network: Glip, i: int, level: Level) -> Tensor:
    """Return the anchors of a level's cells, row by row: (m, 4)."""
    height, width = level.size
    device = level.moves.device
    y, x = torch.meshgrid(
        torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij"
    )
    corner = torch.stack([x, y], dim=-1).view(-1, 2) * STRIDES[i]  # (m, 2)
    return network.anchor(i).float() + torch.cat([corner, corner], dim=1)
