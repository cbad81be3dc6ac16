"""A class tree with known faults: wrong labels, copies and broken files, planted in a copy of it.

Nothing of the source is written to. The same seed plants the same.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps, UnidentifiedImageError

from clipcli.images.class_tree import ClassTree
from clipcli.images.find import FindReport, ImageFile

Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def cut(share: float, place: tuple[float, float] | None) -> Change:
    """Return what cuts a share of both sides: 0.5 from both ends alike, None: anywhere."""

    def change(image: Image.Image, chance: np.random.Generator) -> Image.Image:
        width, height = image.width * share, image.height * share
        across, down = place or chance.random(2)
        left, top = width * across, height * down
        box = (left, top, left + image.width - width, top + image.height - height)
        return image.crop(tuple(round(side) for side in box))  # type: ignore[arg-type]

    return change


def scaled(factor: float) -> Change:
    """Return what makes a picture smaller or larger."""

    def change(image: Image.Image, _: np.random.Generator) -> Image.Image:
        size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
        return image.resize(size, Image.Resampling.LANCZOS)

    return change


def bright(factor: float) -> Change:
    """Return what makes a picture brighter or darker."""
    return lambda image, _: ImageEnhance.Brightness(image).enhance(factor)


def same(image: Image.Image, _: np.random.Generator) -> Image.Image:
    """Return the picture: only the file is another."""
    return image


MIDDLE, CORNER = (0.5, 0.5), (0.0, 1.0)
JPEG: dict[str, object] = {"format": "JPEG", "quality": 85}
# How a copy came about, and how it is stored.
NEAR: dict[str, tuple[Change, dict[str, object]]] = {
    **{f"JPEG of quality {q}": (same, {"format": "JPEG", "quality": q}) for q in (20, 50, 90)},
    "PNG": (same, {"format": "PNG"}),
    "WebP": (same, {"format": "WEBP", "quality": 60}),
    **{f"cut by {s:.0%}, middle": (cut(s, MIDDLE), JPEG) for s in (0.02, 0.05, 0.1)},
    **{f"cut by {s:.0%}, corner": (cut(s, CORNER), JPEG) for s in (0.03, 0.05, 0.07, 0.1)},
    **{f"cut by {s:.0%}, anywhere": (cut(s, None), JPEG) for s in (0.03, 0.05, 0.07, 0.1)},
    "half as large": (scaled(0.5), JPEG),
    "one and a half as large": (scaled(1.5), JPEG),
    "brighter by 30 %": (bright(1.3), JPEG),
    "half as bright": (bright(0.5), JPEG),
    "grey": (lambda image, _: image.convert("L").convert("RGB"), JPEG),
    "blurred": (
        lambda image, _: image.filter(ImageFilter.GaussianBlur(0.01 * max(image.size))),
        JPEG,
    ),
    "mirrored": (lambda image, _: ImageOps.mirror(image), JPEG),
    "framed": (
        lambda image, _: ImageOps.expand(image, max(1, round(0.02 * max(image.size))), "black"),
        JPEG,
    ),
    "turned by 2 degrees": (lambda image, _: image.rotate(2), JPEG),
}
EXACT = "the same bytes"
BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "cut off in the middle": lambda data: data[: len(data) // 2],
    "nothing but the beginning": lambda data: data[:300],
    "empty": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "a text": lambda data: b"no picture at all",
    "a page of HTML": lambda data: b"<html><body>404</body></html>",
}


@dataclass
class Planted:
    """A tree on disk, and what is known of it; paths are as the tree has them."""

    folder: Path
    paths: list[Path] = field(default_factory=list)  # of the set's own pictures
    wrong: set[str] = field(default_factory=set)  # those whose label was shuffled
    copies: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # (original, copy)
    broken: set[str] = field(default_factory=set)


def shuffled(tree: ClassTree, folder: Path, share: float, chance: np.random.Generator) -> Planted:
    """Copy the pictures that are in a class, and put a share of them into another one."""
    found = (entry.path for entry in tree.find(FindReport()) if isinstance(entry, ImageFile))
    sources = [path for path in found if tree.label_of(path) is not None]
    is_wrong = np.zeros(len(sources), bool)
    is_wrong[chance.choice(len(sources), round(share * len(sources)), replace=False)] = True
    made = Planted(folder)
    for i, source in enumerate(sources):
        place = tree.place_of(source)
        label = str(place.label)
        if is_wrong[i]:
            label = str(chance.choice([name for name in tree.classes if name != label]))
        path = folder / place.split / label / f"{i:06}-{Path(source).name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)
        made.paths.append(path)
        if is_wrong[i]:
            made.wrong.add(str(path))
    return made


def plant(made: Planted, each: int, chance: np.random.Generator) -> None:
    """Add so many copies of each kind, beside their originals, and broken files."""
    order = cycle(chance.permutation(len(made.paths)).tolist())
    originals = (made.paths[i] for i in order)
    for number in range(each):
        original = next(originals)
        copy = original.with_name(f"exact-{number}-{original.name}")
        shutil.copyfile(original, copy)
        made.copies.setdefault(EXACT, []).append((str(original), str(copy)))
    for kind_number, (kind, (change, options)) in enumerate(NEAR.items()):
        readable = _readable(originals)
        for number in range(each):
            original, image = next(readable)
            ending = str(options["format"]).lower().replace("jpeg", "jpg")
            copy = original.with_name(f"near-{kind_number}-{number}.{ending}")
            change(image, chance).save(copy, **options)
            made.copies.setdefault(kind, []).append((str(original), str(copy)))
    for kind_number, spoil in enumerate(BROKEN.values()):
        for number in range(each):
            original = next(originals)
            path = original.with_name(f"broken-{kind_number}-{number}.jpg")
            path.write_bytes(spoil(original.read_bytes()))
            made.broken.add(str(path))


def _readable(paths: Iterator[Path]) -> Iterator[tuple[Path, Image.Image]]:
    for path in paths:
        try:
            with Image.open(path) as image:
                yield path, ImageOps.exif_transpose(image).convert("RGB")
        except (OSError, UnidentifiedImageError):
            continue
