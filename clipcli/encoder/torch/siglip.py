"""SigLIP and SigLIP 2: two towers without CLIP's class token and mask.

Zhai et al. 2023 (arXiv:2303.15343) and Tschannen et al. 2025 (arXiv:2502.14786), of a fixed picture
size; the reference is https://github.com/google-research/big_vision. The image tower ends in an
attention whose one query is learned (Zhai et al. 2022, arXiv:2106.04560, section 3.3).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipcli.encoder.torch.transformer import SelfAttention, Transformer, attend, perceptron
from clipcli.models.config import Activation, SiglipArchitecture, VisionTransformer

EPSILON = 1e-6  # of every layer norm
INITIAL_SCALE, INITIAL_BIAS = 10.0, -10.0  # section 3.2: most pairs do not match


class QueryAttention(SelfAttention):
    """The same weights as self-attention's, but the queries come from elsewhere."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads, is_causal=False)

    def forward(self, queries: Tensor, x: Tensor) -> Tensor:  # type: ignore[override]
        """Let queries (n, m, d) read tokens (n, l, d): -> (n, m, d)."""
        width = x.shape[-1]
        shares = [width, 2 * width]
        q_weight, kv_weight = torch.split(self.in_proj_weight, shares)  # (d, d), (2d, d)
        q_bias, kv_bias = torch.split(self.in_proj_bias, shares)
        q = self._heads_first(F.linear(queries, q_weight, q_bias))  # (n, heads, m, d/heads)
        k, v = map(self._heads_first, F.linear(x, kv_weight, kv_bias).chunk(2, dim=-1))
        x = attend(q, k, v)  # (n, heads, m, d/heads)
        mixed: Tensor = self.out_proj(x.transpose(1, 2).flatten(2))  # (n, m, d)
        return mixed

    def _heads_first(self, x: Tensor) -> Tensor:
        x = x.view(*x.shape[:2], self.heads, -1)  # (n, l, d) -> (n, l, heads, d/heads)
        return x.transpose(1, 2)


class AttentionPooling(nn.Module):
    """Attention of one learned query, the probe, over all tokens; then a perceptron beside it."""

    def __init__(self, width: int, heads: int, mlp_width: int, activation: Activation) -> None:
        super().__init__()
        self.probe = nn.Parameter(torch.empty(width))
        self.attn = QueryAttention(width, heads)
        self.ln = nn.LayerNorm(width, EPSILON)
        self.mlp = perceptron(width, mlp_width, activation)
        nn.init.normal_(self.probe, std=width**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Pool the tokens: (n, l, d) -> (n, d)."""
        x = self.attn(self.probe.expand(x.shape[0], 1, -1), x)[:, 0]  # (n, 1, d) -> (n, d)
        pooled: Tensor = x + self.mlp(self.ln(x))  # (n, d)
        return pooled


class SiglipVisionTower(nn.Module):
    """Pixels to embeddings: patches alone through a transformer, pooled by attention."""

    def __init__(self, shape: VisionTransformer, activation: Activation) -> None:
        super().__init__()
        patch, width = shape.patch_size, shape.width
        n_tokens = (shape.image_size // patch) ** 2  # pixels beyond the last whole patch are unseen
        self.conv1 = nn.Conv2d(3, width, kernel_size=patch, stride=patch)
        self.positional_embedding = nn.Parameter(torch.empty(n_tokens, width))
        self.transformer = Transformer(
            width, shape.layers, shape.heads, shape.mlp_width, activation, epsilon=EPSILON
        )
        self.ln_post = nn.LayerNorm(width, EPSILON)
        self.pool = AttentionPooling(width, shape.heads, shape.mlp_width, activation)
        nn.init.normal_(self.positional_embedding, std=width**-0.5)

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed normalised pixels: float (n, 3, h, w) -> (n, d), not of unit length."""
        x = self.conv1(pixels)  # (n, 3, h, w) -> (n, d, h/patch, w/patch)
        x = x.flatten(2).transpose(1, 2) + self.positional_embedding  # (n, l, d)
        x = self.ln_post(self.transformer(x))
        embeddings: Tensor = self.pool(x)  # (n, l, d) -> (n, d)
        return embeddings


class Siglip(nn.Module):
    """A text tower at the root and an image tower at ``visual``, named as :class:`CLIP`'s are."""

    def __init__(self, architecture: SiglipArchitecture) -> None:
        super().__init__()
        text, activation = architecture.text, architecture.activation
        self.architecture = architecture
        self.visual = SiglipVisionTower(architecture.image, activation)
        self.token_embedding = nn.Embedding(text.vocab_size, text.width)
        self.positional_embedding = nn.Parameter(torch.empty(text.context_length, text.width))
        self.transformer = Transformer(
            text.width, text.layers, text.heads, text.mlp_width, activation, epsilon=EPSILON
        )
        self.ln_final = nn.LayerNorm(text.width, EPSILON)
        self.text_projection = nn.Linear(text.width, architecture.embed_dim)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(INITIAL_SCALE)))
        self.logit_bias = nn.Parameter(torch.tensor(INITIAL_BIAS))
        nn.init.normal_(self.positional_embedding, std=text.width**-0.5)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Embed normalised pixels: float (n, 3, h, w) -> (n, d), not of unit length."""
        embeddings: Tensor = self.visual(pixels)
        return embeddings

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Embed token ids: int64 (n, context length) -> (n, d), not of unit length.

        Subtle: every token sees every other, padding too, and the text is read at its last place.
        So padding is part of the text: it must be the model's own, and fill the whole context.
        """
        x = self.token_embedding(tokens) + self.positional_embedding  # (n, l, width)
        x = self.ln_final(self.transformer(x))
        embeddings: Tensor = self.text_projection(x[:, -1])  # (n, l, width) -> (n, d)
        return embeddings

    def forward(self, pixels: Tensor, tokens: Tensor) -> Tensor:
        """Compare all images with all texts: (n, 3, h, w), int64 (m, l) -> logits (n, m)."""
        images = F.normalize(self.encode_image(pixels), dim=1)  # (n, d)
        texts = F.normalize(self.encode_text(tokens), dim=1)  # (m, d)
        return self.logit_scale.exp() * (images @ texts.T) + self.logit_bias  # (n, m)
