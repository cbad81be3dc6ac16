"""Looking at a picture with whatever locates: a model, or heat maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from clipcli.encoder.locator import Boxes, Question, Unfused
from clipcli.pipeline.locating.memory import Answer, Seen

if TYPE_CHECKING:
    from clipcli.encoder.locator import LocatingModel
    from clipcli.images.upright import Upright
    from clipcli.pipeline.locating.coarse import CoarseLocator
    from clipcli.pipeline.locating.memory import Memory


@dataclass(frozen=True, slots=True)
class BoxRules:
    """Which boxes are listed."""

    min_score: float
    top: int
    nms: float


class Look(Protocol):
    """Finds boxes; what is remembered of a picture spares decoding it."""

    def recall(self, content: bytes, max_pixels: int) -> Answer | None:
        """Return a picture's boxes by its hash, without opening it."""

    def look(self, picture: Upright, content: bytes | None) -> Answer:
        """Find boxes in a picture; ``content`` is its hash."""


class ModelLook:
    """Looks with a locating model, which is loaded when something has to be looked at."""

    def __init__(
        self,
        load: Callable[[], LocatingModel],
        question: Question,
        rules: BoxRules,
        memory: Memory,
    ) -> None:
        self._load, self._question, self._rules = load, question, rules
        self._memory = memory

    @cached_property
    def locator(self) -> LocatingModel:
        """The model; words that it cannot read are refused once it is there.

        Raises
        ------
        ModelError, DeviceError, UsageError
        """
        locator = self._load()
        locator.check(self._question)
        return locator

    @property
    def is_loaded(self) -> bool:
        """Whether anything had to be looked at."""
        return "locator" in self.__dict__

    def recall(self, content: bytes, max_pixels: int) -> Answer | None:
        """Return a picture's boxes by its hash, from those that are kept or from a sight."""
        seen = self._memory.seen(content, max_pixels)
        return None if seen is None else self._found(seen)

    def look(self, picture: Upright, content: bytes | None) -> Answer:
        """Find boxes in a picture."""
        import numpy as np

        pixels, locator, rules = np.asarray(picture.image), self.locator, self._rules
        if isinstance(locator, Unfused):
            seen = Seen(picture.width, picture.height, locator.see(pixels))
            return self._found(self._memory.keep_seen(content, seen))
        boxes = locator.locate(pixels, self._question, min_score=rules.min_score, nms=rules.nms)
        return in_full(boxes, picture.width, picture.height, *picture.image.size)

    def _found(self, seen: Seen) -> Answer:
        locator, rules, sight = self.locator, self._rules, seen.sight
        assert isinstance(locator, Unfused)
        boxes = locator.find(sight, self._question, min_score=rules.min_score, nms=rules.nms)
        return in_full(boxes, seen.width, seen.height, sight.width, sight.height)


class CoarseLook:
    """Looks with heat maps."""

    def __init__(self, locator: CoarseLocator, question: Question, rules: BoxRules) -> None:
        self._locator, self._question, self._rules = locator, question, rules

    def recall(self, content: bytes, max_pixels: int) -> Answer | None:
        """Return None: maps are not kept."""

    def look(self, picture: Upright, content: bytes | None) -> Answer:
        """Find coarse boxes in a picture."""
        del content
        boxes = self._locator.locate(picture.image, self._question, min_score=self._rules.min_score)
        return in_full(boxes, picture.width, picture.height, *picture.image.size)


def in_full(boxes: Boxes, width: int, height: int, seen_width: int, seen_height: int) -> Answer:
    """Return boxes in pixels of the picture in full, from those of what was looked at."""
    import numpy as np

    across, down = width / seen_width, height / seen_height
    corners = (boxes.corners * np.array([across, down, across, down])).astype(np.float32)
    return Answer(width, height, Boxes(corners, boxes.scores, boxes.phrases))
