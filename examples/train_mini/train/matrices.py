"""The trunk's last stages as products of matrices, which train on a processor four times as fast.

Between two activations all is linear: a 1x1 convolution is one product over the channels, and a
depthwise convolution of a map this small (10 x 10 or 5 x 5) one product a channel over the
positions, most of whose taps meet a position in any case. Torch's own depthwise convolution has no
fast way back on processors, and takes most of the time. Tensors are (channels, n, positions).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipcli.encoder.torch.efficientnet import EfficientNetTower, SameConv2d

HIGHEST = 6.0  # of ReLU6


class Pointwise(nn.Module):
    """A 1x1 convolution."""

    def __init__(self, conv: SameConv2d) -> None:
        super().__init__()
        self.weight = nn.Parameter(conv.weight.detach().flatten(1).clone())
        self.bias = nn.Parameter(_bias(conv))

    def forward(self, x: Tensor) -> Tensor:
        """Transform: (in, n, p) -> (out, n, p)."""
        channels, n, positions = x.shape
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        return torch.addmm(bias[:, None], weight, x.reshape(channels, -1)).view(-1, n, positions)


class Depthwise(nn.Module):
    """A depthwise convolution of square maps, padded as TensorFlow's "same"."""

    taps: Tensor

    def __init__(self, conv: SameConv2d, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(conv.weight.detach().flatten(1).clone())  # (c, k * k)
        self.bias = nn.Parameter(_bias(conv))
        taps = tap_table(side, conv.kernel_size[0], conv.stride[0])  # (k * k, in, out)
        self.positions = taps.shape[1:]
        self.register_buffer("taps", taps.flatten(1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform: (c, n, in) -> (c, n, out)."""
        spread = (self.weight @ self.taps).view(-1, *self.positions)  # (c, in, out)
        return torch.bmm(x, spread.to(x.dtype)) + self.bias.to(x.dtype)[:, None, None]


class LastStages(nn.Module):
    """The tower's blocks after some stages, its last convolution and the mean over positions.

    Batch norms must be folded already (clipcli's ``fold_batch_norms``).
    """

    def __init__(self, tower: EfficientNetTower, first: int, side: int) -> None:
        super().__init__()
        self.first, blocks = first, []
        self.is_sum = []
        for block in (block for stage in tower.blocks[first:] for block in stage):
            blocks += [
                Pointwise(block.conv_pw),
                Depthwise(block.conv_dw, side),
                Pointwise(block.conv_pwl),
            ]
            side = -(-side // block.conv_dw.stride[0])
            self.is_sum.append(block.has_shortcut)
        self.blocks = nn.ModuleList(blocks)
        self.last = Pointwise(tower.conv_head)

    def forward(self, maps: Tensor) -> Tensor:
        """Go on: (n, c, p) -> mean features (n, 1280) float32."""
        x = maps.transpose(0, 1).contiguous()  # (c, n, p)
        for number, is_sum in enumerate(self.is_sum):
            widen, convolve, narrow = self.blocks[3 * number : 3 * number + 3]
            y = narrow(F.hardtanh(convolve(F.hardtanh(widen(x), 0, HIGHEST)), 0, HIGHEST))
            x = x + y if is_sum else y
        return F.hardtanh(self.last(x), 0, HIGHEST).float().mean(dim=2).T

    def write_to(self, tower: EfficientNetTower) -> None:
        """Give the tower, whose batch norms are folded, these weights."""
        blocks = [block for stage in tower.blocks[self.first :] for block in stage]
        convs = [conv for b in blocks for conv in (b.conv_pw, b.conv_dw, b.conv_pwl)]
        for conv, layer in zip([*convs, tower.conv_head], [*self.blocks, self.last], strict=True):
            conv.weight.data.copy_(layer.weight.detach().view_as(conv.weight))
            conv.bias.data.copy_(layer.bias.detach())


def tap_table(side: int, kernel: int, stride: int) -> Tensor:
    """Return (k * k, in, out): 1 where a tap of the kernel joins two positions of square maps."""
    out = -(-side // stride)
    before = max((out - 1) * stride + kernel - side, 0) // 2
    along = torch.zeros(kernel, side, out)  # the same in one direction
    for step in range(out):
        for tap in range(kernel):
            position = step * stride + tap - before
            if 0 <= position < side:
                along[tap, position, step] = 1
    both = torch.einsum("aip,bjq->abijpq", along, along)  # (k, k, s, s, out, out)
    return both.reshape(kernel * kernel, side * side, out * out)


def _bias(conv: SameConv2d) -> Tensor:
    if conv.bias is None:
        raise ValueError("fold the batch norms first")
    return conv.bias.detach().clone()
