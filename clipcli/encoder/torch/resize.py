"""Running an image tower at another picture size.

A tower's only weights that depend on the picture's size are its learned positions: one row an
image position after one for the class token or mean. They are interpolated as a small picture,
as in Dosovitskiy et al. 2020, section 3.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcli.encoder.torch.resnet import TOTAL_STRIDE
from clipcli.models.config import Architecture, EfficientNetLite, ModifiedResNet


def resized_architecture(architecture: Architecture, image_size: int) -> Architecture:
    """Return the same architecture for another picture size, in pixels."""
    return replace(architecture, image=replace(architecture.image, image_size=image_size))


def resize_positions(
    state: Mapping[str, Tensor], architecture: Architecture, image_size: int
) -> dict[str, Tensor]:
    """Return ``state`` with image positions for ``image_size``, all else shared, not copied.

    The result loads into ``CLIP(resized_architecture(architecture, image_size))``.
    """
    if isinstance(architecture.image, EfficientNetLite):
        return dict(state)  # it has no positions
    if isinstance(architecture.image, ModifiedResNet):
        name, stride = "visual.attnpool.positional_embedding", TOTAL_STRIDE
    else:
        name, stride = "visual.positional_embedding", architecture.image.patch_size
    positions = state[name]  # (1 + grid^2, d)
    return {**state, name: _resize_grid(positions, image_size // stride)}


def _resize_grid(positions: Tensor, grid: int) -> Tensor:
    """Interpolate all rows but the first: (1 + g^2, d) -> (1 + grid^2, d)."""
    first, rest = positions[:1], positions[1:]
    old_grid = round(len(rest) ** 0.5)
    if grid == old_grid:
        return positions
    picture = rest.float().T.reshape(1, -1, old_grid, old_grid)  # (1, d, g, g)
    picture = F.interpolate(
        picture, size=(grid, grid), mode="bicubic", align_corners=False, antialias=True
    )  # (1, d, grid, grid)
    resized = picture.flatten(2)[0].T.to(positions.dtype)  # (grid^2, d)
    return torch.cat([first, resized])
