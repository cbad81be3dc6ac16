"""The small locator's network, by numpy: maps of a trunk in, boxes without names out.

At each place of the finer map it says how much the best box around it is worth and how far its
four sides are, as FCOS does (Tian et al. 2019, arXiv:1904.01355). It is so small that an engine
would gain nothing: a tenth of what the trunk takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipcli.encoder.boxes import suppress
from clipcli.encoder.numpy_text.tensors import TensorReader
from clipcli.models.locators.small import BLOCKS, KERNEL_PX, SmallSource

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FINE_UNIT, DEEP_UNIT = 4.0, 8.0  # about the maps' standard deviations
GROUPS, NORM_EPS = 8, 1e-5
LONGEST = 4.5  # of a distance's logarithm: 90 places
# Boxes of a picture before anybody asks: 60 hold as many things as 200 do, measured.
SAME, MOST = 0.65, 60
MIDDLE = 0.7  # the part of a box's width and height whose rows say what it is


@dataclass(frozen=True, slots=True)
class Finds:
    """Boxes without names, best first."""

    corners: NDArray[np.float32]  # (n, 4) left, top, right, bottom, parts of the picture's sides
    worths: NDArray[np.float32]  # (n,) 0 to 1
    rows: NDArray[np.float32]  # (n, d) unit rows, to be compared with labels


class SmallHead:
    """The network. Its weights are fp32, whatever they are stored as."""

    def __init__(self, source: SmallSource) -> None:
        reader = TensorReader(source.plan)
        self._weights = {name: reader.read(name) for name in source.plan}

    def find(
        self,
        fine: NDArray[np.float32],
        deep: NDArray[np.float32],
        rows: NDArray[np.float32],
    ) -> Finds:
        """Find boxes in a picture.

        Parameters
        ----------
        fine, deep
            The trunk's maps of the picture and of its mirror image, (2, c, 2 gh, 2 gw) and
            (2, c', gh, gw).
        rows
            A unit row a place of the coarser map, (gh, gw, d).
        """
        import numpy as np

        told = self.predict(fine, deep)  # (2, 5, h, w)
        mirrored = told[1, [0, 3, 2, 1, 4], :, ::-1]  # left and right change places
        both = (told[0] + mirrored) / 2
        height, width = both.shape[1:]
        sides = np.array([width, height, width, height], np.float32)
        corners = corners_of(both[1:]).reshape(-1, 4) / sides
        corners = np.clip(corners, 0, 1).astype(np.float32)
        worths = (1 / (1 + np.exp(-both[0]))).astype(np.float32).ravel()
        stay = suppress(corners, worths, np.zeros(len(worths), np.intp), SAME)[:MOST]
        corners, worths = corners[stay], worths[stay]
        return Finds(corners, worths, np.stack([_row(rows, box) for box in corners]))

    def predict(self, fine: NDArray[np.float32], deep: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a worth's logit, and four distances' logarithms in places: (n, 5, h, w)."""
        import numpy as np

        x = self._linear("fine", fine / FINE_UNIT)
        x = x + doubled(self._linear("deep", deep / DEEP_UNIT))
        x = np.maximum(self._norm("norm", x), 0)  # (n, width, h, w)
        for i in range(BLOCKS):
            y = self._linear(f"blocks.{i}.pointwise", self._depthwise(f"blocks.{i}.depthwise", x))
            x = x + np.maximum(self._norm(f"blocks.{i}.norm", y), 0)
        return self._linear("out", x)

    def _linear(self, name: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        n, c, h, w = x.shape
        y: NDArray[np.float32] = weight @ x.reshape(n, c, h * w) + bias[:, None]
        return y.reshape(n, -1, h, w)

    def _depthwise(self, name: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
        import numpy as np

        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        edge, (h, w) = KERNEL_PX // 2, x.shape[2:]
        wide = np.pad(x, ((0, 0), (0, 0), (edge, edge), (edge, edge)))
        y = np.repeat(np.broadcast_to(bias[:, None, None], x.shape[1:])[None], len(x), axis=0)
        for i in range(KERNEL_PX):
            for j in range(KERNEL_PX):
                y += weight[:, i, j, None, None] * wide[:, :, i : i + h, j : j + w]
        return y

    def _norm(self, name: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Normalise groups of channels (Wu and He 2018, arXiv:1803.08494)."""
        import numpy as np

        groups = x.reshape(len(x), GROUPS, -1)
        mean = groups.mean(axis=2, keepdims=True)
        deviation = np.sqrt(groups.var(axis=2, keepdims=True) + np.float32(NORM_EPS))
        y = ((groups - mean) / deviation).reshape(x.shape)
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        scaled: NDArray[np.float32] = y * weight[:, None, None] + bias[:, None, None]
        return scaled


def corners_of(distances: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return boxes (h, w, 4) in places, from logarithms of distances (4, h, w)."""
    import numpy as np

    height, width = distances.shape[1:]
    left, top, right, bottom = np.exp(np.minimum(distances, LONGEST))
    y, x = np.arange(height)[:, None] + 0.5, np.arange(width)[None] + 0.5
    return np.stack([x - left, y - top, x + right, y + bottom], axis=-1).astype(np.float32)


def doubled(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Interpolate a map to twice its sides: (n, c, h, w) -> (n, c, 2 h, 2 w)."""
    import numpy as np

    for axis in (2, 3):
        last = x.shape[axis] - 1
        before = np.take(x, np.maximum(np.arange(last + 1) - 1, 0), axis)
        behind = np.take(x, np.minimum(np.arange(last + 1) + 1, last), axis)
        pair = np.stack([0.25 * before + 0.75 * x, 0.75 * x + 0.25 * behind], axis + 1)
        shape = list(x.shape)
        shape[axis] *= 2
        x = pair.reshape(shape).astype(np.float32)
    return x


def _row(rows: NDArray[np.float32], box: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of the rows (gh, gw, d) in the middle of a box, as a unit row (d,)."""
    import numpy as np

    height, width = rows.shape[:2]
    left, right = _cells(box[0], box[2], width)
    top, bottom = _cells(box[1], box[3], height)
    mean = rows[top:bottom, left:right].mean(axis=(0, 1))
    unit: NDArray[np.float32] = mean / np.linalg.norm(mean)
    return unit


def _cells(low: float, high: float, n: int) -> tuple[int, int]:
    """Return the first place, and the one after the last, in the middle of a side; at least one."""
    middle, half = (low + high) / 2 * n, MIDDLE * (high - low) / 2 * n
    first = min(max(int(middle - half), 0), n - 1)
    last = min(n, max(-int(-(middle + half) // 1), first + 1))
    return first, last
