"""Running an image tower for its places: pictures of any shape in, a grid of rows out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from clipcli.encoder.places import PlaceGrid, mean_rows
from clipcli.encoder.torch.dense import dense_vectors
from clipcli.encoder.torch.device import resolve_device
from clipcli.encoder.torch.efficientnet import EfficientNetTower
from clipcli.encoder.torch.load import load_model
from clipcli.encoder.torch.windows import window_vectors
from clipcli.images.preprocess import normalise

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clipcli.models.source import ModelSource


class DenseRunner:
    """A model's image tower on its device, in fp32. Not for two threads at once."""

    precision = "fp32"

    def __init__(self, source: ModelSource, device: str = "auto") -> None:
        self._device = resolve_device(device)
        model = load_model(source, dtype=torch.float32)
        self._tower = model.visual.to(self._device)
        self._preprocessing = source.config.preprocessing
        self._grid = PlaceGrid.of(source.config)

    @property
    def device(self) -> str:
        """Where the tower runs."""
        return str(self._device)

    @torch.inference_mode()
    def maps(
        self, picture: Image
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return what a small locator looks at; see ``PlaceEncoder``."""
        assert isinstance(self._tower, EfficientNetTower)
        fine, deep = self._tower.maps(self._pair(picture))
        vectors = self._tower.head(self._tower.last_features(deep).permute(0, 2, 3, 1))
        return fine.cpu().numpy(), deep.cpu().numpy(), mean_rows(vectors.cpu().numpy())

    @torch.inference_mode()
    def encode(self, picture: Image) -> NDArray[np.float32]:
        """Embed the places of a picture in mode RGB: unit rows (gh, gw, d)."""
        pixels, grid = self._pair(picture), self._grid
        if grid.n_window is None:
            vectors = dense_vectors(self._tower, pixels)
        else:
            vectors = window_vectors(self._tower, pixels, grid.stride, grid.n_window)
        return mean_rows(vectors.cpu().numpy())

    def _pair(self, picture: Image) -> Tensor:
        """Return the tower's input: the picture and its mirror image, (2, 3, h, w)."""
        pixels = normalise(self._grid.resized(picture)[None], self._preprocessing)  # (1, 3, h, w)
        x = torch.from_numpy(pixels).to(self._device)
        return torch.cat([x, x.flip(3)])
