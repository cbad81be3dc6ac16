"""An image tower as one function, from stored pixels to embeddings or to what it says of places."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clipcli.encoder.torch.efficientnet import EfficientNetTower
from clipcli.encoder.torch.fold import PIXEL_UNIT
from clipcli.encoder.torch.load import load_model
from clipcli.encoder.torch.runner import pixel_scale, prepare_tower
from clipcli.models.source import ModelSource


class PixelsToEmbeddings(nn.Module):
    """All that an exporter follows: uint8 (n, s, s, 3) -> (n, d), float32, not of unit length.

    Whoever quantises what comes out would round unit lengths as well. With ``fold`` left out, the
    weights are those of the file, and an engine folds what it can by itself.
    """

    def __init__(self, source: ModelSource, *, fold: bool = True) -> None:
        super().__init__()
        self.tower = load_model(source).visual
        preprocessing = source.config.preprocessing
        scale = prepare_tower(self.tower, preprocessing) if fold else pixel_scale(preprocessing)
        self.mean, self.std = scale or (torch.tensor(0.0), torch.tensor(float(PIXEL_UNIT)))
        self.size = source.config.preprocessing.size
        self.eval().requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed pictures as they are stored."""
        embeddings: Tensor = self.tower(self._normalised(pixels))  # (n, d)
        return embeddings

    def _normalised(self, pixels: Tensor) -> Tensor:
        x = pixels.permute(0, 3, 1, 2).float()  # (n, s, s, 3) -> (n, 3, s, s)
        return (x - self.mean) / self.std

    def example(self, n: int = 2) -> Tensor:
        """Return pixels that it can be traced with."""
        return torch.zeros(n, self.size, self.size, 3, dtype=torch.uint8)


class PixelsToPlaces(PixelsToEmbeddings):
    """The same of an EfficientNet for places: uint8 (2, h, w, 3) -> two maps and vectors.

    What comes out is what ``DenseRunner.maps`` computes, the vectors (2, gh, gw, d) not of unit
    length yet.
    """

    def __init__(self, source: ModelSource) -> None:
        super().__init__(source, fold=False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]
        """Look at a picture and its mirror image."""
        tower = self.tower
        assert isinstance(tower, EfficientNetTower)
        fine, deep = tower.maps(self._normalised(pixels))
        return fine, deep, tower.head(tower.last_features(deep).permute(0, 2, 3, 1))
