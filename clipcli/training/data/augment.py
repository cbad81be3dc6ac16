"""Varying pictures: random crops, flips and colours of a uint8 batch.

All draws come from the generator that is passed in, so that a step is a function of its seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from clipcli.training.config import AugmentationConfig

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601: how bright the eye finds red, green and blue


@dataclass(frozen=True, slots=True)
class BatchPart:
    """Which rows of a batch the pictures are; all are drawn for, so that parts fit together."""

    rows: slice
    whole: int  # rows of the batch


def random_crops(
    pictures: Tensor,
    size: int,
    config: AugmentationConfig,
    generator: Generator,
    part: BatchPart | None = None,
) -> Tensor:
    """Crop and flip each picture: uint8 (n, H, W, 3) -> uint8 (n, 3, size, size).

    One antialiased resize a picture costs 40 us from 96 to 64 px on one core; sampling the whole
    batch through a grid costs no less and aliases.
    """
    n, height, width, _ = pictures.shape
    x = pictures.permute(0, 3, 1, 2)  # (n, 3, H, W), channels last in memory
    crops = torch.empty((n, 3, size, size), dtype=torch.uint8, memory_format=torch.channels_last)
    parts = [1] * n  # of a side's pixels that are kept: a whole, a half, a third ...
    if config.coarse:
        is_coarse = _rand(n, generator, part) < config.coarse  # (n,)
        parts = (1 + is_coarse * _draw_coarseness(n, config, generator, part)).tolist()
    boxes = draw_boxes(n, height, width, config, generator, part)
    for i, (top, left, h, w) in enumerate(boxes):
        crop = x[i : i + 1, :, top : top + h, left : left + w]
        if parts[i] > 1:
            # Enlarged as pictures are in use: other filters leave other traces, and a network that
            # knows those of one mistakes what another one made.
            small = _resize(crop, size // parts[i])
            crops[i : i + 1] = _resize(small, size, "bicubic")
        else:
            crops[i : i + 1] = _resize(crop, size)
    if config.flip:
        flipped = _rand(n, generator, part) < 0.5  # (n,)
        crops[flipped] = crops[flipped].flip(3)
    return crops


def _draw_coarseness(
    n: int, config: AugmentationConfig, generator: Generator, part: BatchPart | None
) -> Tensor:
    """Draw int64 (n,) from 1 to ``coarsest`` - 1; nothing is drawn where there is no choice."""
    if config.coarsest <= 2:
        return torch.ones(n, dtype=torch.long)
    return 1 + (_rand(n, generator, part) * (config.coarsest - 1)).long()


def draw_boxes(
    n: int,
    height: int,
    width: int,
    config: AugmentationConfig,
    generator: Generator,
    part: BatchPart | None = None,
) -> list[tuple[int, int, int, int]]:
    """Draw ``n`` boxes (top, left, height, width) by area and aspect, uniformly placed."""
    share, turn, down, right = _rand(n, generator, part, kinds=4, dtype=torch.float64)
    area = config.min_area + (config.max_area - config.min_area) * share  # (n,)
    aspect = torch.exp((2 * turn - 1) * math.log(config.max_aspect))  # (n,), width to height
    h = (height * (area / aspect).sqrt()).round().clamp(1, height)
    w = (width * (area * aspect).sqrt()).round().clamp(1, width)
    top, left = ((height - h + 1) * down).floor(), ((width - w + 1) * right).floor()
    boxes: list[tuple[int, int, int, int]] = torch.stack([top, left, h, w], dim=1).long().tolist()
    return boxes


def centre_crops(pictures: Tensor, size: int) -> Tensor:
    """Resize without chance: uint8 (n, H, W, 3), square -> uint8 (n, 3, size, size)."""
    return _resize(pictures.permute(0, 3, 1, 2), size, mode="bicubic")


def _resize(x: Tensor, size: int, mode: str = "bilinear") -> Tensor:
    if x.shape[2:] == (size, size):
        return x
    resized: Tensor = F.interpolate(x, size=(size, size), mode=mode, antialias=True)
    return resized


def colour_matrices(
    n: int, config: AugmentationConfig, generator: Generator, part: BatchPart | None = None
) -> Tensor:
    """Draw brightness and saturation changes as matrices on (red, green, blue): (n, 3, 3)."""
    brightness, saturation = _factors(n, (config.brightness, config.saturation), generator, part)
    grey = _rand(n, generator, part) < config.grey  # (n,)
    saturation = torch.where(grey, 0.0, saturation)[:, None, None]  # (n, 1, 1)
    luma = torch.tensor(LUMA).expand(3, 3)  # each row takes the luminance
    mixed = saturation * torch.eye(3) + (1 - saturation) * luma  # (n, 3, 3)
    matrices: Tensor = brightness[:, None, None] * mixed
    return matrices


def normalise(
    crops: Tensor,
    mean: Sequence[float],
    std: Sequence[float],
    config: AugmentationConfig | None = None,
    generator: Generator | None = None,
    part: BatchPart | None = None,
) -> Tensor:
    """Return network input, colours varied if asked: uint8 (n, 3, h, w) -> float (n, 3, h, w).

    Brightness, saturation, contrast and the normalisation are all affine, so one matrix and one
    offset a picture does them. Values are not clipped: the tower need not see possible photos.
    """
    n, _, height, width = crops.shape
    x = crops.permute(0, 2, 3, 1).reshape(n, height * width, 3).float()  # (n, h w, 3)
    scale = 1 / (255 * torch.tensor(std, dtype=torch.float32))  # (3,)
    offset = torch.tensor(mean) / torch.tensor(std)  # (3,)
    if config is None or generator is None:
        x = x * scale - offset  # (n, h w, 3)
    else:
        matrices = colour_matrices(n, config, generator, part)  # (n, 3, 3)
        (contrast,) = _factors(n, (config.contrast,), generator, part)
        contrast = contrast[:, None, None]
        mean_colour = x.mean(dim=1, keepdim=True) @ matrices.mT  # (n, 1, 3)
        grey = mean_colour.mean(dim=2, keepdim=True)  # (n, 1, 1)
        shift = (1 - contrast) * grey * scale - offset  # (n, 1, 3)
        x = torch.baddbmm(shift, x, contrast * matrices.mT * scale)  # (n, h w, 3)
    return x.view(n, height, width, 3).permute(0, 3, 1, 2)  # (n, 3, h, w), channels last


def _factors(
    n: int, ranges: tuple[float, ...], generator: Generator, part: BatchPart | None
) -> Tensor:
    """Draw factors from 1 - r to 1 + r for each range r: (len(ranges), n)."""
    spread = torch.tensor(ranges)[:, None]  # (r, 1)
    return 1 + spread * (2 * _rand(n, generator, part, kinds=len(ranges)) - 1)


def _rand(
    n: int,
    generator: Generator,
    part: BatchPart | None,
    kinds: int | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Draw from 0 to 1 for each of ``n`` pictures: (n,), or (kinds, n)."""
    whole = n if part is None else part.whole
    shape = (whole,) if kinds is None else (kinds, whole)
    drawn = torch.rand(shape, generator=generator, dtype=dtype)
    return drawn if part is None else drawn[..., part.rows]
