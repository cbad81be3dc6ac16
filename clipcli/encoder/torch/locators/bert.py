"""BERT, the text tower of GLIP and Grounding DINO.

Devlin et al. 2018 (arXiv:1810.04805): post-norm blocks. One text at a time, so there is no padding.
Module names are those of the released files.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-12


class BertShape(Protocol):
    """The sizes of a text tower."""

    @property
    def text_width(self) -> int: ...

    @property
    def text_layers(self) -> int: ...

    @property
    def text_heads(self) -> int: ...

    @property
    def text_mlp_width(self) -> int: ...

    @property
    def vocab_size(self) -> int: ...

    @property
    def context_length(self) -> int: ...


class BertLayer(nn.Module):
    """Attention and a perceptron; each is added to the stream, which is then normalised."""

    def __init__(self, width: int, heads: int, mlp_width: int) -> None:
        super().__init__()
        self.heads = heads
        parts = {name: nn.Linear(width, width) for name in ("query", "key", "value")}
        self.attention = nn.ModuleDict(
            {"self": nn.ModuleDict(parts), "output": _output(width, width)}
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, mlp_width)})
        self.output = _output(mlp_width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Transform tokens: (n, l, d) -> (n, l, d); a mask (l, l) says who looks at whom."""
        n, length, width = x.shape
        inner, outer = self.attention["self"], self.attention["output"]
        assert isinstance(inner, nn.ModuleDict)
        assert isinstance(outer, nn.ModuleDict)
        q, k, v = (
            inner[name](x).view(n, length, self.heads, -1).transpose(1, 2)
            for name in ("query", "key", "value")
        )  # three of (n, heads, l, d/heads)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)  # (n, heads, l, d/heads)
        y = y.transpose(1, 2).reshape(n, length, width)
        x = outer["LayerNorm"](x + outer["dense"](y))
        y = self.output["dense"](F.gelu(self.intermediate["dense"](x)))
        normed: Tensor = self.output["LayerNorm"](x + y)
        return normed


class Bert(nn.Module):
    """Token ids to one vector a token."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        width = shape.text_width
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(shape.vocab_size, width),
                "position_embeddings": nn.Embedding(shape.context_length, width),
                "token_type_embeddings": nn.Embedding(2, width),
                "LayerNorm": nn.LayerNorm(width, EPSILON),
            }
        )
        layers = (
            BertLayer(width, shape.text_heads, shape.text_mlp_width)
            for _ in range(shape.text_layers)
        )
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(layers)})

    def forward(
        self, tokens: Tensor, places: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Embed texts of one length: int64 (n, l) -> (n, l, d).

        ``places`` (l,) are counted from the start of the text, and every token looks at every one,
        unless said otherwise.
        """
        parts = self.embeddings
        if places is None:
            places = torch.arange(tokens.shape[1], device=tokens.device)
        x: Tensor = parts["word_embeddings"](tokens) + parts["position_embeddings"](places)
        # All tokens belong to the first of the two sentences that BERT was trained on.
        x = parts["LayerNorm"](x + parts["token_type_embeddings"](torch.zeros_like(tokens)))
        layers = self.encoder["layer"]
        assert isinstance(layers, nn.ModuleList)
        for layer in layers:
            x = layer(x, mask)
        return x


def _output(width_in: int, width: int) -> nn.ModuleDict:
    return nn.ModuleDict(
        {"dense": nn.Linear(width_in, width), "LayerNorm": nn.LayerNorm(width, EPSILON)}
    )
