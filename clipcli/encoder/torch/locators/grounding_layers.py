"""Grounding DINO's encoder and decoder layers.

Liu et al. 2023 (arXiv:2303.05499), sections 3.1 and 3.3. One picture and one caption at a time: m
cells of all maps, l tokens, q queries. Modules are named as in transformers; the fusion is GLIP's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipcli.encoder.torch.locators.fusion import BiAttention
from clipcli.encoder.torch.locators.multiscale import BLOCK, Maps, MultiscaleAttention
from clipcli.models.locators.grounding import GroundingArchitecture

TEXT_TEMPERATURE = 10_000.0  # of tokens' places, and of boxes
FULL_TURN = 2 * math.pi


@dataclass(frozen=True, slots=True)
class Text:
    """What is known of a caption before a picture is seen."""

    tokens: Tensor  # (l, c)
    mask: Tensor  # (l, l): which tokens belong to one phrase
    places: Tensor  # (l, c): where each stands in its phrase


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known of a picture before a caption is read."""

    cells: Tensor  # (m, c)
    places: Tensor  # (m, c): where each cell lies, and on which map
    centres: Tensor  # (m, levels, 2): see MultiscaleAttention
    maps: Maps


class Attention(nn.Module):
    """Attention of heads, without a mask or with one of who looks at whom."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(
        self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Attend: (q, c), (k, c), (k, c), with a mask (q, k) -> (q, c)."""
        q, k, v = (
            layer(x).view(1, len(x), self.heads, -1).transpose(1, 2)
            for layer, x in ((self.query, queries), (self.key, keys), (self.value, values))
        )  # three of (1, heads, n, c/heads)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        out: Tensor = self.out_proj(y[0].transpose(0, 1).flatten(1))
        return out


class TextEnhancer(nn.Module):
    """Tokens of one phrase look at each other."""

    def __init__(self, width: int, heads: int, mlp_width: int) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.layer_norm_before = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, mlp_width)
        self.fc2 = nn.Linear(mlp_width, width)
        self.layer_norm_after = nn.LayerNorm(width)

    def forward(self, x: Tensor, text: Text) -> Tensor:
        """Transform tokens (l, c) -> (l, c)."""
        placed = x + text.places
        x = self.layer_norm_before(x + self.self_attn(placed, placed, x, text.mask))
        enhanced: Tensor = self.layer_norm_after(x + self.fc2(F.relu(self.fc1(x))))
        return enhanced


class DeformableLayer(nn.Module):
    """Cells look at a few places of every map."""

    def __init__(self, shape: GroundingArchitecture) -> None:
        super().__init__()
        width, heads = shape.channels, shape.encoder_heads
        self.self_attn = MultiscaleAttention(width, heads, shape.n_levels, shape.encoder_points)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, shape.encoder_mlp_width)
        self.fc2 = nn.Linear(shape.encoder_mlp_width, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, scene: Scene) -> Tensor:
        """Transform cells (m, c) -> (m, c)."""
        y = self.self_attn(x + scene.places, x, scene.maps, scene.centres, None)
        x = self.self_attn_layer_norm(x + y)
        transformed: Tensor = self.final_layer_norm(x + feed_forward(x, self.fc1, self.fc2))
        return transformed


class EncoderLayer(nn.Module):
    """Picture and text look at each other, then each at itself."""

    def __init__(self, shape: GroundingArchitecture) -> None:
        super().__init__()
        width, heads, mlp_width = shape.channels, shape.encoder_heads, shape.encoder_mlp_width
        self.fusion_layer = BiAttention(width, width, heads // 2, mlp_width // heads)
        self.text_enhancer_layer = TextEnhancer(width, heads // 2, mlp_width // 2)
        self.deformable_layer = DeformableLayer(shape)

    def forward(
        self, cells: Tensor, tokens: Tensor, scene: Scene, text: Text
    ) -> tuple[Tensor, Tensor]:
        """Transform cells and tokens: (m, c), (l, c) -> (m, c), (l, c)."""
        cells, tokens = self.fusion_layer(cells, tokens)
        tokens = self.text_enhancer_layer(tokens, text)
        return self.deformable_layer(cells, scene), tokens


class DecoderLayer(nn.Module):
    """Queries look at each other, at the text, and at the picture around their boxes."""

    def __init__(self, shape: GroundingArchitecture) -> None:
        super().__init__()
        width, heads = shape.channels, shape.decoder_heads
        self.points = shape.decoder_points
        self.self_attn = Attention(width, heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.encoder_attn_text = Attention(width, heads)
        self.encoder_attn_text_layer_norm = nn.LayerNorm(width)
        self.encoder_attn = MultiscaleAttention(width, heads, shape.n_levels, shape.decoder_points)
        self.encoder_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, shape.decoder_mlp_width)
        self.fc2 = nn.Linear(shape.decoder_mlp_width, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(
        self, x: Tensor, places: Tensor, boxes: Tensor, cells: Tensor, tokens: Tensor, maps: Maps
    ) -> Tensor:
        """Transform queries (q, c) at places (q, c) with boxes (q, 4), centre and size, 0 to 1."""
        placed = x + places
        x = self.self_attn_layer_norm(x + self.self_attn(placed, placed, x))
        y = self.encoder_attn_text(x + places, tokens, tokens)
        x = self.encoder_attn_text_layer_norm(x + y)
        limits = maps.limits[:, 0]  # (levels, 2)
        centres = boxes[:, None, :2] * limits - 0.5  # (q, levels, 2)
        # An offset as large as the number of points reaches the edge of the box.
        steps = boxes[:, None, 2:] * limits * (0.5 / self.points)
        y = self.encoder_attn(x + places, cells, maps, centres, steps)
        x = self.encoder_attn_layer_norm(x + y)
        transformed: Tensor = self.final_layer_norm(x + self.fc2(F.relu(self.fc1(x))))
        return transformed


class BoxPerceptron(nn.Module):
    """Layers with rectifiers between them."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        """Transform the last axis."""
        *hidden, last = self.layers
        for layer in hidden:
            x = F.relu(layer(x))
        transformed: Tensor = last(x)
        return transformed


def feed_forward(x: Tensor, widen: nn.Linear, narrow: nn.Linear) -> Tensor:
    """Widen, rectify and narrow rows (n, c) -> (n, c), in the precision of the weights.

    It goes by blocks, whose wide middle stays in the processor's cache.
    """
    blocks = torch.split(x.to(widen.weight.dtype), BLOCK)
    return torch.cat([narrow(widen(block).relu_()) for block in blocks]).to(x.dtype)


def waves(x: Tensor, n: int, temperature: float = TEXT_TEMPERATURE) -> Tensor:
    """Return sines and cosines in turn, of growing length: (…) -> (…, n)."""
    number = torch.arange(n, dtype=torch.float32, device=x.device)
    lengths = temperature ** (2 * torch.div(number, 2, rounding_mode="floor") / n)  # (n,)
    turns = x[..., None] * FULL_TURN / lengths
    return torch.stack([turns[..., 0::2].sin(), turns[..., 1::2].cos()], dim=-1).flatten(-2)
