"""The vision transformer, CLIP's usual image tower.

Dosovitskiy et al. 2020 (arXiv:2010.11929) with CLIP's extra layer norm before the blocks
(Radford et al. 2021, section 2.4).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clipcli.encoder.torch.transformer import Transformer
from clipcli.models.config import Activation, VisionTransformer


class VisionTower(nn.Module):
    """Pixels to embeddings: patches and a class token through a transformer."""

    def __init__(self, shape: VisionTransformer, embed_dim: int, activation: Activation) -> None:
        super().__init__()
        patch = shape.patch_size
        n_tokens = (shape.image_size // patch) ** 2 + 1  # 7 x 7 + 1 = 50 for ViT-B/32 at 224 px
        self.conv1 = nn.Conv2d(3, shape.width, kernel_size=patch, stride=patch, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(shape.width))
        self.positional_embedding = nn.Parameter(torch.empty(n_tokens, shape.width))
        self.ln_pre = nn.LayerNorm(shape.width)
        self.transformer = Transformer(
            shape.width, shape.layers, shape.heads, shape.mlp_width, activation
        )
        self.ln_post = nn.LayerNorm(shape.width)
        self.proj = nn.Parameter(torch.empty(shape.width, embed_dim))
        for parameter in (self.class_embedding, self.positional_embedding, self.proj):
            nn.init.normal_(parameter, std=shape.width**-0.5)

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed normalised pixels: float (n, 3, h, w) -> (n, d), not of unit length."""
        x = self.conv1(pixels)  # (n, 3, h, w) -> (n, width, h/patch, w/patch)
        x = x.flatten(2).transpose(1, 2)  # (n, l - 1, width)
        first = self.class_embedding.expand(x.shape[0], 1, -1)  # (n, 1, width)
        x = torch.cat([first, x], dim=1) + self.positional_embedding  # (n, l, width)
        x = self.ln_post(self.transformer.read_first(self.ln_pre(x)))  # (n, width)
        embeddings: Tensor = x @ self.proj  # (n, d)
        return embeddings
