"""Swin, the image tower of GLIP and Grounding DINO: attention in windows that shift.

Liu et al. 2021 (arXiv:2103.14030). Module names are those of GLIP's released files.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH = 4  # pixels
OTHER_REGION = -100.0  # added between cells that lie side by side only because of the shift


class SwinShape(Protocol):
    """The sizes of an image tower."""

    @property
    def width(self) -> int: ...

    @property
    def depths(self) -> tuple[int, ...]: ...

    @property
    def heads(self) -> tuple[int, ...]: ...

    @property
    def window(self) -> int: ...


class WindowAttention(nn.Module):
    """Self-attention within each window, with a learned bias for how far two cells are apart."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Mix the cells of each window: (n, l, d), with a mask (n, l, l) -> (n, l, d)."""
        n, length, width = x.shape
        qkv = self.qkv(x).view(n, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind()  # three of (n, heads, l, d/heads)
        index = relative_positions(self.window).to(x.device)  # (l, l)
        bias = self.relative_position_bias_table[index].permute(2, 0, 1)[None]  # (1, heads, l, l)
        if mask is not None:
            bias = bias + mask[:, None]  # (n, heads, l, l)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        mixed: Tensor = self.proj(x.transpose(1, 2).reshape(n, length, width))
        return mixed


class SwinBlock(nn.Module):
    """Attention in windows and a perceptron, each on the normalised stream and added to it."""

    def __init__(self, width: int, heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)}
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Transform a map of cells: (n, h, w, d) -> (n, h, w, d)."""
        n, height, width = x.shape[:3]
        y = self.norm1(x)
        y = F.pad(y, (0, 0, 0, -width % self.window, 0, -height % self.window))
        if self.shift:
            y = y.roll((-self.shift, -self.shift), dims=(1, 2))
        windows = to_windows(y, self.window)  # (n m, l, d)
        windows = self.attn(windows, mask.repeat(n, 1, 1) if self.shift else None)
        y = from_windows(windows, self.window, y.shape)
        if self.shift:
            y = y.roll((self.shift, self.shift), dims=(1, 2))
        x = x + y[:, :height, :width]
        transformed: Tensor = x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))
        return transformed


class Merging(nn.Module):
    """Halve the map: four neighbours become one cell of twice the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        """Merge: (n, h, w, d) -> (n, h/2, w/2, 2d), halves rounded up."""
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        corners = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]  # down first, then across
        merged: Tensor = self.reduction(self.norm(torch.cat(corners, dim=-1)))
        return merged


class SwinStage(nn.Module):
    """Blocks at one resolution, every second one shifted, and the merging after them."""

    def __init__(self, width: int, depth: int, heads: int, window: int, *, is_last: bool) -> None:
        super().__init__()
        self.window = window
        shifts = (0, window // 2)
        self.blocks = nn.ModuleList(
            SwinBlock(width, heads, window, shifts[i % 2]) for i in range(depth)
        )
        self.downsample = None if is_last else Merging(width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the map (n, h, w, d), and what the next stage starts from."""
        mask = shift_mask(x.shape[1], x.shape[2], self.window).to(x.device, x.dtype)
        for block in self.blocks:
            x = block(x, mask)
        return x, x if self.downsample is None else self.downsample(x)


class Swin(nn.Module):
    """Pixels to maps at strides 4, 8, 16 and 32, or from a later stage on."""

    def __init__(self, shape: SwinShape, first: int = 1) -> None:
        super().__init__()
        self.first = first
        n = len(shape.depths)
        widths = [shape.width * 2**i for i in range(n)]
        self.patch_embed = nn.ModuleDict(
            {
                "proj": nn.Conv2d(3, shape.width, PATCH, stride=PATCH),
                "norm": nn.LayerNorm(shape.width),
            }
        )
        self.layers = nn.ModuleList(
            SwinStage(width, depth, heads, shape.window, is_last=i == n - 1)
            for i, (width, depth, heads) in enumerate(
                zip(widths, shape.depths, shape.heads, strict=True)
            )
        )
        for i in range(first, n):
            self.add_module(f"norm{i}", nn.LayerNorm(widths[i]))

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Return maps of all stages from ``first`` on: (n, 3, h, w) -> each (n, d, h/s, w/s)."""
        height, width = pixels.shape[2:]
        pixels = F.pad(pixels, (0, -width % PATCH, 0, -height % PATCH))
        x = self.patch_embed["proj"](pixels).permute(0, 2, 3, 1)  # (n, h/4, w/4, d)
        x = self.patch_embed["norm"](x)
        maps = []
        for i, stage in enumerate(self.layers):
            out, x = stage(x)
            if i >= self.first:
                norm = self.get_submodule(f"norm{i}")
                maps.append(norm(out).permute(0, 3, 1, 2))  # (n, d, h, w)
        return maps


def to_windows(x: Tensor, window: int) -> Tensor:
    """Cut a map into windows: (n, h, w, d) -> (n m, window^2, d), m of them a map."""
    n, height, width, d = x.shape
    x = x.view(n, height // window, window, width // window, window, d)
    return x.transpose(2, 3).reshape(-1, window * window, d)


def from_windows(windows: Tensor, window: int, shape: torch.Size) -> Tensor:
    """Put windows back: the opposite of :func:`to_windows`, into a map of ``shape``."""
    n, height, width, d = shape
    x = windows.view(n, height // window, width // window, window, window, d)
    return x.transpose(2, 3).reshape(n, height, width, d)


def relative_positions(window: int) -> Tensor:
    """Return which row of the bias table belongs to each pair of cells, (l, l)."""
    places = torch.arange(window)
    y, x = torch.meshgrid(places, places, indexing="ij")
    cells = torch.stack([y, x]).flatten(1)  # (2, l)
    apart = cells[:, :, None] - cells[:, None] + window - 1  # (2, l, l), from 0 on
    return apart[0] * (2 * window - 1) + apart[1]


def shift_mask(height: int, width: int, window: int) -> Tensor:
    """Return what keeps regions apart that only a shift brought together, (m, l, l)."""
    shift = window // 2

    def regions(size: int) -> Tensor:
        padded = size + -size % window
        places = torch.arange(padded)
        return (places >= padded - window).long() + (places >= padded - shift).long()

    names = regions(height)[:, None] * 3 + regions(width)[None]  # (h, w)
    windows = to_windows(names[None, :, :, None].float(), window)[..., 0]  # (m, l)
    is_other = windows[:, None] != windows[:, :, None]  # (m, l, l)
    return is_other.float() * OTHER_REGION
