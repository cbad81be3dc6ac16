"""The modified ResNet, CLIP's other image tower.

Radford et al. 2021, section 2.4: ResNet-D's three-convolution stem (He et al. 2018,
arXiv:1812.01187), anti-aliased strides (Zhang 2019, arXiv:1904.11486: average pooling before the
convolution where a ResNet would stride) and attention pooling at the end.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipcli.encoder.torch.transformer import attend
from clipcli.models.config import ModifiedResNet

EXPANSION = 4  # a block's output channels to its inner ones
TOTAL_STRIDE = 32  # 4 in the stem, 2 in each of the last three stages


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions beside a shortcut; strides are average pooling."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        channels_out = channels * EXPANSION
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.avgpool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.conv3 = nn.Conv2d(channels, channels_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels_out)
        self.downsample: nn.Sequential | None = None
        if stride > 1 or channels_in != channels_out:
            # Published weights call the convolution "0" and its norm "1": the pooling before
            # them, which has no weights, must be "-1".
            self.downsample = nn.Sequential(
                OrderedDict[str, nn.Module](
                    {
                        "-1": nn.AvgPool2d(stride),
                        "0": nn.Conv2d(channels_in, channels_out, 1, bias=False),
                        "1": nn.BatchNorm2d(channels_out),
                    }
                )
            )

    def forward(self, x: Tensor) -> Tensor:
        """Transform a stage's picture: (n, in, h, w) -> (n, 4 channels, h/stride, w/stride)."""
        y = F.relu(self.bn1(self.conv1(x)))  # (n, channels, h, w)
        y = F.relu(self.bn2(self.conv2(y)))  # (n, channels, h, w)
        y = self.bn3(self.conv3(self.avgpool(y)))  # (n, 4 channels, h/stride, w/stride)
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(y + shortcut)


class AttentionPool(nn.Module):
    """One layer of attention whose only query is the mean of the picture's positions."""

    def __init__(self, grid: int, width: int, heads: int, embed_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.positional_embedding = nn.Parameter(torch.empty(grid**2 + 1, width))
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.c_proj = nn.Linear(width, embed_dim)
        nn.init.normal_(self.positional_embedding, std=width**-0.5)
        for linear in (self.q_proj, self.k_proj, self.v_proj, self.c_proj):
            nn.init.normal_(linear.weight, std=width**-0.5)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Pool: (n, width, h, w) -> (n, d)."""
        x = x.flatten(2).transpose(1, 2)  # (n, h w, width)
        x = torch.cat([x.mean(dim=1, keepdim=True), x], dim=1)  # (n, h w + 1, width)
        x = x + self.positional_embedding
        q = self._split(self.q_proj(x[:, :1]))  # (n, heads, 1, width/heads)
        k = self._split(self.k_proj(x))  # (n, heads, h w + 1, width/heads)
        v = self._split(self.v_proj(x))  # the same
        x = attend(q, k, v)  # (n, heads, 1, width/heads)
        pooled: Tensor = self.c_proj(x.flatten(1))  # (n, width) -> (n, d)
        return pooled

    def _split(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        x = x.view(n, length, self.heads, width // self.heads)  # (n, l, heads, width/heads)
        return x.transpose(1, 2)  # (n, heads, l, width/heads)


class ResNetTower(nn.Module):
    """Pixels to embeddings: stem, four stages of bottleneck blocks, attention pooling."""

    def __init__(self, shape: ModifiedResNet, embed_dim: int) -> None:
        super().__init__()
        width = shape.width
        self.conv1 = nn.Conv2d(3, width // 2, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width // 2)
        self.conv2 = nn.Conv2d(width // 2, width // 2, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width // 2)
        self.conv3 = nn.Conv2d(width // 2, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.avgpool = nn.AvgPool2d(2)
        self.layer1 = _stage(width, width, shape.layers[0], stride=1)
        self.layer2 = _stage(4 * width, 2 * width, shape.layers[1], stride=2)
        self.layer3 = _stage(8 * width, 4 * width, shape.layers[2], stride=2)
        self.layer4 = _stage(16 * width, 8 * width, shape.layers[3], stride=2)
        grid = shape.image_size // TOTAL_STRIDE  # 7 for RN50 at 224 px
        self.attnpool = AttentionPool(grid, TOTAL_STRIDE * width, shape.heads, embed_dim)
        self._initialise()

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed normalised pixels: float (n, 3, h, w) -> (n, d), not of unit length."""
        embeddings: Tensor = self.attnpool(self.features(pixels))  # (n, d)
        return embeddings

    def features(self, pixels: Tensor) -> Tensor:
        """Return what is pooled: (n, 3, h, w) -> (n, 32 width, h/32, w/32)."""
        x = F.relu(self.bn1(self.conv1(pixels)))  # (n, width/2, h/2, w/2)
        x = F.relu(self.bn2(self.conv2(x)))  # (n, width/2, h/2, w/2)
        x = F.relu(self.bn3(self.conv3(x)))  # (n, width, h/2, w/2)
        x = self.avgpool(x)  # (n, width, h/4, w/4)
        x = self.layer1(x)  # (n, 4 width, h/4, w/4)
        x = self.layer2(x)  # (n, 8 width, h/8, w/8)
        x = self.layer3(x)  # (n, 16 width, h/16, w/16)
        features: Tensor = self.layer4(x)  # (n, 32 width, h/32, w/32)
        return features

    def _initialise(self) -> None:
        """Start each block as its shortcut alone (Goyal et al. 2017, arXiv:1706.02677, 5.1)."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, Bottleneck):
                nn.init.zeros_(module.bn3.weight)


def _stage(channels_in: int, channels: int, blocks: int, *, stride: int) -> nn.Sequential:
    first = Bottleneck(channels_in, channels, stride)
    rest = (Bottleneck(channels * EXPANSION, channels, 1) for _ in range(blocks - 1))
    return nn.Sequential(first, *rest)
