"""What every engine that looks at a picture place by place is asked, and at which size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from clipcli.models.config import EfficientNetLite, ModifiedResNet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clipcli.models.config import ModelConfig

STRIDE = 32  # pixels a place, of convolutional towers
# The short side, in the model's own: larger pictures have more places, up to where the tower no
# longer knows what it sees.
SCALE = 2.0
LONGEST = 4  # the long side is at most so many short ones; beyond that a picture is squashed


class PlaceEncoder(Protocol):
    """An image tower that says something of every place. Not for two threads at once."""

    @property
    def device(self) -> str:
        """Where the tower runs."""

    @property
    def precision(self) -> str:
        """In which precision, and by which engine where that is not torch: ``fp32-onnx``."""

    def encode(self, picture: Image) -> NDArray[np.float32]:
        """Embed the places of a picture in mode RGB: unit rows (gh, gw, d).

        They are the means of those of the picture and of its mirror image.
        """

    def maps(
        self, picture: Image
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


@dataclass(frozen=True, slots=True)
class PlaceGrid:
    """How many places a model sees in a picture, and how large."""

    stride: int  # pixels a place
    n_short: int  # places along the short side
    n_window: int | None  # along each side of what is seen at once; None: all of the picture

    @classmethod
    def of(cls, config: ModelConfig) -> PlaceGrid:
        """Return a model's grid."""
        shape = config.architecture.image
        if isinstance(shape, ModifiedResNet | EfficientNetLite):
            stride, n_window = STRIDE, None
        else:
            stride, n_window = shape.patch_size, shape.image_size // shape.patch_size
        return cls(stride, max(1, round(SCALE * config.preprocessing.size / stride)), n_window)

    def resized(self, picture: Image) -> NDArray[np.uint8]:
        """Bring a picture in mode RGB to a whole number of places: (h, w, 3)."""
        import numpy as np
        from PIL import Image

        width, height = (n * self.stride for n in self._places(*picture.size))
        return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))

    def _places(self, width: int, height: int) -> tuple[int, int]:
        """Return how many places lie across and down."""
        short, long = min(width, height), max(width, height)
        n_long = round(self.n_short * min(long / short, LONGEST))
        return (n_long, self.n_short) if width >= height else (self.n_short, n_long)


def mean_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the means of a picture's unit rows and its mirror image's.

    ``vectors`` (2, gh, gw, d) are of any length, what is returned (gh, gw, d) of unit length.
    """
    rows = _unit(vectors)
    return _unit(rows[0] + rows[1, :, ::-1])


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    rows: NDArray[np.float32] = vectors / np.maximum(lengths, np.float32(1e-12))
    return rows
