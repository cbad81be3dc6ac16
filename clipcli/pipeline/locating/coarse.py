"""Coarse boxes without a locating model: the bright places of heat maps, as rectangles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipcli.encoder.locator import Boxes, Question

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clipcli.pipeline.heat import HeatMaker

PART_OF_BEST = 0.5  # a place belongs to a box if it has at least this part of the box's best share


class CoarseLocator:
    """Finds boxes by the maps of a classifier whose labels are a question's phrases."""

    def __init__(self, maker: HeatMaker) -> None:
        self._maker = maker

    def locate(self, picture: Image, question: Question, *, min_score: float) -> Boxes:
        """Find boxes in a picture in mode RGB; their scores are their best places' shares."""
        import numpy as np

        found: list[tuple[float, int, tuple[float, ...]]] = []
        for phrase, grid in enumerate(self._maker.grids(picture)):
            across, down = picture.width / grid.shape[1], picture.height / grid.shape[0]
            scale = (across, down, across, down)
            for score, cells in regions(grid, min_score):
                corners = tuple(a * b for a, b in zip(cells, scale, strict=True))
                found.append((score, phrase, corners))
        found.sort(key=lambda each: -each[0])
        del question
        return Boxes(
            np.array([corners for _, _, corners in found], np.float32).reshape(-1, 4),
            np.array([score for score, _, _ in found], np.float32),
            np.array([phrase for _, phrase, _ in found], np.intp),
        )


def regions(
    grid: NDArray[np.float32], min_score: float
) -> list[tuple[float, tuple[int, int, int, int]]]:
    """Return the best share and the cells (left, top, right, bottom) of each bright region.

    A region grows from its best place to neighbours, over corners too, as long as they have
    :data:`PART_OF_BEST` of it.
    """
    import numpy as np

    left_over = grid > 0
    found: list[tuple[float, tuple[int, int, int, int]]] = []
    while left_over.any():
        shares = np.where(left_over, grid, -1)
        start = tuple(int(i) for i in np.unravel_index(int(shares.argmax()), grid.shape))
        best = float(grid[start])
        if best <= min_score:
            break
        region = _grown(left_over & (grid >= PART_OF_BEST * best), start)
        rows, columns = np.nonzero(region)
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        found.append((best, tuple(map(int, box))))  # type: ignore[arg-type]
        left_over &= ~region
    return found


def _grown(allowed: NDArray[np.bool_], start: tuple[int, ...]) -> NDArray[np.bool_]:
    import numpy as np

    region = np.zeros_like(allowed)
    waiting = [start]
    while waiting:
        row, column = waiting.pop()
        inside = 0 <= row < allowed.shape[0] and 0 <= column < allowed.shape[1]
        if inside and allowed[row, column] and not region[row, column]:
            region[row, column] = True
            steps = (-1, 0, 1)
            waiting += [(row + down, column + across) for down in steps for across in steps]
    return region
