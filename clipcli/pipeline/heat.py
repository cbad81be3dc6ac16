"""Heat maps: which places of a picture speak for which label.

Each place's row is compared with all labels *and* the neutral words, so a place that shows nothing
of the labels gives its share to the words. Shares are softmax probabilities, as ``classify``'s are,
but a word counts for less than a label, and neighbours are averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clipcli.encoder.places import PlaceEncoder
    from clipcli.models.source import ModelSource
    from clipcli.pipeline.classifier import Classifier

# Chosen with the bundled model, on mosaics and on annotated boxes: dozens of words at full weight
# outvote a label at the place where it is seen best, and without any word a place that shows
# nothing belongs to some label. One place is noisy; what is around it says the same. Both together
# raised the pointing game by 3 in 100, and the average precision of coarse boxes by half.
NEUTRAL_WEIGHT = 0.1
KERNEL = (0.25, 0.5, 0.25)  # down and across


class HeatMaker:
    """Makes a grid a label of pictures, with a classifier's model and labels."""

    def __init__(
        self,
        classifier: Classifier,
        source: ModelSource,
        device: str = "auto",
        backend: str = "auto",
    ) -> None:
        self._classifier, self._source, self._place = classifier, source, (device, backend)

    def grids(self, picture: Image) -> NDArray[np.float32]:
        """Return each label's share at each place of a picture in mode RGB, (c, gh, gw), 0 to 1."""
        return grids_of(self._runner.encode(picture), self._heat_rows)

    @cached_property
    def _heat_rows(self) -> HeatRows:
        return heat_rows_of(self._classifier)

    @cached_property
    def _runner(self) -> PlaceEncoder:
        from clipcli.encoder.load_places import load_places

        return load_places(self._source, *self._place)


@dataclass(frozen=True, slots=True)
class HeatRows:
    """What places are compared with."""

    rows: NDArray[np.float32]  # (c + w, d), labels before reject prompts and neutral words
    n_labels: int
    logit_scale: float


def heat_rows_of(classifier: Classifier) -> HeatRows:
    """Return a classifier's labels and the neutral words beside them."""
    import numpy as np

    labels = np.asarray(classifier.classifier, np.float32)  # (c + r, d)
    rows = np.concatenate([labels, classifier.neutral])
    return HeatRows(rows, len(classifier.label_set.labels), classifier.logit_scale)


def shares_of(places: NDArray[np.float32], heat_rows: HeatRows) -> NDArray[np.float32]:
    """Return each label's share at places (…, d), beside the neutral words: (…, c), 0 to 1."""
    import numpy as np

    logits = heat_rows.logit_scale * (places @ heat_rows.rows.T)  # (…, c + w)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    weights[..., heat_rows.n_labels :] *= NEUTRAL_WEIGHT
    weights /= weights.sum(axis=-1, keepdims=True)
    shares: NDArray[np.float32] = weights[..., : heat_rows.n_labels]
    return shares


def grids_of(places: NDArray[np.float32], heat_rows: HeatRows) -> NDArray[np.float32]:
    """Return each label's share at places (gh, gw, d), smoothed: (c, gh, gw), 0 to 1."""
    import numpy as np

    shares = shares_of(places, heat_rows)  # (gh, gw, c)
    return smoothed(np.ascontiguousarray(shares.transpose(2, 0, 1), dtype=np.float32))


def smoothed(grids: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average each place with its neighbours by :data:`KERNEL`: (c, gh, gw) -> (c, gh, gw).

    Beyond the edge the picture goes on as it ends there.
    """
    import numpy as np

    before, here, behind = (np.float32(part) for part in KERNEL)
    for axis in (1, 2):
        border = [(1, 1) if axis == i else (0, 0) for i in range(3)]
        wide = np.swapaxes(np.pad(grids, border, mode="edge"), 0, axis)
        mixed = before * wide[:-2] + here * wide[1:-1] + behind * wide[2:]
        grids = np.swapaxes(mixed, 0, axis)
    return np.ascontiguousarray(grids)


def stretch(grid: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Interpolate a grid (gh, gw) to a picture's size: (height, width)."""
    import numpy as np
    from PIL import Image

    small = Image.fromarray(np.asarray(grid, np.float32))  # mode F
    return np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))


def peak(grid: NDArray[np.float32], width: int, height: int) -> tuple[int, int]:
    """Return the pixel, across and down, at the middle of a grid's highest place."""
    import numpy as np

    row, column = np.unravel_index(int(grid.argmax()), grid.shape)
    return (
        int((column + 0.5) * width / grid.shape[1]),
        int((row + 0.5) * height / grid.shape[0]),
    )
