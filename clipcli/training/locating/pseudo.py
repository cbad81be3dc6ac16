"""Self-training: what a teacher is sure of in captioned pictures becomes what a student learns.

As GLIP was trained (Li et al. 2022, arXiv:2112.03857, section 3.3): a teacher grounds the phrases
of captions, and boxes above a threshold are taken for annotated ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipcli.encoder.locator import Question
from clipcli.errors import ImageError, InputError, OutputError, OutputExistsError, UsageError
from clipcli.images.upright import open_upright
from clipcli.labels.phrases import phrases_of
from clipcli.strict_json import read_json
from clipcli.training.locating.examples import FILE, Example, read_examples

if TYPE_CHECKING:
    from clipcli.encoder.locator import LocatingModel
    from clipcli.training.data.pair import Pair
    from clipcli.training.log import Say

SURE = 0.5
OVERLAP = 0.6
ENOUGH_PX = 1600


def pseudo_examples(
    teacher: LocatingModel, pairs: Iterable[Pair], say: Say, *, sure: float = SURE
) -> Iterator[Example]:
    """Yield an example for each captioned picture in which the teacher is sure of something.

    Pictures that cannot be read, and captions that the teacher cannot, are named and left out.
    """
    for pair in pairs:
        caption = pair.captions[0]
        try:
            spans = phrases_of(caption)
            picture = open_upright(pair.path, at_least_px=ENOUGH_PX)
            question = Question.of_sentence(caption, spans)
            teacher.check(question)
        except (ImageError, UsageError) as error:
            say(f"left out {pair.path}: {error.message}")
            continue
        pixels = np.asarray(picture.image)
        found = teacher.locate(pixels, question, min_score=sure, nms=OVERLAP)
        ratio = np.array([picture.width, picture.height] * 2) / np.array([*picture.image.size] * 2)
        boxes = tuple(
            (tuple(float(v) for v in corners * ratio), int(phrase))
            for corners, phrase in zip(found.corners, found.phrases, strict=True)
        )
        # A caption says what is there: what the teacher does not find of it is not absent.
        found_too = {phrase for _, phrase in boxes}
        unsure = tuple(span for i, span in enumerate(spans) if i not in found_too)
        if boxes:
            yield Example(pair.path, question.phrases, boxes, caption, tuple(spans), unsure)  # type: ignore[arg-type]


def kept_examples(
    path: Path, facts: Mapping[str, Any], make: Callable[[], Iterable[Example]]
) -> list[Example]:
    """Return examples that are kept at ``path`` for the same ``facts``, or make and keep them.

    The file is one of captions with boxes, as others' tools read them.

    Raises
    ------
    OutputExistsError
        If another file is there.
    OutputError
        If it cannot be written.
    """
    made_from = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    if path.is_file():
        kept_from, n_pictures = _told(read_json(path, InputError, FILE))
        if kept_from is None:
            raise OutputExistsError(
                f"{path}: exists, and is not what a teacher has found", hint="choose another --out"
            )
        if kept_from == made_from:
            return read_examples(path) if n_pictures else []
    examples = list(make())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(_as_file(examples, made_from)), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error
    return examples


def _told(kept: Any) -> tuple[str | None, int]:
    """Return what a file was made from, None where it does not say so, and its pictures' number."""
    try:
        return str(kept["info"]["made_from"]), len(kept["images"])
    except (LookupError, TypeError):
        return None, 0


def _as_file(examples: Iterable[Example], made_from: str) -> dict[str, Any]:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for i, one in enumerate(examples):
        image = {"id": i, "file_name": str(one.path.absolute()), "caption": one.caption}
        images.append(image | {"unsure": [list(span) for span in one.unsure]})
        for (left, top, right, bottom), phrase in one.boxes:
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": i,
                    "bbox": [left, top, right - left, bottom - top],
                    "tokens_positive": [list(one.spans[phrase])],
                }
            )
    return {"info": {"made_from": made_from}, "images": images, "annotations": annotations}
