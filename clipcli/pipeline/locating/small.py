"""Boxes by the small locator: what a box is called, the labels' rows say, as in a heat map."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from clipcli.encoder.boxes import suppress
from clipcli.encoder.locator import Boxes, Question, Sight
from clipcli.pipeline.heat import HeatRows, heat_rows_of, shares_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.encoder.places import PlaceEncoder
    from clipcli.encoder.small_boxes import SmallHead
    from clipcli.pipeline.classifier import Classifier

# Its usual mistake is a second box around a part. Without those of which more lies within another,
# 78 of 100 boxes are right where 49 were, and nothing more is missed (LOG.md of train_mini).
INSIDE = 0.6


class SmallLocator:
    """Looks at a picture before it knows the question; its labels are the question's phrases."""

    def __init__(self, runner: PlaceEncoder, head: SmallHead, classifier: Classifier) -> None:
        self._runner, self._head, self._classifier = runner, head, classifier

    @property
    def device(self) -> str:
        """Where the image tower runs."""
        return self._runner.device

    @property
    def precision(self) -> str:
        """In which precision it runs, and by which engine."""
        return self._runner.precision

    def check(self, question: Question) -> None:
        """Do nothing: over-long phrases are cut, as labels of ``classify`` are."""

    def locate(
        self, picture: NDArray[np.uint8], question: Question, *, min_score: float, nms: float
    ) -> Boxes:
        """Find boxes in a picture (h, w, 3)."""
        return self.find(self.see(picture), question, min_score=min_score, nms=nms)

    def see(self, picture: NDArray[np.uint8]) -> Sight:
        """Look at a picture (h, w, 3); a place's shift is none, and its scale the box's worth."""
        import numpy as np
        from PIL import Image

        found = self._head.find(*self._runner.maps(Image.fromarray(picture)))
        left_top, right_bottom = found.corners[:, :2], found.corners[:, 2:]
        none = np.zeros_like(found.worths)
        places = np.concatenate(
            [
                np.stack([none, found.worths], axis=1),
                (left_top + right_bottom) / 2,
                right_bottom - left_top,
            ],
            axis=1,
        )  # (n, 6)
        height, width = picture.shape[:2]
        return Sight(found.rows, places.astype(np.float32), width, height)

    def find(self, sight: Sight, question: Question, *, min_score: float, nms: float) -> Boxes:
        """Find boxes in what was seen; one place may have several phrases."""
        import numpy as np

        del question
        scores = sight.places[:, 1:2] * shares_of(sight.rows, self._heat_rows)  # (n, c)
        at, phrases = np.nonzero(scores > min_score)  # (m,) each
        centre, half = sight.places[:, 2:4], sight.places[:, 4:] / 2
        sides = np.array([sight.width, sight.height] * 2, np.float32)
        corners = (np.concatenate([centre - half, centre + half], axis=1) * sides)[at]
        chosen = scores[at, phrases]
        stay = suppress(corners, chosen, phrases, nms, inside=INSIDE)
        corners = np.clip(corners[stay], 0, sides).astype(np.float32)
        return Boxes(corners, chosen[stay].astype(np.float32), phrases[stay].astype(np.intp))

    @cached_property
    def _heat_rows(self) -> HeatRows:
        return heat_rows_of(self._classifier)
