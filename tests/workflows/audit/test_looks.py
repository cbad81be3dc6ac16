"""Pictures that are odd: by their pixels, or among the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from clipcli.workflows.audit.looks import imbalance, looks, outliers
from clipcli.workflows.audit.measures import blur_of, measure
from tests.workflows.audit.conftest import clusters, dataset_of, measures, scene


def kinds_of(**changes: object) -> list[str]:
    vectors, labels = clusters((3,))
    dataset = dataset_of(vectors, labels, ("cat",))
    dataset.measures = [measures(), measures(), measures(**changes)]
    return [finding.kind for finding in looks(dataset) if finding.path == "2.jpg"]


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, []),
        ({"width": 63, "height": 63}, ["tiny"]),
        ({"width": 64, "height": 64}, []),
        ({"width": 900, "height": 290}, ["aspect"]),
        ({"blur": 0.8}, ["blurred"]),
        ({"brightest": 40.0}, ["dark"]),
        ({"darkest": 200.0}, ["overexposed"]),
        ({"contrast": 1.0, "blur": 1.0, "brightest": 10.0}, ["blank"]),
    ],
)
def test_each_fault_has_its_kind(changes: dict[str, object], kinds: list[str]) -> None:
    assert kinds_of(**changes) == kinds


def test_a_set_of_small_pictures_is_not_tiny_as_a_whole() -> None:
    vectors, labels = clusters((3,))
    dataset = dataset_of(vectors, labels, ("cat",))
    dataset.measures = [measures(width=32, height=32)] * 2 + [measures(width=12, height=12)]

    found = looks(dataset)

    assert [(finding.kind, finding.path) for finding in found] == [("tiny", "2.jpg")]


def test_blurring_raises_the_blur_and_noise_has_none() -> None:
    image = scene(3).convert("L")
    blurs = [
        blur_of(np.asarray(image.filter(ImageFilter.GaussianBlur(sigma)), np.float32))
        for sigma in (0, 1, 2, 4)
    ]
    noise = np.random.default_rng(0).uniform(0, 255, (100, 100)).astype(np.float32)

    assert blurs == sorted(blurs)
    assert blurs[0] < 0.4
    assert blurs[3] > 0.63
    assert blur_of(noise) < 0.2


def test_a_line_of_pixels_is_no_trouble() -> None:
    assert blur_of(np.ones((1, 500), np.float32)) == 1.0
    assert blur_of(np.ones((1, 1), np.float32)) == 0.0


def test_size_is_that_of_the_file_whatever_scale_it_was_decoded_at(tmp_path: Path) -> None:
    scene(1).resize((2001, 1203)).save(tmp_path / "large.jpg")
    scene(1).save(tmp_path / "small.png")

    sizes = [
        (told.width, told.height)
        for told, _ in (measure(str(p), max_pixels=10**7) for p in sorted(tmp_path.iterdir()))
    ]

    assert sizes == [(2001, 1203), (240, 180)]


def test_greys_are_measured_as_they_are(tmp_path: Path) -> None:
    Image.new("L", (100, 100), 30).save(tmp_path / "dark.png")

    told, _ = measure(str(tmp_path / "dark.png"), max_pixels=10**7)

    assert (told.darkest, told.brightest, told.contrast, told.blur) == (30, 30, 0, 1)


def test_a_picture_unlike_all_others_is_an_outlier() -> None:
    vectors, labels = clusters((60, 60), spread=0.05)
    vectors[7] = np.eye(16)[15]  # away from both clusters
    dataset = dataset_of(vectors, labels, ("cat", "dog"))

    found = outliers(dataset)

    assert [finding.path for finding in found] == ["7.jpg"]


def test_outliers_are_few_whatever_the_set() -> None:
    vectors = np.random.default_rng(0).standard_cauchy((500, 8)).astype(np.float32)
    dataset = dataset_of(vectors, [0] * 500, ("cat",))

    assert len(outliers(dataset)) <= 10


def test_small_and_empty_classes_are_told() -> None:
    vectors, labels = clusters((30, 1, 0, 28, 2))
    dataset = dataset_of(vectors, labels, ("ant", "bee", "cow", "dog", "eel"))

    found = imbalance(dataset)

    assert [(finding.label, finding.detail) for finding in found] == [
        ("bee", "1 of usually 2 pictures"),
        ("cow", "no picture"),
    ]
