"""Running an image tower for its places: pictures of any shape in, a grid of rows out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from clipcli.encoder.torch.dense import dense_vectors
from clipcli.encoder.torch.device import resolve_device
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

    @torch.inference_mode()
    def encode(self, picture: Image.Image) -> NDArray[np.float32]:
        """Embed the places of a picture in mode RGB: unit rows (gh, gw, d).

        They are the means of those of the picture and of its mirror image.
        """
        width, height = (n * self._stride for n in self._grid(picture.width, picture.height))
        resized = picture.resize((width, height), Image.Resampling.BICUBIC)
        pixels = normalise(np.asarray(resized)[None], self._preprocessing)  # (1, 3, h, w)
        x = torch.from_numpy(pixels).to(self._device)
        x = torch.cat([x, x.flip(3)])  # (2, 3, h, w)
        rows = F.normalize(dense_vectors(self._tower, x), dim=-1)  # (2, gh, gw, d)
        mean = F.normalize(rows[0] + rows[1].flip(1), dim=-1)
        found: NDArray[np.float32] = mean.cpu().numpy()
        return found

    def _grid(self, width: int, height: int) -> tuple[int, int]:
        """Return how many places lie across and down."""
        short, long = min(width, height), max(width, height)
        n_long = round(self._n_short * min(long / short, LONGEST))
        return (n_long, self._n_short) if width >= height else (self._n_short, n_long)
