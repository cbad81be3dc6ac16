"""Prints: miniatures, their parts, and what is compared of them."""

from __future__ import annotations

import numpy as np
import pytest

from clipcli.workflows.audit.prints import (
    MINIATURE_CELLS,
    miniature_of,
    pooled,
    prints_of,
    rooted_prints_of,
    windows,
)


def test_a_cell_takes_the_share_of_a_pixel_that_it_covers() -> None:
    pixels = np.array([10.0, 20, 60], np.float32)

    halves, middle = windows([(0.0, 1.0), (0.25, 0.75)], side=3, cells=2) @ pixels

    assert halves.tolist() == pytest.approx([(10 + 0.5 * 20) / 1.5, (0.5 * 20 + 60) / 1.5])
    assert middle.tolist() == pytest.approx([12.5 / 0.75, 25 / 0.75])  # 0.75, 1.5 and 2.25 pixels


@pytest.mark.parametrize("shape", [(1, 1), (7, 200), (48, 96), (100, 30), (256, 171)])
def test_a_miniature_is_as_bright_as_its_picture(shape: tuple[int, int]) -> None:
    greys = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)

    miniature = miniature_of(greys)

    assert miniature.shape == (MINIATURE_CELLS, MINIATURE_CELLS)
    assert miniature.mean() == pytest.approx(greys.mean(), abs=0.5)  # rounding


def test_pooling_takes_means_of_squares() -> None:
    miniature = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)

    assert pooled(miniature, 2).tolist() == [[[2.5, 4.5], [10.5, 12.5]]]


def test_prints_do_not_feel_brightness_or_contrast() -> None:
    greys = np.random.default_rng(0).uniform(0, 99, (3, 6, 6)).astype(np.float32)

    for print_of in (prints_of, rooted_prints_of):
        np.testing.assert_allclose(print_of(2 * greys + 30), print_of(greys), atol=1e-5)


def test_prints_have_length_one_unless_they_are_flat() -> None:
    greys = np.random.default_rng(0).uniform(0, 99, (2, 6, 6)).astype(np.float32)
    greys[1] = 7

    for print_of in (prints_of, rooted_prints_of):
        assert np.linalg.norm(print_of(greys), axis=1).tolist() == pytest.approx([1, 0])


def test_roots_take_weight_from_the_strongest_change() -> None:
    greys = np.array([[[0, 1, 101], [0, 1, 101], [0, 1, 101]]], np.float32)

    plain, rooted = np.abs(prints_of(greys)[0]), np.abs(rooted_prints_of(greys)[0])

    assert plain[1] / plain[0] == pytest.approx(100)
    assert rooted[1] / rooted[0] == pytest.approx(10)
