"""Locating in pictures one by one, with a locating model or with heat maps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from clipcli.cache.identity import hash_content
from clipcli.errors import ImageError, InputError
from clipcli.images.files import failure_reason, open_regular
from clipcli.images.upright import Upright, open_upright
from clipcli.pipeline.image_data import ImageData
from clipcli.results import Skipped, path_fields

if TYPE_CHECKING:
    from clipcli.encoder.locator import Boxes, Question
    from clipcli.images.find import ImageFile
    from clipcli.pipeline.inputs import Input
    from clipcli.pipeline.locating.look import Look
    from clipcli.pipeline.locating.memory import Answer, Memory
    from clipcli.pipeline.reader import DecodeOptions

Method: TypeAlias = Literal["model", "small", "coarse"]
ENOUGH_PX = 1600  # a large JPEG may be decoded at a reduced size, down to this
MOST_BYTES = 64 * 2**20  # of a file that is remembered; larger ones are looked at each time


@dataclass(frozen=True, slots=True)
class Box:
    """One thing that was found, in pixels of the upright picture in full."""

    label: str
    score: float
    corners: tuple[float, float, float, float]  # left, top, right, bottom
    span: tuple[int, int] | None  # of the phrase in the sentence
    phrase: str = ""  # the word that found it, where a label has several


@dataclass(frozen=True, slots=True)
class Located:
    """One picture and its boxes, best first."""

    path: str
    width: int
    height: int
    boxes: tuple[Box, ...]
    method: Method


@dataclass(frozen=True, slots=True)
class Looker:
    """Looks at pictures one by one, files or bytes; answers from memory where it has them."""

    look: Look
    memory: Memory
    question: Question
    top: int
    method: Method
    decoding: DecodeOptions

    def look_at(self, entry: Input) -> Located | Skipped:
        """Return a picture's boxes, or why there are none."""
        if isinstance(entry, Skipped):
            return entry
        try:
            answer = self.answer(entry)
        except (ImageError, InputError) as error:
            return Skipped(entry.path, error.message)
        except MemoryError:
            return Skipped(entry.path, "not enough memory to look at it")
        listed = tuple(islice(_boxes(answer.boxes, self.question), self.top))
        return Located(entry.path, answer.width, answer.height, listed, self.method)

    def answer(self, entry: ImageFile | ImageData) -> Answer:
        """Find a picture's boxes.

        Raises
        ------
        ImageError, InputError
        """
        data = entry.read() if isinstance(entry, ImageData) else self._whole(entry.path)
        if data is None or self.memory.is_off:
            return self.look.look(self._open(entry.path if data is None else data), None)
        content = hash_content(data)
        answer = self.memory.answer(content, self.decoding.max_pixels)
        if answer is None:
            answer = self.look.recall(content, self.decoding.max_pixels)
            if answer is None:
                answer = self.look.look(self._open(data), content)
            self.memory.keep_answer(content, answer)
        return answer

    def _open(self, source: str | bytes) -> Upright:
        return open_upright(
            source,
            at_least_px=None if self.decoding.exact else ENOUGH_PX,
            max_pixels=self.decoding.max_pixels,
            convert_profiles=self.decoding.convert_profiles,
        )

    @staticmethod
    def _whole(path: str) -> bytes | None:
        """Return a file's bytes, so that what is hashed is what is looked at; None: too large."""
        with open_regular(path) as stream:
            try:
                data = stream.read(MOST_BYTES + 1)
            except OSError as error:
                raise ImageError(failure_reason(error, path)) from error
        return data if len(data) <= MOST_BYTES else None


def _boxes(boxes: Boxes, question: Question) -> Iterator[Box]:
    for corners, score, phrase in zip(boxes.corners, boxes.scores, boxes.phrases, strict=True):
        left, top, right, bottom = (float(v) for v in corners)
        yield Box(
            question.labels[question.label_of(int(phrase))],
            float(score),
            (left, top, right, bottom),
            question.spans[int(phrase)] if question.spans else None,
            question.phrases[int(phrase)],
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
        "phrase": box.phrase,
    }
    return fields | ({"span": list(box.span)} if box.span is not None else {})
