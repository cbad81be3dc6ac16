"""EfficientNet-Lite, the image tower that begins from published ImageNet weights.

Tan and Le 2019 (arXiv:1905.11946) as TensorFlow's TPU models have it for small devices: no
squeeze-and-excite, ReLU6 for swish. Blocks are MobileNetV2's inverted residuals (Sandler et al.
2018, arXiv:1801.04381). A head of ours turns the mean feature into an embedding.

Tensors are called as in timm's ``tf_efficientnet_lite0``, with ``head`` for its ``classifier``.

The padding is worked out from the picture's size, so an ONNX graph of it is for one size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipcli.models.config import EfficientNetLite

STEM = 32  # channels after the first convolution, in Lite0 to Lite4 alike
FEATURES = 1280  # channels before pooling, likewise
EXPANSION = 6  # a block's inner channels to those it takes
KERNELS = (3, 3, 5, 3, 5, 5, 3)  # of the stages' depthwise convolutions
STRIDES = (1, 2, 2, 2, 1, 2, 1)
FINE_STAGES = 5  # of the seven, before the last halving
NORM_EPS = 1e-3  # TensorFlow's, not torch's


class SameConv2d(nn.Conv2d):
    """A convolution that pads as TensorFlow's "same": an odd pixel goes right and below."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve: (n, in, h, w) -> (n, out, h/stride, w/stride), rounded up."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        high, wide = (_missing(int(side), kernel, stride) for side in x.shape[2:])
        if high or wide:
            x = F.pad(x, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
        return F.conv2d(x, self.weight, self.bias, self.stride, groups=self.groups)


class SeparableBlock(nn.Module):
    """The first stage's block: a depthwise convolution and a 1x1 one."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = _conv(channels_in, channels_in, kernel, stride, groups=channels_in)
        self.bn1 = _norm(channels_in)
        self.conv_pw = _conv(channels_in, channels_out)
        self.bn2 = _norm(channels_out)
        self.has_shortcut = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """Transform: (n, in, h, w) -> (n, out, h/stride, w/stride)."""
        y = F.relu6(self.bn1(self.conv_dw(x)))  # (n, in, h/stride, w/stride)
        y = self.bn2(self.conv_pw(y))  # (n, out, h/stride, w/stride)
        return _joined(x, y, is_sum=self.has_shortcut)


class InvertedBlock(nn.Module):
    """MBConv: widen, convolve depthwise, narrow; no activation on what comes out."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = channels_in * EXPANSION
        self.conv_pw = _conv(channels_in, inner)
        self.bn1 = _norm(inner)
        self.conv_dw = _conv(inner, inner, kernel, stride, groups=inner)
        self.bn2 = _norm(inner)
        self.conv_pwl = _conv(inner, channels_out)
        self.bn3 = _norm(channels_out)
        self.has_shortcut = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """Transform: (n, in, h, w) -> (n, out, h/stride, w/stride)."""
        y = F.relu6(self.bn1(self.conv_pw(x)))  # (n, 6 in, h, w)
        y = F.relu6(self.bn2(self.conv_dw(y)))  # (n, 6 in, h/stride, w/stride)
        y = self.bn3(self.conv_pwl(y))  # (n, out, h/stride, w/stride)
        return _joined(x, y, is_sum=self.has_shortcut)


class EmbeddingHead(nn.Module):
    """A linear projection with one hidden layer beside it."""

    def __init__(self, hidden_width: int, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(FEATURES, embed_dim)
        self.widen = nn.Linear(FEATURES, hidden_width)
        self.narrow = nn.Linear(hidden_width, embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Project the mean feature: (n, 1280) -> (n, d)."""
        embeddings: Tensor = self.proj(x) + self.narrow(F.gelu(self.widen(x)))
        return embeddings


class EfficientNetTower(nn.Module):
    """Pixels to embeddings: stem, seven stages of blocks, the mean over positions, the head."""

    def __init__(self, shape: EfficientNetLite, embed_dim: int) -> None:
        super().__init__()
        self.conv_stem = _conv(3, STEM, kernel=3, stride=2)
        self.bn1 = _norm(STEM)
        self.blocks = nn.Sequential(*_stages(shape))
        self.conv_head = _conv(shape.widths[-1], FEATURES)
        self.bn2 = _norm(FEATURES)
        self.head = EmbeddingHead(shape.hidden_width, embed_dim)

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed normalised pixels: float (n, 3, h, w) -> (n, d), not of unit length."""
        embeddings: Tensor = self.head(self.features(pixels).mean(dim=(2, 3)))  # (n, d)
        return embeddings

    def features(self, pixels: Tensor) -> Tensor:
        """Return what is averaged: (n, 3, h, w) -> (n, 1280, h/32, w/32)."""
        return self.last_features(self.maps(pixels)[1])

    def maps(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the fifth and the last stage's: (n, c, h/16, w/16) and (n, c', h/32, w/32)."""
        x = F.relu6(self.bn1(self.conv_stem(pixels)))  # (n, 32, h/2, w/2)
        x = self.blocks[0](x)  # (n, 16, h/2, w/2)
        if x.dtype != self.conv_head.weight.dtype:
            x = x.to(self.conv_head.weight.dtype)
        fine = self.blocks[1:FINE_STAGES](x)
        return fine, self.blocks[FINE_STAGES:](fine)

    def convert_after_first_stage(self, dtype: torch.dtype) -> None:
        """Convert all but the stem and the first stage, for which pixels are to come in fp32.

        The first depthwise convolution subtracts neighbours from each other with large weights, and
        what bf16 rounds off before it grows there: most of the error of a whole tower in bf16.
        """
        self.to(dtype=torch.float32)  # as stored, weights may be of half the size
        for module in (self.blocks[1:], self.conv_head, self.bn2, self.head):
            module.to(dtype)

    def last_features(self, deep: Tensor) -> Tensor:
        """Widen the last stage's: (n, c', h/32, w/32) -> (n, 1280, h/32, w/32)."""
        return F.relu6(self.bn2(self.conv_head(deep)))


def _stages(shape: EfficientNetLite) -> list[nn.Sequential]:
    stages, channels = [], STEM
    for i, (width, depth) in enumerate(zip(shape.widths, shape.depths, strict=True)):
        block = InvertedBlock if i else SeparableBlock
        blocks = [block(channels, width, KERNELS[i], STRIDES[i])]
        blocks += [block(width, width, KERNELS[i], 1) for _ in range(depth - 1)]
        stages.append(nn.Sequential(*blocks))
        channels = width
    return stages


def _joined(x: Tensor, y: Tensor, *, is_sum: bool) -> Tensor:
    return x + y if is_sum else y


def _missing(side: int, kernel: int, stride: int) -> int:
    """Return how many pixels a side lacks for ceil(side / stride) whole steps."""
    steps = -(-side // stride)
    return max((steps - 1) * stride + kernel - side, 0)


def _conv(
    channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1, groups: int = 1
) -> SameConv2d:
    return SameConv2d(channels_in, channels_out, kernel, stride, groups=groups, bias=False)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=NORM_EPS)
