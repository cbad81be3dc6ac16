"""Deep fusion: image and text look at each other (GLIP, section 3.2).

The two projections that would be applied to every cell of the image, of 2,048 numbers (1,024 in
Grounding DINO), are pushed through the few tokens of the text instead, which is the same by the
associative law and saves most of the work.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

HEADS = 8
HEAD_WIDTH = 256


class CrossAttention(nn.Module):
    """One table of similarities, read along both of its sides."""

    def __init__(self, image_width: int, text_width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads, self.head_width = heads, head_width
        inner = heads * head_width
        self.v_proj = nn.Linear(image_width, inner)
        self.l_proj = nn.Linear(text_width, inner)
        self.values_v_proj = nn.Linear(image_width, inner)
        self.values_l_proj = nn.Linear(text_width, inner)
        self.out_v_proj = nn.Linear(inner, image_width)
        self.out_l_proj = nn.Linear(inner, text_width)

    def forward(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Return what each takes from the other: (m, c), (l, d) -> (m, c), (l, d)."""
        similarities = self._similarities(image, text)  # (m, heads, l)
        return self._to_image(similarities, text), self._to_text(similarities, image)

    def _similarities(self, image: Tensor, text: Tensor) -> Tensor:
        keys = self._split(self.l_proj(text)) * self.head_width**-0.5  # (l, heads, e)
        weight = self.v_proj.weight.view(self.heads, self.head_width, -1)  # (heads, e, c)
        folded = torch.einsum("lhe,hec->hlc", keys, weight)  # (heads, l, c)
        bias = torch.einsum("lhe,he->hl", keys, self.v_proj.bias.view(self.heads, -1))
        flat = torch.addmm(bias.flatten(), image, folded.flatten(0, 1).T)  # (m, heads l)
        return flat.view(len(image), self.heads, len(text))

    def _to_image(self, similarities: Tensor, text: Tensor) -> Tensor:
        values = self._split(self.values_l_proj(text))  # (l, heads, e)
        weight = self.out_v_proj.weight.view(-1, self.heads, self.head_width)  # (c, heads, e)
        folded = torch.einsum("lhe,che->hlc", values, weight)  # (heads, l, c)
        shares = similarities.softmax(dim=2).flatten(1)  # (m, heads l)
        return torch.addmm(self.out_v_proj.bias, shares, folded.flatten(0, 1))  # (m, c)

    def _to_text(self, similarities: Tensor, image: Tensor) -> Tensor:
        shares = similarities.softmax(dim=0)  # (m, heads, l)
        means = (shares.flatten(1).T @ image).view(self.heads, -1, image.shape[1])  # (heads, l, c)
        # Shares sum to one, so the mean of projected cells is the projected mean.
        weight = self.values_v_proj.weight.view(self.heads, self.head_width, -1)  # (heads, e, c)
        values = torch.einsum("hlc,hec->lhe", means, weight).flatten(1)  # (l, heads e)
        taken: Tensor = self.out_l_proj(values + self.values_v_proj.bias)  # (l, d)
        return taken

    def _split(self, x: Tensor) -> Tensor:
        return x.view(len(x), self.heads, self.head_width)  # (l, heads e) -> (l, heads, e)


class BiAttention(nn.Module):
    """Cross attention on both normalised streams, scaled by a learned factor a channel."""

    def __init__(
        self, image_width: int, text_width: int, heads: int = HEADS, head_width: int = HEAD_WIDTH
    ) -> None:
        super().__init__()
        self.layer_norm_v = nn.LayerNorm(image_width)
        self.layer_norm_l = nn.LayerNorm(text_width)
        self.attn = CrossAttention(image_width, text_width, heads, head_width)
        self.gamma_v = nn.Parameter(torch.empty(image_width))
        self.gamma_l = nn.Parameter(torch.empty(text_width))

    def forward(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse cells of all levels and tokens: (m, c), (l, d) -> (m, c), (l, d)."""
        image, text = self.layer_norm_v(image), self.layer_norm_l(text)
        to_image, to_text = self.attn(image, text)
        # Subtle: the sums are with the normalised streams, not with what came in.
        return image + self.gamma_v * to_image, text + self.gamma_l * to_text


class Fusion(nn.Module):
    """The same on a pyramid of maps."""

    def __init__(self, image_width: int, text_width: int) -> None:
        super().__init__()
        self.b_attn = BiAttention(image_width, text_width)

    def forward(self, levels: list[Tensor], text: Tensor) -> tuple[list[Tensor], Tensor]:
        """Fuse maps, each (1, c, h, w), with tokens (l, d); shapes stay."""
        cells = torch.cat([level[0].flatten(1).T for level in levels])  # (m, c)
        cells, text = self.b_attn(cells, text)
        sizes = [level.shape[2] * level.shape[3] for level in levels]
        parts = cells.split(sizes)
        fused = [
            part.T.reshape(level.shape) for part, level in zip(parts, levels, strict=True)
        ]  # each (1, c, h, w)
        return fused, text
