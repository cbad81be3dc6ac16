"""Arithmetic that can be moved into the weights once instead of done always.

Both foldings change an image tower in place for inference; its outputs stay the same to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from clipcli.encoder.torch.efficientnet import EfficientNetTower, InvertedBlock, SeparableBlock
from clipcli.encoder.torch.resnet import Bottleneck, ResNetTower
from clipcli.encoder.torch.siglip import SiglipVisionTower
from clipcli.encoder.torch.vision import VisionTower

# A power of two, so dividing is exact; and weights for pixels up to 255 would be too small for
# fp16, whose precision ends at 6e-5.
PIXEL_UNIT = 256


# Convolutions and the norms behind them, by the module they are in.
PAIRS: dict[type[nn.Module], tuple[tuple[str, str], ...]] = {
    EfficientNetTower: (("conv_stem", "bn1"), ("conv_head", "bn2")),
    SeparableBlock: (("conv_dw", "bn1"), ("conv_pw", "bn2")),
    InvertedBlock: (("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3")),
}


@torch.no_grad()
def fold_batch_norms(tower: ResNetTower | EfficientNetTower) -> None:
    """Give each convolution the scale and shift of the batch norm behind it."""
    for module in tower.modules():
        for conv, norm in PAIRS.get(type(module), ()):
            _fold(module, conv, norm)
    if isinstance(tower, ResNetTower):
        _fold_resnet(tower)


def _fold_resnet(tower: ResNetTower) -> None:
    for block in (tower, *(m for m in tower.modules() if isinstance(m, Bottleneck))):
        for i in (1, 2, 3):
            _fold(block, f"conv{i}", f"bn{i}")
        if isinstance(block, Bottleneck) and block.downsample is not None:
            _fold(block.downsample, "0", "1")


@torch.no_grad()
def fold_normalisation(
    tower: VisionTower | SiglipVisionTower, mean: Sequence[float], std: Sequence[float]
) -> None:
    """Let the tower take stored pixels over :data:`PIXEL_UNIT`, which even bf16 holds exactly.

    conv((x / 255 - mean) / std) is itself a convolution of x with a bias. Only for a tower whose
    convolution does not pad: the zeros of padding are zeros after normalisation, not before.
    """
    weight = tower.conv1.weight.float()  # (width, 3, patch, patch)
    scale = PIXEL_UNIT / (255 * torch.tensor(std))  # (3,)
    shift = -torch.tensor(mean) / torch.tensor(std)  # (3,)
    bias = torch.einsum("oihw,i->o", weight, shift)  # (width,)
    if tower.conv1.bias is not None:
        bias += tower.conv1.bias.float()
    tower.conv1 = _convolution_like(tower.conv1, weight * scale.view(3, 1, 1), bias)


def _fold(owner: nn.Module, conv_name: str, norm_name: str) -> None:
    conv, norm = getattr(owner, conv_name), getattr(owner, norm_name)
    gain = norm.weight.float() / (norm.running_var.float() + norm.eps).sqrt()  # (out,)
    weight = conv.weight.float() * gain.view(-1, 1, 1, 1)  # (out, in, h, w)
    bias = norm.bias.float() - norm.running_mean.float() * gain  # (out,)
    setattr(owner, conv_name, _convolution_like(conv, weight, bias))
    setattr(owner, norm_name, nn.Identity())


def _convolution_like(conv: nn.Conv2d, weight: Tensor, bias: Tensor) -> nn.Conv2d:
    with torch.device("meta"):
        folded = type(conv)(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,  # type: ignore[arg-type]  # torch types it as any tuple
            stride=conv.stride,  # type: ignore[arg-type]
            padding=conv.padding,  # type: ignore[arg-type]
            groups=conv.groups,
        )
    folded.weight, folded.bias = nn.Parameter(weight), nn.Parameter(bias)
    return folded
