"""Transformer blocks on a processor with fast bf16: packed, and fused.

A matrix product takes its weights in an order of its own; put into that order once, they need not
be read crosswise each time. Activation and residual sum are done while the product is written. On
a Xeon with AMX a picture takes a quarter less; where torch cannot do it, blocks stay as they are.
These are the operators that torch's own compiler puts in the place of linear layers.

Blocks in fp32 keep their stream, norms and sums in fp32, and only their products round to bf16.
That leaves a quarter of the error, and takes a fiftieth more time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from clipcli.encoder.torch.transformer import (
    QUICK_GELU_SLOPE,
    QuickGELU,
    ResidualBlock,
    Transformer,
    attend,
)

ROWS = 2048  # of the products that the order is chosen for: a batch's tokens, about


def pack_blocks(tower: nn.Module) -> bool:
    """Let the blocks of transformers in ``tower`` multiply in bf16, in place.

    Returns whether that was done.
    """
    if not can_pack():
        return False
    transformers = [module for module in tower.modules() if isinstance(module, Transformer)]
    for transformer in transformers:
        for name, block in transformer.resblocks.named_children():
            assert isinstance(block, ResidualBlock)
            setattr(transformer.resblocks, name, PackedBlock(block))
    return bool(transformers)


def can_pack() -> bool:
    """Try the operators on a small product: they are not part of torch's public face."""
    try:
        x = torch.ones(2, 32, dtype=torch.bfloat16)
        linear = PackedLinear(torch.ones(32, 32), torch.zeros(32))
        fused = (linear(x), linear(x, ("swish", [], "")), linear.added_to(x, x))
        return all(
            bool((y == expected).all()) for y, expected in zip(fused, (32, 32, 33), strict=True)
        )
    except (AttributeError, RuntimeError, NotImplementedError, TypeError):
        return False


class PackedLinear:
    """A linear layer in bf16: (…, in), of any type -> (…, out), bf16."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._do: Any = torch.ops.mkldnn._linear_pointwise
        reorder: Any = torch.ops.mkldnn._reorder_linear_weight
        self._weight = reorder(weight.detach().to(torch.bfloat16).contiguous(), ROWS)
        self._bias = bias.detach().to(torch.bfloat16)

    def __call__(
        self, x: Tensor, then: tuple[str, Sequence[float], str] = ("none", (), "")
    ) -> Tensor:
        """Multiply, and apply the activation of that name to what comes out."""
        name, scalars, algorithm = then
        x = x.to(torch.bfloat16)
        y: Tensor = self._do(x, self._weight, self._bias, name, list(scalars), algorithm)
        return y

    def added_to(self, stream: Tensor, x: Tensor) -> Tensor:
        """Multiply ``x`` and add what comes out to a stream of the same shape and any type."""
        if stream.dtype != torch.bfloat16:
            return stream + self(x)
        y: Tensor = self._do.binary(x, stream, self._weight, self._bias, "add")
        return y


class PackedBlock(nn.Module):
    """What a :class:`ResidualBlock` computes, for inference only."""

    def __init__(self, block: ResidualBlock) -> None:
        super().__init__()
        attention, perceptron = block.attn, block.mlp
        self.heads, self.is_causal = attention.heads, attention.is_causal
        self.ln_1, self.ln_2 = block.ln_1, block.ln_2
        self._qkv = PackedLinear(attention.in_proj_weight, attention.in_proj_bias)
        self._mix = PackedLinear(attention.out_proj.weight, attention.out_proj.bias)
        slope, self._activation = _activation(cast("nn.Module", perceptron.gelu))
        widen, narrow = cast("nn.Linear", perceptron.c_fc), cast("nn.Linear", perceptron.c_proj)
        self._widen = PackedLinear(slope * widen.weight, slope * widen.bias)
        self._narrow = PackedLinear(narrow.weight / slope, narrow.bias)

    def forward(self, x: Tensor, n_read: int | None = None) -> Tensor:
        """Transform the stream: (n, l, d) -> (n, l, d), or (n, n_read, d) of the first tokens."""
        n, length, width = x.shape
        y = self._qkv(self.ln_1(x))  # (n, l, 3d)
        y = y.view(n, length, 3, self.heads, width // self.heads)  # (n, l, 3, heads, d/heads)
        q, k, v = y.permute(2, 0, 3, 1, 4).unbind()  # three of (n, heads, l, d/heads)
        y = attend(q[:, :, :n_read], k, v, is_causal=self.is_causal)
        x = x[:, :n_read].contiguous()
        x = self._mix.added_to(x, y.transpose(1, 2).flatten(2))  # (n, l, d)
        y = self._widen(self.ln_2(x), self._activation)  # (n, l, 4d)
        return self._narrow.added_to(x, y)


def _activation(module: nn.Module) -> tuple[float, tuple[str, Sequence[float], str]]:
    """Return what the weights are multiplied by, and the fused activation.

    QuickGELU, x * sigmoid(1.702 x), is a swish of 1.702 x, divided by 1.702.
    """
    if isinstance(module, QuickGELU):
        return QUICK_GELU_SLOPE, ("swish", (), "")
    assert isinstance(module, nn.GELU)
    return 1.0, ("gelu", (), module.approximate)
