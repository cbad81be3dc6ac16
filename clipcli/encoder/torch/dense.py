"""Vectors for places in a picture: what each kind of image tower says before it pools.

Nothing is trained for this. Convolutional towers: each place goes alone through what the pooling
does to its mean (Zhou et al. 2021, arXiv:2112.01071, "MaskCLIP"). Transformers: in the last block a
place looks at places like itself (Wang et al. 2023, arXiv:2312.01597, "SCLIP"), and nothing is
added to what it finds there (Lan et al. 2024, arXiv:2407.12442, "ClearCLIP").
"""

from __future__ import annotations

from functools import singledispatch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipcli.encoder.torch.efficientnet import EfficientNetTower
from clipcli.encoder.torch.resnet import ResNetTower
from clipcli.encoder.torch.siglip import SiglipVisionTower
from clipcli.encoder.torch.transformer import ResidualBlock, SelfAttention, Transformer
from clipcli.encoder.torch.vision import VisionTower


@singledispatch
def dense_vectors(tower: nn.Module, pixels: Tensor) -> Tensor:
    """Embed every place: normalised pixels (n, 3, h, w) -> (n, gh, gw, d), not of unit length.

    The picture's sides may be any multiples of the tower's stride; learned positions are
    interpolated.
    """
    raise TypeError(type(tower).__name__)


@dense_vectors.register
def _(tower: ResNetTower, pixels: Tensor) -> Tensor:
    x = tower.features(pixels)  # (n, c, gh, gw)
    pool = tower.attnpool
    positions = stretched(pool.positional_embedding[1:], x.shape[2], x.shape[3])  # (gh gw, c)
    x = x.permute(0, 2, 3, 1) + positions.view(*x.shape[2:], -1)  # (n, gh, gw, c)
    vectors: Tensor = pool.c_proj(pool.v_proj(x))
    return vectors


@dense_vectors.register
def _(tower: EfficientNetTower, pixels: Tensor) -> Tensor:
    vectors: Tensor = tower.head(tower.features(pixels).permute(0, 2, 3, 1))
    return vectors


@dense_vectors.register
def _(tower: VisionTower, pixels: Tensor) -> Tensor:
    x = tower.conv1(pixels)  # (n, width, gh, gw)
    grid = (x.shape[2], x.shape[3])
    learned = tower.positional_embedding
    positions = torch.cat([learned[:1], stretched(learned[1:], *grid)])  # (1 + gh gw, width)
    x = x.flatten(2).transpose(1, 2)
    first = tower.class_embedding.expand(len(x), 1, -1)
    x = tower.ln_pre(torch.cat([first, x], dim=1) + positions)
    x = _to_alike(tower.transformer, x)[:, 1:]  # (n, gh gw, width)
    return _as_grid(tower.ln_post(x) @ tower.proj, grid)


@dense_vectors.register
def _(tower: SiglipVisionTower, pixels: Tensor) -> Tensor:
    x = tower.conv1(pixels)
    grid = (x.shape[2], x.shape[3])
    x = x.flatten(2).transpose(1, 2) + stretched(tower.positional_embedding, *grid)
    x = tower.ln_post(_to_alike(tower.transformer, x))
    pool = tower.pool
    width = x.shape[-1]
    values = F.linear(x, pool.attn.in_proj_weight[2 * width :], pool.attn.in_proj_bias[2 * width :])
    x = pool.attn.out_proj(values)
    return _as_grid(x + pool.mlp(pool.ln(x)), grid)


def _as_grid(x: Tensor, grid: tuple[int, int]) -> Tensor:
    return x.view(len(x), *grid, -1)  # (n, gh gw, d) -> (n, gh, gw, d)


def stretched(positions: Tensor, height: int, width: int) -> Tensor:
    """Interpolate a square of learned positions: (g^2, c) -> (height width, c)."""
    side = round(len(positions) ** 0.5)
    if (side, side) == (height, width):
        return positions
    square = positions.T.reshape(1, -1, side, side)  # (1, c, g, g)
    grid = F.interpolate(square, size=(height, width), mode="bicubic", align_corners=False)
    return grid[0].flatten(1).T


def _to_alike(transformer: Transformer, x: Tensor) -> Tensor:
    """Run all blocks, the last one only as attention between places that are alike."""
    *blocks, last = transformer.resblocks.children()
    for block in blocks:
        x = block(x)
    assert isinstance(last, ResidualBlock)
    return alike_attention(last.attn, last.ln_1(x))


def alike_attention(attention: SelfAttention, x: Tensor) -> Tensor:
    """Let queries look at queries and keys at keys: (n, l, d) -> (n, l, d)."""
    n, length, width = x.shape
    x = F.linear(x, attention.in_proj_weight, attention.in_proj_bias)
    x = x.view(n, length, 3, attention.heads, width // attention.heads)
    q, k, v = x.permute(2, 0, 3, 1, 4).unbind()  # three of (n, heads, l, d/heads)
    found = F.scaled_dot_product_attention(q, q, v) + F.scaled_dot_product_attention(k, k, v)
    mixed: Tensor = attention.out_proj(found.transpose(1, 2).reshape(n, length, width))
    return mixed
