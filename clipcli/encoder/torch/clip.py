"""CLIP as a whole: two towers that meet in one space."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipcli.encoder.torch.efficientnet import EfficientNetTower
from clipcli.encoder.torch.resnet import ResNetTower
from clipcli.encoder.torch.text import TextTower
from clipcli.encoder.torch.vision import VisionTower
from clipcli.models.config import Architecture, EfficientNetLite, ModifiedResNet

INITIAL_TEMPERATURE = 0.07  # Radford et al. 2021, section 2.5, after Wu et al. 2018
INITIAL_LOGIT_BIAS = -10.0  # Zhai et al. 2023 (SigLIP), section 3.2: most pairs do not match


class CLIP(TextTower):
    """A text tower with an image tower beside it (Radford et al. 2021, arXiv:2103.00020).

    It *is* a text tower, and does not hold one, because in OpenAI's state dict the text tower's
    tensors lie at the root, beside ``visual.``; so released weights load without renaming.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture.text, architecture.embed_dim, architecture.activation)
        self.architecture = architecture
        self.visual = _image_tower(architecture)
        # Kept as a logarithm so that a step of the optimiser scales it and it stays positive.
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / INITIAL_TEMPERATURE)))
        self.logit_bias: nn.Parameter | None = None
        if architecture.logit_bias:
            self.logit_bias = nn.Parameter(torch.tensor(INITIAL_LOGIT_BIAS))

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Embed normalised pixels: float (n, 3, h, w) -> (n, d), not of unit length."""
        embeddings: Tensor = self.visual(pixels)
        return embeddings

    def forward(self, pixels: Tensor, tokens: Tensor) -> Tensor:
        """Compare all images with all texts: (n, 3, h, w), int64 (m, l) -> logits (n, m)."""
        images = F.normalize(self.encode_image(pixels), dim=1)  # (n, d)
        texts = F.normalize(self.encode_text(tokens), dim=1)  # (m, d)
        logits = self.logit_scale.exp() * (images @ texts.T)  # (n, m)
        return logits if self.logit_bias is None else logits + self.logit_bias


def _image_tower(architecture: Architecture) -> VisionTower | ResNetTower | EfficientNetTower:
    shape = architecture.image
    if isinstance(shape, ModifiedResNet):
        return ResNetTower(shape, architecture.embed_dim)
    if isinstance(shape, EfficientNetLite):
        return EfficientNetTower(shape, architecture.embed_dim)
    return VisionTower(shape, architecture.embed_dim, architecture.activation)
