"""The dynamic head: maps of a pyramid exchange what they see.

Dai et al. 2021 (arXiv:2106.08322): deformable convolutions within a level and with its neighbours,
a weight for each of them, and an activation whose slopes depend on the picture (Chen et al. 2020,
arXiv:2003.10027). Module names are those of GLIP's released files.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipcli.encoder.torch.locators.deformable import TAPS, DeformableConvolution, output_size

GROUPS = 16
SAME, FINER, COARSER = 1, 2, 0  # which of the three convolutions a level's neighbour goes through


class NormedConvolution(nn.Module):
    """A deformable convolution and the norm after it."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv = DeformableConvolution(channels, stride)
        self.bn = nn.GroupNorm(GROUPS, channels)

    def forward(self, x: Tensor, offset: Tensor, mask: Tensor) -> Tensor:
        """Convolve (1, c, h, w) -> (1, c, ho, wo)."""
        size = output_size(x.shape[2], x.shape[3], self.conv.stride)
        normed: Tensor = self.bn(self.conv(x, _reread(offset, size), _reread(mask, size)))
        return normed


class DynamicRelu(nn.Module):
    """The larger of two lines a channel, whose slopes and heights the picture's mean decides."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // 4), nn.ReLU(), nn.Linear(channels // 4, 4 * channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape: (1, c, h, w)."""
        lines = _hard_sigmoid(self.fc(x.mean(dim=(2, 3)))) - 0.5  # (1, 4 c)
        slope_1, height_1, slope_2, height_2 = lines[..., None, None].chunk(4, dim=1)
        return torch.maximum(x * (2 * slope_1 + 1) + height_1, x * 2 * slope_2 + height_2)


class DynamicConvolution(nn.Module):
    """One layer of the head."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.DyConv = nn.ModuleList(NormedConvolution(channels, stride) for stride in (1, 1, 2))
        self.AttnConv = nn.Sequential(OrderedDict({"1": nn.Conv2d(channels, 1, 1)}))
        self.relu = DynamicRelu(channels)
        self.offset = nn.Conv2d(channels, 3 * TAPS, 3, padding=1)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Transform maps of one width, fine to coarse, each (1, c, h, w)."""
        return [self.relu(self._gather(levels, i)) for i in range(len(levels))]

    def _gather(self, levels: list[Tensor], i: int) -> Tensor:
        x = levels[i]
        moves = self.offset(x)[0]  # (27, h, w)
        offset, mask = moves[: 2 * TAPS], moves[2 * TAPS :].sigmoid()
        found = [self.DyConv[SAME](x, offset, mask)]
        if i > 0:
            found.append(self.DyConv[FINER](levels[i - 1], offset, mask))
        if i < len(levels) - 1:
            coarse = self.DyConv[COARSER](levels[i + 1], offset, mask)
            found.append(
                F.interpolate(coarse, size=x.shape[2:], mode="bilinear", align_corners=True)
            )
        total = torch.zeros_like(x)
        for each in found:
            share = _hard_sigmoid(F.relu(self.AttnConv(each.mean(dim=(2, 3), keepdim=True))))
            total = total + each * share  # (1, c, h, w)
        return total / len(found)


def _reread(plane: Tensor, size: tuple[int, int]) -> Tensor:
    """Read a level's offsets or mask for a map of another size: (k, h, w) -> (k, ho, wo).

    Subtle: the coarser level is convolved with this level's larger offsets, and the reference's
    kernel reads them as if they had the coarser level's size, row after row. The released weights
    were trained with that, so it is part of the model.
    """
    k, height, width = plane.shape
    if (height, width) == size:
        return plane
    n = k * size[0] * size[1]
    return plane.flatten()[:n].view(k, *size)


def _hard_sigmoid(x: Tensor) -> Tensor:
    return F.relu6(x + 3) / 6
