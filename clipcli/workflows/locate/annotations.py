"""COCO's annotation files, and boxes brought into the same form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcli.errors import InputError
from clipcli.strict_json import Bounds, read_json
from clipcli.workflows.locate.precision import Guess, Key, Truth

if TYPE_CHECKING:
    from clipcli.pipeline.locating.run import Located


# COCO's own instances of 2017: 118,000 pictures, 860,000 boxes with outlines, 450 MB.
ANNOTATIONS = Bounds(n_bytes=1024**3, items=200_000_000)


@dataclass(frozen=True, slots=True)
class Annotations:
    """What a file says: pictures, categories, and boxes by picture and category."""

    pictures: Mapping[int | str, str]  # identity -> file name
    categories: Mapping[int, str]
    truths: Mapping[Key, Truth]


def read_annotations(path: Path) -> Annotations:
    """Read a file in COCO's form.

    Raises
    ------
    InputError
        If it cannot be read, or is not in that form.
    """
    data = read_json(path, InputError, ANNOTATIONS)
    try:
        return annotations_from(data)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(
            f"{path}: is not in COCO's form: {type(error).__name__}: {error}",
            hint="it needs images (id, file_name), categories (id, name) and annotations "
            "(image_id, category_id, bbox)",
        ) from error


def annotations_from(data: Mapping[str, Any]) -> Annotations:
    """Return what a file's data say."""
    import numpy as np

    pictures = {image["id"]: str(image["file_name"]) for image in data["images"]}
    categories = {int(one["id"]): str(one["name"]) for one in data["categories"]}
    if not pictures or not categories:
        raise ValueError("no images or no categories")
    # What is found goes by file and name, and would count for one of two alone.
    _check_apart("images with the id", [image["id"] for image in data["images"]])
    _check_apart("images with the file_name", pictures.values())
    _check_apart("categories with the id", [int(one["id"]) for one in data["categories"]])
    _check_apart("categories with the name", categories.values())
    grouped: dict[Key, list[Mapping[str, Any]]] = {}
    for one in data["annotations"]:
        category = int(one["category_id"])
        if one["image_id"] not in pictures or category not in categories:
            raise ValueError("an annotation of an unknown image or category")
        grouped.setdefault((one["image_id"], category), []).append(one)
    truths = {}
    for key, group in grouped.items():
        boxes = np.array([one["bbox"] for one in group], float).reshape(-1, 4)
        areas = [one.get("area", w * h) for one, (_, _, w, h) in zip(group, boxes, strict=True)]
        crowds = np.array([bool(one.get("iscrowd", 0)) for one in group])
        truths[key] = Truth(boxes, np.array(areas, float), crowds)
    return Annotations(pictures, categories, truths)


def _check_apart(what: str, values: Iterable[int | str]) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise ValueError(f"two {what} {value!r}")
        seen.add(value)


def guesses_from(results: Iterable[Mapping[str, Any]]) -> dict[Key, Guess]:
    """Return results in COCO's form by picture and category."""
    import numpy as np

    grouped: dict[Key, list[Mapping[str, Any]]] = {}
    for one in results:
        grouped.setdefault((one["image_id"], int(one["category_id"])), []).append(one)
    return {
        key: Guess(
            np.array([one["bbox"] for one in group], float).reshape(-1, 4),
            np.array([one["score"] for one in group], float),
        )
        for key, group in grouped.items()
    }


def guesses_of(
    located: Mapping[int | str, Located], categories: Mapping[int, str]
) -> dict[Key, Guess]:
    """Return located boxes by picture and category."""
    identities = {name: identity for identity, name in categories.items()}
    return guesses_from(
        {
            "image_id": picture,
            "category_id": identities[box.label],
            "bbox": (
                box.corners[0],
                box.corners[1],
                box.corners[2] - box.corners[0],
                box.corners[3] - box.corners[1],
            ),
            "score": box.score,
        }
        for picture, entry in located.items()
        for box in entry.boxes
    )


def pointing(truths: Mapping[Key, Truth], guesses: Mapping[Key, Guess]) -> tuple[int, int]:
    """Play the pointing game: in how many of how many pairs does the best box's middle hit.

    A pair is a picture and a category that is annotated in it, crowds aside (Zhang et al. 2016,
    arXiv:1608.00507, section 4.1, with the middle of the best box for a map's peak).
    """
    n_hits = n_pairs = 0
    for key, truth in truths.items():
        boxes = truth.boxes[~truth.is_crowd]
        if not len(boxes):
            continue
        n_pairs += 1
        guess = guesses.get(key)
        if guess is None or not len(guess.scores):
            continue
        left, top, width, height = guess.boxes[int(guess.scores.argmax())]
        x, y = left + width / 2, top + height / 2
        inside = (boxes[:, 0] <= x) & (x <= boxes[:, 0] + boxes[:, 2])
        inside &= (boxes[:, 1] <= y) & (y <= boxes[:, 1] + boxes[:, 3])
        n_hits += bool(inside.any())
    return n_hits, n_pairs
