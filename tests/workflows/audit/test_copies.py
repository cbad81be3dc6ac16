"""Copies: the same bytes, and the same picture in other bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from clipcli.images.class_tree import Place
from clipcli.workflows.audit.copies import duplicates, exact_groups, near_groups
from clipcli.workflows.audit.dataset import Dataset
from clipcli.workflows.audit.measures import measure
from tests.workflows.audit.conftest import scene

CHANGES: dict[str, Any] = {
    "smaller": lambda image: image.resize((120, 90)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    "mirrored": ImageOps.mirror,
    "squashed": lambda image: image.resize((240, 160)),
}


def dataset_of(paths: list[Path], places: list[Place] | None = None) -> Dataset:
    """Return a data set of files whose embeddings say nothing."""
    n = len(paths)
    vectors = np.eye(n, max(n, 2), dtype=np.float32)
    told = [measure(str(path), max_pixels=10**8)[0] for path in paths]
    return Dataset((), list(map(str, paths)), places or [Place(None)] * n, vectors, told)


def saved(image: Image.Image, path: Path, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def test_files_with_the_same_bytes_are_a_group(tmp_path: Path) -> None:
    contents = [b"one", b"two", b"one", b"three", b"two", b"six"]
    paths = [tmp_path / f"{i}" for i in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    gone = tmp_path / "gone"

    groups = exact_groups([str(path) for path in [*paths, gone]])

    assert groups == [[0, 2], [1, 4]]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_among_other_pictures(change: str, tmp_path: Path) -> None:
    paths = [saved(scene(i), tmp_path / f"{i}.png") for i in range(12)]
    paths.append(saved(CHANGES[change](scene(5)), tmp_path / "copy.jpg", quality=70))

    groups = near_groups(dataset_of(paths))

    assert groups == [[5, 12]]


def test_pictures_without_contrast_are_not_copies_of_each_other(tmp_path: Path) -> None:
    greys = (60, 120, 121, 200)
    plain = [Image.new("RGB", (90, 60), (grey,) * 3) for grey in greys]
    paths = [saved(image, tmp_path / f"{i}.png") for i, image in enumerate(plain)]

    groups = near_groups(dataset_of(paths))

    assert groups == []


def test_skies_above_land_are_not_copies_of_each_other(tmp_path: Path) -> None:
    paths = []
    for i in range(4):
        light = np.linspace(170, 0, 120).astype(np.uint8)[:, None, None]  # bright above
        pixels = np.array(scene(i, (160, 120))) // 3 + light
        paths.append(saved(Image.fromarray(pixels), tmp_path / f"{i}.png"))

    groups = near_groups(dataset_of(paths))

    assert groups == []


def test_the_larger_picture_is_kept_and_what_is_crossed_is_told(tmp_path: Path) -> None:
    small = saved(scene(1, (120, 90)).resize((60, 45)), tmp_path / "small.png")
    large = saved(scene(1, (120, 90)), tmp_path / "large.png")
    other = saved(scene(2), tmp_path / "other.png")
    places = [Place("cat", "train"), Place("cat", "test"), Place("dog", "test")]

    found = duplicates(dataset_of([small, large, other], places))

    assert [finding.path for finding in found] == [str(small), str(large)]
    assert {finding.suggested for finding in found} == {str(large)}
    assert {finding.across for finding in found} == {("across splits",)}
    assert {finding.kind for finding in found} == {"near-duplicate"}


def test_the_same_bytes_are_told_once(tmp_path: Path) -> None:
    first = saved(scene(1), tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(first.read_bytes())
    places = [Place("cat"), Place("dog")]

    found = duplicates(dataset_of([first, tmp_path / "b.png"], places))

    assert [(f.kind, f.group, f.across) for f in found] == [
        ("exact-duplicate", 1, ("across classes",))
    ] * 2


def test_blocks_give_what_one_product_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [saved(scene(i % 7), tmp_path / f"{i}.png") for i in range(20)]
    whole = near_groups(dataset_of(paths))

    monkeypatch.setattr("clipcli.workflows.audit.neighbours.ROWS_AT_ONCE", 3)

    assert near_groups(dataset_of(paths)) == whole
    assert whole == [[i, i + 7, i + 14] if i < 6 else [6, 13] for i in range(7)]
