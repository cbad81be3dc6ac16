"""Locating in pictures one by one, with a locating model or with heat maps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from clipcli.encoder.locator import Boxes, Question
from clipcli.errors import ImageError, InputError
from clipcli.images.find import ImageFile
from clipcli.images.upright import Upright, open_upright
from clipcli.results import Skipped, path_fields

if TYPE_CHECKING:
    from clipcli.encoder.locator import Locator
    from clipcli.workflows.locate.coarse import CoarseLocator

Method: TypeAlias = Literal["model", "coarse"]
ENOUGH_PX = 1600  # a large JPEG may be decoded at a reduced size, down to this
Look: TypeAlias = Callable[[Upright], Boxes]


@dataclass(frozen=True, slots=True)
class BoxRules:
    """Which boxes are listed."""

    min_score: float
    top: int
    nms: float


@dataclass(frozen=True, slots=True)
class Box:
    """One thing that was found, in pixels of the upright picture in full."""

    label: str
    score: float
    corners: tuple[float, float, float, float]  # left, top, right, bottom
    span: tuple[int, int] | None  # of the phrase in the sentence


@dataclass(frozen=True, slots=True)
class Located:
    """One picture and its boxes, best first."""

    path: str
    width: int
    height: int
    boxes: tuple[Box, ...]
    method: Method


def look_with(locator: Locator, question: Question, rules: BoxRules) -> Look:
    """Return what finds boxes with a locating model."""
    import numpy as np

    def look(picture: Upright) -> Boxes:
        pixels = np.asarray(picture.image)
        return locator.locate(pixels, question, min_score=rules.min_score, nms=rules.nms)

    return look


def look_coarsely(locator: CoarseLocator, question: Question, rules: BoxRules) -> Look:
    """Return what finds coarse boxes with heat maps."""
    return lambda picture: locator.locate(picture.image, question, min_score=rules.min_score)


def locate(
    found: Iterable[ImageFile | Skipped],
    look: Look,
    question: Question,
    rules: BoxRules,
    *,
    method: Method,
    max_pixels: int,
    exact: bool,
) -> Iterator[Located | Skipped]:
    """Yield boxes, or why there are none, for every input in order."""
    at_least_px = None if exact else ENOUGH_PX
    for entry in found:
        if isinstance(entry, Skipped):
            yield entry
            continue
        try:
            picture = open_upright(entry.path, at_least_px=at_least_px, max_pixels=max_pixels)
        except (ImageError, InputError) as error:
            yield Skipped(entry.path, error.message)
            continue
        boxes = look(picture)
        listed = tuple(_boxes(boxes, picture, question))[: rules.top]
        yield Located(entry.path, picture.width, picture.height, listed, method)


def _boxes(boxes: Boxes, picture: Upright, question: Question) -> Iterator[Box]:
    across = picture.width / picture.image.width
    down = picture.height / picture.image.height
    for corners, score, phrase in zip(boxes.corners, boxes.scores, boxes.phrases, strict=True):
        left, top, right, bottom = (float(v) for v in corners)
        yield Box(
            question.phrases[int(phrase)],
            float(score),
            (left * across, top * down, right * across, bottom * down),
            question.spans[int(phrase)] if question.spans else None,
        )


def record(located: Located | Skipped) -> dict[str, Any]:
    """Return the JSON object of one picture."""
    fields: dict[str, Any] = dict(path_fields(located.path))
    if isinstance(located, Skipped):
        return fields | {"status": "skipped", "reason": located.reason}
    return fields | {
        "status": "ok",
        "width": located.width,
        "height": located.height,
        "method": located.method,
        "boxes": [_box_fields(box) for box in located.boxes],
    }


def _box_fields(box: Box) -> dict[str, Any]:
    fields = {
        "label": box.label,
        "score": round(box.score, 6),
        "box": [round(v, 2) for v in box.corners],
        "phrase": box.label,
    }
    return fields | ({"span": list(box.span)} if box.span is not None else {})
