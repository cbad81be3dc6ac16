"""The recipe of the small locator: what it learns, and that the product computes the same."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from clipcli.encoder.small_boxes import SmallHead, corners_of
from clipcli.models.folder import builtin_model_folder
from clipcli.models.locators.small import find_small
from clipcli.models.open import open_model

RECIPE = Path(__file__).parents[2] / "examples" / "train_mini"


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModuleType, ModuleType]]:
    """Lend the scripts, whose plain names are gone afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(RECIPE))
    yield importlib.import_module("train.locator"), importlib.import_module("data.boxes")
    for name in set(sys.modules) - before:
        if str(RECIPE) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_what_is_written_computes_in_the_product_what_was_trained(
    recipe: tuple[ModuleType, ModuleType], tmp_path: Path
) -> None:
    train, _ = recipe
    folder = Path(shutil.copytree(builtin_model_folder(), tmp_path / "copy"))
    torch.manual_seed(0)
    head = train.Head(112, 320)
    fine, deep = 4 * torch.randn(2, 112, 6, 10), 8 * torch.randn(2, 320, 3, 5)

    train.write(head, folder)

    source = find_small(open_model(folder))
    assert source is not None
    with torch.no_grad():
        expected = head(fine, deep).numpy()
    told = SmallHead(source).predict(fine.numpy(), deep.numpy())
    np.testing.assert_allclose(told, expected, atol=0.01)  # the weights are rounded to fp16


def test_it_learns_where_a_bright_thing_is(recipe: tuple[ModuleType, ModuleType]) -> None:
    train, _ = recipe
    rng = np.random.default_rng(0)
    views = []
    for _ in range(16):
        left, top = rng.integers(0, 6, 2)
        right, bottom = left + rng.integers(3, 7), top + rng.integers(3, 7)
        fine = rng.normal(0, 1, (6, 12, 12)).astype(np.float16)
        fine[0, top:bottom, left:right] += 20
        deep = np.zeros((6, 6, 6), np.float16)
        box = np.float32([[left, top, right, bottom]])
        views.append(train.View(fine, deep, box, is_coco=False))

    head = train.train(views, 45)

    overlaps = []
    for view in views:
        with torch.no_grad():
            told = head(*(torch.from_numpy(x).float()[None] for x in (view.fine, view.deep)))[0]
        best = int(told[0].argmax())
        box = corners_of(told[1:].numpy()).reshape(-1, 4)[best]
        low = np.maximum(box[:2], view.boxes[0, :2])
        high = np.minimum(box[2:], view.boxes[0, 2:])
        common = np.maximum(high - low, 0).prod()
        areas = (box[2:] - box[:2]).prod() + (view.boxes[0, 2:] - view.boxes[0, :2]).prod()
        overlaps.append(common / (areas - common))
    assert np.mean(overlaps) > 0.7


def test_annotations_are_read_and_the_judged_are_the_same_each_time(
    recipe: tuple[ModuleType, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, data = recipe
    monkeypatch.setattr(data, "JUDGED", 1)
    text = "000001.jpg\ntrain 139 200 207 301 \n1\n000002.jpg\ncar 13 311 84 362 \ncat 1 2 3 4\n"

    pictures = {picture.path: picture for picture in data.voc_pictures(text)}

    assert pictures["JPEGImages/000001.jpg"].boxes == ((139.0, 200.0, 207.0, 301.0),)
    assert pictures["JPEGImages/000002.jpg"].names == ("car", "cat")
    assert [p.is_judged for p in data.voc_pictures(text)] == [True, False]
    assert data.voc_pictures(text) == data.voc_pictures(text)
    coco = {
        "images": [{"id": 7, "file_name": "7.jpg"}, {"id": 8, "file_name": "8.jpg"}],
        "annotations": [
            {"image_id": 7, "bbox": [1, 2, 3, 4], "iscrowd": 0},
            {"image_id": 7, "bbox": [0, 0, 9, 9], "iscrowd": 1},
            {"image_id": 8, "bbox": [1, 2, 3, 4], "iscrowd": 0},
        ],
    }
    (found,) = data.coco_pictures("val2017", coco, {"val2017/7.jpg": "abc"})
    assert (found.path, found.boxes) == ("val2017/7.jpg", ((1, 2, 4, 6),))


def test_boxes_are_mirrored_with_their_picture(recipe: tuple[ModuleType, ModuleType]) -> None:
    from PIL import Image

    _, data = recipe
    fine, picture = np.zeros((1, 10, 20)), Image.new("RGB", (200, 100))
    boxes = np.float32([[20, 30, 60, 90]])

    plain = data.in_places(boxes, picture, fine, is_mirrored=False)
    mirrored = data.in_places(boxes, picture, fine, is_mirrored=True)

    np.testing.assert_allclose(plain, [[2, 3, 6, 9]])
    np.testing.assert_allclose(mirrored, [[14, 3, 18, 9]])
