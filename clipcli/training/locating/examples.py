"""Pictures with boxes and words, from COCO's files and from captions with marked phrases.

Two kinds of file are told apart picture by picture. COCO's: each box has a category. Captions with
boxes, as MDETR's and GLIP's files have them: an image has a ``caption``, and each annotation's
``tokens_positive`` says which stretches of characters of it the box belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clipcli.errors import InputError
from clipcli.strict_json import Bounds, read_json

FILE = Bounds(n_bytes=1024**3, items=200_000_000)
MISSING_SHOWN = 3

Corners = tuple[float, float, float, float]  # left, top, right, bottom, pixels
Span = tuple[int, int]  # of characters


@dataclass(frozen=True, slots=True)
class Example:
    """One picture: a caption whose phrases have boxes, or names out of a list that have some."""

    path: Path
    phrases: tuple[str, ...]  # of the caption, or all names that could have been annotated
    boxes: tuple[tuple[Corners, int], ...]  # and which of the phrases is there
    caption: str = ""  # empty: names
    spans: tuple[Span, ...] = ()  # of the phrases in the caption
    unsure: tuple[Span, ...] = ()  # of its words that may be anywhere: nothing is learned of them


def read_examples(file: Path, pictures: Path | None = None) -> list[Example]:
    """Read a file of boxes; its pictures lie in ``pictures``, or beside it.

    Raises
    ------
    InputError
        If the file cannot be read or makes no sense, or a picture is not there.
    """
    data = read_json(file, InputError, FILE)
    folder = pictures or file.parent
    try:
        examples = _examples(data, folder)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(
            f"{file}: is not in COCO's form: {type(error).__name__}: {error}",
            hint="it needs images (id, file_name), annotations (image_id, bbox, category_id) and "
            "categories (id, name), or a caption an image and tokens_positive an annotation",
        ) from error
    missing = [str(one.path) for one in examples if not one.path.is_file()]
    if missing:
        raise InputError(
            f"{file}: {len(missing):,} of {len(examples):,} pictures are missing: "
            + ", ".join(missing[:MISSING_SHOWN]),
            hint="--pictures names the folder that they lie in",
        )
    return examples


def _examples(data: Mapping[str, Any], folder: Path) -> list[Example]:
    categories = {int(one["id"]): str(one["name"]) for one in data.get("categories", ())}
    names = tuple(dict.fromkeys(categories.values()))
    places = {identity: names.index(name) for identity, name in categories.items()}
    grouped: dict[Any, list[Mapping[str, Any]]] = {}
    for one in data["images"]:
        if one["id"] in grouped:
            raise ValueError(f"two images with the id {one['id']!r}")
        grouped[one["id"]] = []
    for one in data["annotations"]:
        if one["image_id"] not in grouped:
            raise ValueError("an annotation of an unknown image")
        if not one.get("iscrowd", 0):
            grouped[one["image_id"]].append(one)
    if not grouped:
        raise ValueError("no images")
    found = []
    for image in data["images"]:
        path, own = folder / str(image["file_name"]), grouped[image["id"]]
        if caption := str(image.get("caption", "")).strip():
            unsure = tuple((int(a), int(b)) for a, b in image.get("unsure", ()))
            found.append(replace(_captioned(path, caption, own), unsure=unsure))
        else:
            boxes = [(corners(one["bbox"]), places[int(one["category_id"])]) for one in own]
            found.append(Example(path, names, tuple((b, i) for b, i in boxes if b is not None)))
    if any(not one.phrases for one in found):
        raise ValueError("a picture without a caption, and no categories")
    return found


def _captioned(path: Path, caption: str, own: Sequence[Mapping[str, Any]]) -> Example:
    spans: dict[Span, int] = {}
    boxes = []
    for one in own:
        box = corners(one["bbox"])
        for begin, end in one["tokens_positive"]:
            span = (int(begin), int(end))
            if not 0 <= span[0] < span[1] <= len(caption):
                raise ValueError(f"tokens_positive {list(span)} lies beyond its caption")
            number = spans.setdefault(span, len(spans))
            if box is not None:
                boxes.append((box, number))
    if not spans:  # a caption none of whose words is in the picture
        spans = {(0, len(caption)): 0}
    phrases = tuple(caption[a:b] for a, b in spans)
    return Example(path, phrases, tuple(boxes), caption, tuple(spans))


def corners(box: Sequence[float]) -> Corners | None:
    """Return COCO's left, top, width, height as corners; None for a box without an area."""
    left, top, width, height = map(float, box)
    return (left, top, left + width, top + height) if width > 0 and height > 0 else None
