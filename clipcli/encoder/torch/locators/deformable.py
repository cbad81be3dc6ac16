"""Modulated deformable convolution (Zhu et al. 2018, arXiv:1811.11168) by gathering rows.

A 3 x 3 kernel's nine taps each look a learned way off their place, between cells, and count as much
as a learned mask says. Out of the map is zero.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TAPS = 9
KERNEL, PADDING = 3, 1


class DeformableConvolution(nn.Module):
    """A 3 x 3 convolution whose taps move; without groups."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(channels, channels, KERNEL, KERNEL))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor, offset: Tensor, mask: Tensor) -> Tensor:
        """Convolve one map.

        Parameters
        ----------
        x
            (1, c, h, w).
        offset
            (18, ho, wo): how far each tap looks down and to the right, in cells.
        mask
            (9, ho, wo): how much each tap counts.

        Returns
        -------
        Tensor
            (1, c, ho, wo).
        """
        channels, height, width = x.shape[1:]
        size = offset.shape[1:]
        indices, weights = taps(offset, mask, (height, width), self.stride)  # (ho wo 9, 4) each
        cells = x[0].flatten(1).T.contiguous()  # (h w, c)
        columns = F.embedding_bag(
            indices, cells, mode="sum", per_sample_weights=weights.to(cells.dtype)
        )  # (ho wo 9, c)
        columns = columns.view(-1, TAPS * channels)
        weight = self.weight.permute(0, 2, 3, 1).reshape(channels, -1)  # (c, 9 c)
        out = F.linear(columns, weight, self.bias)  # (ho wo, c)
        return out.T.reshape(1, channels, *size)


def output_size(height: int, width: int, stride: int) -> tuple[int, int]:
    """Return the size of a convolution's map."""
    return (
        (height + 2 * PADDING - KERNEL) // stride + 1,
        (width + 2 * PADDING - KERNEL) // stride + 1,
    )


def taps(offset: Tensor, mask: Tensor, size: tuple[int, int], stride: int) -> tuple[Tensor, Tensor]:
    """Return the four cells around each tap's place, and their weights: (ho wo 9, 4) each."""
    height, width = size
    out_height, out_width = offset.shape[1:]
    device = offset.device
    rows, columns = (torch.arange(n, device=device) * stride - PADDING for n in offset.shape[1:])
    kernel = torch.arange(KERNEL, device=device)
    down = (rows[None, :] + kernel[:, None])[:, None, :, None]  # (3, 1, ho, 1)
    across = (columns[None, :] + kernel[:, None])[None, :, None, :]  # (1, 3, 1, wo)
    # Subtle: the channels of an offset go tap by tap, first down, then across.
    moved = offset.float().view(TAPS, 2, out_height, out_width)
    grid = (KERNEL, KERNEL, out_height, out_width)
    y = (down.expand(grid).flatten(0, 1) + moved[:, 0]).flatten(1).T.flatten()  # (ho wo 9,)
    x = (across.expand(grid).flatten(0, 1) + moved[:, 1]).flatten(1).T.flatten()
    counts = mask.float().flatten(1).T.flatten()  # (ho wo 9,)
    top, left = y.floor(), x.floor()
    shares_y = torch.stack([1 - (y - top), y - top], dim=1)  # (m, 2)
    shares_x = torch.stack([1 - (x - left), x - left], dim=1)
    cells_y = torch.stack([top, top + 1], dim=1)
    cells_x = torch.stack([left, left + 1], dim=1)
    shares_y = shares_y * ((cells_y >= 0) & (cells_y < height))
    shares_x = shares_x * ((cells_x >= 0) & (cells_x < width))
    cells_y = cells_y.clamp(0, height - 1).long()
    cells_x = cells_x.clamp(0, width - 1).long()
    indices = (cells_y[:, :, None] * width + cells_x[:, None]).flatten(1)  # (m, 4)
    weights = (shares_y[:, :, None] * shares_x[:, None]).flatten(1) * counts[:, None]
    return indices, weights
