"""The network in training: CLIP, and a classifier on its image trunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from clipcli.encoder.torch.clip import CLIP
from clipcli.encoder.torch.efficientnet import FEATURES, EfficientNetTower
from clipcli.encoder.torch.resize import resize_positions, resized_architecture
from clipcli.encoder.torch.resnet import ResNetTower
from clipcli.models.config import Architecture


class Student(nn.Module):
    """A CLIP whose image tower also shows what its trunk sees before the last projection.

    An objective may register parameters of its own here; they are trained and kept as well.
    """

    def __init__(self, architecture: Architecture, n_classes: int = 0) -> None:
        super().__init__()
        self.architecture = architecture
        self.clip = CLIP(architecture)
        visual = self.clip.visual
        head: nn.Module
        if isinstance(visual, ResNetTower):
            head, width = visual.attnpool, visual.attnpool.c_proj.in_features
        elif isinstance(visual, EfficientNetTower):
            head, width = visual.head, FEATURES
        else:
            head, width = visual.ln_post, len(visual.ln_post.weight)
        self.frozen_statistics = False  # of all batch norms
        self.classifier: nn.Linear | None = None
        if n_classes:
            self.classifier = nn.Linear(width, n_classes)
            head.register_forward_pre_hook(self._see)
        self._seen: Tensor | None = None

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Embed, and classify the trunk's mean feature: (n, 3, h, w) -> (n, d), (n, classes)."""
        embeddings = self.clip.encode_image(pixels)  # (n, d)
        if self.classifier is None or self._seen is None:
            return embeddings, None
        pooled, self._seen = self._seen, None
        return embeddings, self.classifier(pooled)  # (n, classes)

    def _see(self, _: nn.Module, inputs: tuple[Tensor]) -> None:
        (x,) = inputs  # (n, w, h, w) of a ResNet, (n, w) of a ViT
        self._seen = x.mean(dim=(2, 3)) if x.ndim == 4 else x  # (n, w)

    def resized(self, image_size: int) -> Student:
        """Return a copy for pictures of another size, its positions interpolated."""
        n_classes = 0 if self.classifier is None else self.classifier.out_features
        other = Student(resized_architecture(self.architecture, image_size), n_classes)
        for name, parameter in self.named_parameters(recurse=False):
            other.register_parameter(name, nn.Parameter(torch.empty_like(parameter)))
        other.load_state_dict(self.resized_state(self.state_dict(), image_size))
        return other

    def resized_state(self, state: Mapping[str, Tensor], image_size: int) -> dict[str, Tensor]:
        """Return a state of this student as one for pictures of another size."""
        clip = {name.removeprefix("clip."): t for name, t in state.items() if is_clip(name)}
        rest = {name: tensor for name, tensor in state.items() if not is_clip(name)}
        clip = resize_positions(clip, self.architecture, image_size)
        return rest | {f"clip.{name}": tensor for name, tensor in clip.items()}

    def freeze(self, prefixes: Sequence[str]) -> list[str]:
        """Keep parameters of the CLIP whose names begin so as they are; return their names."""
        frozen = []
        for name, parameter in self.clip.named_parameters():
            if name.startswith(tuple(prefixes)):
                parameter.requires_grad_(False)
                frozen.append(name)
        return frozen

    def train(self, mode: bool = True) -> Student:
        """Switch to training; frozen batch norms keep their statistics."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d) and (
                self.frozen_statistics or not module.weight.requires_grad
            ):
                module.eval()
        return self


def is_clip(name: str) -> bool:
    """Tell whether a tensor of a student's state belongs to the finished model."""
    return name.startswith("clip.")
