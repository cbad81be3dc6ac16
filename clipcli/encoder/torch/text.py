"""The text tower: a causal transformer read at the end of the text."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clipcli.encoder.torch.transformer import Transformer
from clipcli.models.config import Activation, TextTransformer


class TextTower(nn.Module):
    """Token ids to embeddings (Radford et al. 2021, section 2.4, after GPT-2)."""

    def __init__(self, shape: TextTransformer, embed_dim: int, activation: Activation) -> None:
        super().__init__()
        width = shape.width
        self.token_embedding = nn.Embedding(shape.vocab_size, width)
        self.positional_embedding = nn.Parameter(torch.empty(shape.context_length, width))
        self.transformer = Transformer(
            width, shape.layers, shape.heads, shape.mlp_width, activation, is_causal=True
        )
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.empty(width, embed_dim))
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        nn.init.normal_(self.text_projection, std=width**-0.5)

    def encode_words(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Embed every token: int64 (n, l) -> (n, l, d), and which are no padding, bool (n, l)."""
        length = tokens.shape[1]
        x = self.token_embedding(tokens) + self.positional_embedding[:length]  # (n, l, width)
        words: Tensor = self.ln_final(self.transformer(x)) @ self.text_projection  # (n, l, d)
        places = torch.arange(length, device=tokens.device)
        return words, places <= tokens.argmax(dim=1, keepdim=True)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Embed token ids: int64 (n, l), l <= context length -> (n, d), not of unit length.

        Rows shorter than ``l`` end in padding. Because attention is causal, what stands after the
        end-of-text token changes nothing: cutting the columns that are all padding is exact.
        """
        length = tokens.shape[1]
        x = self.token_embedding(tokens)  # (n, l) -> (n, l, width)
        x = x + self.positional_embedding[:length]
        x = self.transformer(x)  # (n, l, width)
        # Subtle: CLIP's text tower reads the embedding at the end-of-text token. Its id is the
        # largest in the vocabulary, so argmax finds it, but only while padding stays 0.
        ends = tokens.argmax(dim=1)  # (n,)
        x = x[torch.arange(len(x), device=x.device), ends]  # (n, width)
        embeddings: Tensor = self.ln_final(x) @ self.text_projection  # (n, d)
        return embeddings
