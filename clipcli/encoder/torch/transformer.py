"""The transformer that both towers are made of.

Parameter names are those of OpenAI's state dict, so that released weights load without renaming.
Pre-norm residual blocks as in Radford et al. 2019 (GPT-2), on which CLIP's towers are built.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipcli.models.config import Activation

QUICK_GELU_SLOPE = 1.702  # brings the sigmoid closest to the normal distribution's integral


class QuickGELU(nn.Module):
    """The sigmoid approximation of GELU (Hendrycks & Gimpel 2016, section 2) of OpenAI's weights.

    Subtle: it differs from the exact GELU by up to 0.02 an activation. Nothing fails when weights
    trained with one run with the other; they only lose several points of accuracy.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        return x * torch.sigmoid(QUICK_GELU_SLOPE * x)


ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "quick_gelu": QuickGELU,
    "gelu": nn.GELU,
    "gelu_tanh": partial(nn.GELU, approximate="tanh"),  # Hendrycks & Gimpel 2016, section 2
}
LAYER_NORM_EPSILON = 1e-5  # torch's own; SigLIP's is smaller
QUERY_STEP = 16  # numbers of fp32 in 64 bytes, a processor's widest vector


def attend(q: Tensor, k: Tensor, v: Tensor, *, is_causal: bool = False) -> Tensor:
    """Let m queries read l tokens: (n, heads, m, c), two of (n, heads, l, c) -> as the queries.

    Subtle: on a CPU each of torch's threads works in its own piece of one buffer, and the length of
    a piece goes with the number of queries. With one query, pieces begin in the middle of a vector,
    and products in them are summed in another order: a picture's row would depend, in its last
    bits, on its place in the batch. So a few queries are filled up with zeros. A graph goes without
    them, since the engines that run it have no such buffer.
    """
    is_graph: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    if is_graph or q.shape[2] >= k.shape[2]:
        return F.scaled_dot_product_attention(q, k, v, is_causal=is_causal)
    filled = F.pad(q, (0, 0, 0, -q.shape[2] % QUERY_STEP))
    return F.scaled_dot_product_attention(filled, k, v, is_causal=is_causal)[:, :, : q.shape[2]]


class SelfAttention(nn.Module):
    """Multi-head self-attention with q, k and v in one matrix (Vaswani et al. 2017, 3.2)."""

    def __init__(self, width: int, heads: int, *, is_causal: bool) -> None:
        super().__init__()
        self.heads = heads
        self.is_causal = is_causal
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, n_read: int | None = None) -> Tensor:
        """Mix the tokens of each row: (n, l, d) -> (n, l, d), or (n, n_read, d) of the first."""
        n, length, width = x.shape
        x = F.linear(x, self.in_proj_weight, self.in_proj_bias)  # (n, l, 3d)
        x = x.view(n, length, 3, self.heads, width // self.heads)  # (n, l, 3, heads, d/heads)
        q, k, v = x.permute(2, 0, 3, 1, 4).unbind()  # three of (n, heads, l, d/heads)
        q = q if n_read is None else q[:, :, :n_read]  # a graph has no step that does nothing
        x = attend(q, k, v, is_causal=self.is_causal)
        mixed: Tensor = self.out_proj(x.transpose(1, 2).flatten(2))
        return mixed


def perceptron(width: int, mlp_width: int, activation: Activation) -> nn.Sequential:
    """Return the two layers that follow an attention."""
    return nn.Sequential(
        OrderedDict(
            c_fc=nn.Linear(width, mlp_width),
            gelu=ACTIVATIONS[activation](),
            c_proj=nn.Linear(mlp_width, width),
        )
    )


class ResidualBlock(nn.Module):
    """Attention, then a two-layer perceptron, each on the normalised stream and added to it."""

    def __init__(
        self,
        width: int,
        heads: int,
        mlp_width: int,
        activation: Activation,
        *,
        is_causal: bool,
        epsilon: float = LAYER_NORM_EPSILON,
    ) -> None:
        super().__init__()
        self.attn = SelfAttention(width, heads, is_causal=is_causal)
        self.ln_1 = nn.LayerNorm(width, epsilon)
        self.mlp = perceptron(width, mlp_width, activation)
        self.ln_2 = nn.LayerNorm(width, epsilon)

    def forward(self, x: Tensor, n_read: int | None = None) -> Tensor:
        """Transform the stream: (n, l, d) -> (n, l, d), or (n, n_read, d) of the first tokens."""
        stream = x if n_read is None else x[:, :n_read]
        x = stream + self.attn(self.ln_1(x), n_read)
        transformed: Tensor = x + self.mlp(self.ln_2(x))
        return transformed


class Transformer(nn.Module):
    """A stack of residual blocks."""

    def __init__(
        self,
        width: int,
        layers: int,
        heads: int,
        mlp_width: int,
        activation: Activation,
        *,
        is_causal: bool = False,
        epsilon: float = LAYER_NORM_EPSILON,
    ) -> None:
        super().__init__()
        self.width = width
        self.resblocks = nn.Sequential(
            *(
                ResidualBlock(
                    width, heads, mlp_width, activation, is_causal=is_causal, epsilon=epsilon
                )
                for _ in range(layers)
            )
        )
        self.initialise()

    def initialise(self) -> None:
        """Draw weights whose residual stream keeps its size however deep the stack is.

        Standard deviations by width and depth as in OpenAI's code
        (https://github.com/openai/CLIP, ``initialize_parameters``); biases start at zero.
        """
        attention_std = self.width**-0.5
        residual_std = attention_std * (2 * len(self.resblocks)) ** -0.5
        for name, parameter in self.resblocks.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif name.endswith("in_proj_weight"):
                nn.init.normal_(parameter, std=attention_std)
            elif name.endswith("c_fc.weight"):
                nn.init.normal_(parameter, std=(2 * self.width) ** -0.5)
            elif name.endswith(("out_proj.weight", "c_proj.weight")):
                nn.init.normal_(parameter, std=residual_std)

    def forward(self, x: Tensor) -> Tensor:
        """Run all blocks: (n, l, d) -> (n, l, d)."""
        transformed: Tensor = self.resblocks(x)
        return transformed

    def read_first(self, x: Tensor) -> Tensor:
        """Run all blocks and return the first token: (n, l, d) -> (n, d).

        What the last block would make of the others nobody reads, so it is left out: a sixteenth of
        the arithmetic of ViT-B/32.
        """
        *blocks, last = self.resblocks.children()
        for block in blocks:
            x = block(x)
        first: Tensor = last(x, n_read=1)[:, 0]
        return first
