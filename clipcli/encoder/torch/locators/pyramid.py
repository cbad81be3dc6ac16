"""The feature pyramid of GLIP: maps of one width at five strides.

Lin et al. 2017 (arXiv:1612.03144), with RetinaNet's two further maps (arXiv:1708.02002), made from
the coarsest one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

FIRST = 2  # names count Swin's stages from one, and the first is not used


class Pyramid(nn.Module):
    """Three maps in, five maps out."""

    def __init__(self, widths: Sequence[int], channels: int) -> None:
        super().__init__()
        self.n = len(widths)
        for i, width in enumerate(widths, FIRST):
            self.add_module(f"fpn_inner{i}", nn.Conv2d(width, channels, 1))
            self.add_module(f"fpn_layer{i}", nn.Conv2d(channels, channels, 3, padding=1))
        self.top_blocks = nn.ModuleDict(
            {name: nn.Conv2d(channels, channels, 3, stride=2, padding=1) for name in ("p6", "p7")}
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Merge from coarse to fine: each (n, d, h, w) -> (n, channels, h, w), and two more."""
        inner: Tensor | None = None
        levels: list[Tensor] = []
        for i, x in reversed(list(enumerate(maps, FIRST))):
            lateral = self.get_submodule(f"fpn_inner{i}")(x)
            if inner is not None:
                lateral = lateral + F.interpolate(inner, size=lateral.shape[2:], mode="nearest")
            inner = lateral
            levels.insert(0, self.get_submodule(f"fpn_layer{i}")(inner))
        p6 = self.top_blocks["p6"](levels[-1])
        return [*levels, p6, self.top_blocks["p7"](F.relu(p6))]
