"""Running an image tower for its places: pictures of any shape in, a grid of rows out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from clipcli.encoder.torch.dense import dense_vectors
from clipcli.encoder.torch.device import resolve_device
from clipcli.encoder.torch.efficientnet import EfficientNetTower
from clipcli.encoder.torch.load import load_model
from clipcli.images.preprocess import normalise
from clipcli.models.config import EfficientNetLite, ModifiedResNet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clipcli.models.source import ModelSource

STRIDE = 32  # pixels a place, of convolutional towers
# Short sides, in the model's own: larger pictures have more places, up to where the tower no longer
# knows what it sees. Transformers suffer earlier, because their positions are learned.
CONVOLUTIONAL_SCALE, TRANSFORMER_SCALE = 2.0, 1.5
LONGEST = 4  # the long side is at most so many short ones; beyond that a picture is squashed


class DenseRunner:
    """A model's image tower on its device, in fp32. Not for two threads at once."""

    def __init__(self, source: ModelSource, device: str = "auto") -> None:
        self._device = resolve_device(device)
        model = load_model(source, dtype=torch.float32)
        self._tower = model.visual.to(self._device)
        self._preprocessing = source.config.preprocessing
        shape = source.config.architecture.image
        if isinstance(shape, ModifiedResNet | EfficientNetLite):
            self._stride, scale = STRIDE, CONVOLUTIONAL_SCALE
        else:
            self._stride, scale = shape.patch_size, TRANSFORMER_SCALE
        self._n_short = max(1, round(scale * self._preprocessing.size / self._stride))

    @property
    def device(self) -> str:
        """Where the tower runs."""
        return str(self._device)

    @torch.inference_mode()
    def maps(
        self, picture: Image.Image
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return what a small locator looks at, of an EfficientNet's picture in mode RGB.

        Returns
        -------
        fine, deep
            Maps of the picture and of its mirror image: the fifth stage's (2, c, 2 gh, 2 gw) and
            the last one's (2, c', gh, gw).
        rows
            As :meth:`encode` returns them.
        """
        assert isinstance(self._tower, EfficientNetTower)
        fine, deep = self._tower.maps(self._pair(picture))
        vectors = self._tower.head(self._tower.last_features(deep).permute(0, 2, 3, 1))
        return fine.cpu().numpy(), deep.cpu().numpy(), _mean_rows(vectors)

    @torch.inference_mode()
    def encode(self, picture: Image.Image) -> NDArray[np.float32]:
        """Embed the places of a picture in mode RGB: unit rows (gh, gw, d).

        They are the means of those of the picture and of its mirror image.
        """
        return _mean_rows(dense_vectors(self._tower, self._pair(picture)))

    def _pair(self, picture: Image.Image) -> Tensor:
        """Return the tower's input: the picture and its mirror image, (2, 3, h, w)."""
        width, height = (n * self._stride for n in self._grid(picture.width, picture.height))
        resized = picture.resize((width, height), Image.Resampling.BICUBIC)
        pixels = normalise(np.asarray(resized)[None], self._preprocessing)  # (1, 3, h, w)
        x = torch.from_numpy(pixels).to(self._device)
        return torch.cat([x, x.flip(3)])

    def _grid(self, width: int, height: int) -> tuple[int, int]:
        """Return how many places lie across and down."""
        short, long = min(width, height), max(width, height)
        n_long = round(self._n_short * min(long / short, LONGEST))
        return (n_long, self._n_short) if width >= height else (self._n_short, n_long)


def _mean_rows(vectors: Tensor) -> NDArray[np.float32]:
    """Return the means of a picture's unit rows and its mirror image's: (gh, gw, d)."""
    rows = F.normalize(vectors, dim=-1)  # (2, gh, gw, d)
    mean = F.normalize(rows[0] + rows[1].flip(1), dim=-1)
    found: NDArray[np.float32] = mean.cpu().numpy()
    return found
