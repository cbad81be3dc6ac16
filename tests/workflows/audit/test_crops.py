"""Crops: a picture that was cut or framed is found, and what only has the same outline is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from clipcli.images.decode import Decoded
from clipcli.workflows.audit.crops import NEIGHBOURS, crop_pairs
from clipcli.workflows.audit.measures import Measures, measures_of
from tests.conftest import ROOT
from tests.workflows.audit.conftest import scene

Change = Callable[[Image.Image], Image.Image]


def cut(left: float, top: float, right: float, bottom: float) -> Change:
    """Return what cuts so much of each side, in hundredths."""

    def change(image: Image.Image) -> Image.Image:
        width, height = image.width / 100, image.height / 100
        box = left * width, top * height, (100 - right) * width, (100 - bottom) * height
        return image.crop(tuple(map(round, box)))  # type: ignore[arg-type]

    return change


CHANGES: dict[str, Change] = {
    "2 % in the middle": cut(1, 1, 1, 1),
    "5 % in the middle": cut(2.5, 2.5, 2.5, 2.5),
    "10 % in the middle": cut(5, 5, 5, 5),
    "3 % at a corner": cut(3, 3, 0, 0),
    "5 % at a corner": cut(0, 5, 5, 0),
    "7 % at a corner": cut(0, 0, 7, 7),
    "7 % anywhere": cut(2, 6, 5, 1),
    "10 % below": cut(0, 0, 0, 10),
    "10 % above and below": cut(0, 5, 0, 5),
    "5 % and mirrored": lambda image: ImageOps.mirror(cut(5, 0, 0, 5)(image)),
    "5 % and half as large": lambda image: cut(0, 5, 5, 0)(image).reduce(2),
    "a black frame": lambda image: ImageOps.expand(image, round(0.02 * image.width), "black"),
    "a white frame": lambda image: ImageOps.expand(image, round(0.02 * image.width), "white"),
}


def measured(images: Sequence[Image.Image]) -> list[Measures]:
    return [measures_of(Decoded(i, (0.0, 0.0, *i.size), i.width * i.height)) for i in images]


def pairs_among(images: Sequence[Image.Image]) -> set[tuple[int, int]]:
    """Return the pairs of crops, the smaller number first."""
    return pairs_of(measured(images))


def pairs_of(told: Sequence[Measures]) -> set[tuple[int, int]]:
    greys = np.stack([measures.miniature for measures in told])
    is_flat = np.array([measures.contrast < 4 for measures in told])
    found = crop_pairs(greys, is_flat, lambda i, j: False)
    return {(min(pair), max(pair)) for pair in found}


def jpeg(image: Image.Image, quality: int = 70) -> Image.Image:
    file = BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    paths = sorted((ROOT / "examples" / "photos").glob("*.*g"))  # jpg and png
    return [ImageOps.contain(Image.open(path).convert("RGB"), (256, 256)) for path in paths]


@pytest.fixture(scope="module")
def photos_measured(photos: list[Image.Image]) -> list[Measures]:
    return measured(photos)


@pytest.mark.parametrize("change", CHANGES)
def test_every_photo_is_found_again_after(
    change: str, photos: list[Image.Image], photos_measured: list[Measures]
) -> None:
    n = len(photos)
    changed = measured([jpeg(CHANGES[change](photo)) for photo in photos])

    pairs = pairs_of([*photos_measured, *changed])

    assert pairs == {(i, n + i) for i in range(n)}


def test_no_photo_is_a_crop_of_another(photos: list[Image.Image]) -> None:
    assert pairs_among(photos) == set()


@pytest.mark.parametrize("width", [4, 12])
def test_frames_alone_make_no_copies(width: int) -> None:
    framed = [ImageOps.expand(scene(i), width, "white") for i in range(12)]

    assert pairs_among(framed) == set()


def test_horizons_alone_make_no_copies() -> None:
    shores = []
    for i in range(12):
        shore = Image.eval(scene(i), lambda value: 150 + value // 4)
        height = 80 + i
        land = Image.eval(scene(50 + i), lambda value: value // 4)
        shore.paste(land.crop((0, height, *land.size)), (0, height))
        shores.append(shore)

    assert pairs_among(shores) == set()


def test_pictures_without_contrast_are_in_no_pair() -> None:
    plain = [Image.new("RGB", (90, 60), (grey,) * 3) for grey in (60, 61, 200)]
    for image in plain:
        ImageDraw.Draw(image).point((5, 5), fill="black")

    assert pairs_among([*plain, scene(1)]) == set()


def test_more_copies_than_are_compared_hide_no_crop() -> None:
    copies = [jpeg(scene(1), 95 - i) for i in range(2 * NEIGHBOURS)]
    others = [scene(i) for i in range(2, 30)]
    part = cut(0, 0, 6, 6)(scene(1))

    pairs = pairs_among([*copies, *others, part])

    last = len(copies) + len(others)
    assert any(j == last and i < len(copies) for i, j in pairs)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_pictures_are_no_trouble(n: int) -> None:
    greys = np.zeros((n, 48, 48), np.uint8)

    assert list(crop_pairs(greys, np.zeros(n, bool), lambda i, j: False)) == []


def test_what_is_known_is_not_told_again() -> None:
    miniature = np.random.default_rng(0).integers(0, 255, (1, 48, 48)).astype(np.uint8)
    twice = np.concatenate([miniature, miniature])

    told = list(crop_pairs(twice, np.zeros(2, bool), lambda i, j: True))
    untold = list(crop_pairs(twice, np.zeros(2, bool), lambda i, j: False))

    assert told == []
    assert untold


def test_blocks_give_what_one_product_gives(
    photos: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [*photos[:8], *(cut(4, 0, 0, 4)(photo) for photo in photos[:8])]
    whole = pairs_among(images)

    monkeypatch.setattr("clipcli.workflows.audit.neighbours.ROWS_AT_ONCE", 3)

    assert pairs_among(images) == whole
    assert len(whole) == 8
