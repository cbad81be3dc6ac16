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
from clipcli.training.layer_decay import rate_factors


class Student(nn.Module):
    """A CLIP whose image tower also shows what its trunk sees before the last projection.

    ``text_shift`` (n_texts, d) is how far text targets have moved, in units of their own.
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
        self.text_shift: nn.Parameter | None = None

    def let_move(self, n_texts: int) -> None:
        """Train, besides the network, where so many text targets are."""
        self.text_shift = nn.Parameter(torch.zeros(n_texts, self.architecture.embed_dim))

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
        if self.text_shift is not None:
            other.let_move(len(self.text_shift))
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


def parameter_groups(
    model: nn.Module, weight_decay: float, layer_decay: float = 1.0
) -> list[dict[str, object]]:
    """Split what is trained into matrices, which decay, and all else, which does not.

    Gains, biases, embeddings, positions and the logit scale stay out: pulling them to zero
    changes what the network computes and regularises nothing (Radford et al. 2021, section 2.5).
    Layers that learn slower than others come apart as well; ``factor`` is theirs.
    """
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    factors = rate_factors((name for name, _ in model.named_parameters()), layer_decay)
    return [
        {
            "params": [
                parameter
                for name, parameter in trained.items()
                if factors[name] == factor and has_decay(name, parameter) == decays
            ],
            "weight_decay": weight_decay if decays else 0.0,
            "factor": factor,
        }
        for factor in sorted(set(factors.values()), reverse=True)
        for decays in (True, False)
    ]


def has_decay(name: str, parameter: Tensor) -> bool:
    """Tell whether weight decay applies to a parameter."""
    return parameter.ndim >= 2 and "embedding" not in name
