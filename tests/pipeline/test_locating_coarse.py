"""Coarse boxes: the bright regions of a grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clipcli.encoder.boxes import overlaps, suppress
from clipcli.pipeline.locating.coarse import regions


def test_two_bright_regions_are_two_boxes() -> None:
    grid = np.zeros((4, 6), np.float32)
    grid[0, 0], grid[0, 1] = 0.9, 0.6
    grid[2:4, 4] = 0.7

    found = regions(grid, 0.5)

    assert [(round(score, 2), box) for score, box in found] == [
        (0.9, (0, 0, 2, 1)),
        (0.7, (4, 2, 5, 4)),
    ]


def test_corners_join_regions() -> None:
    grid = np.eye(3, dtype=np.float32)

    assert [box for _, box in regions(grid, 0.5)] == [(0, 0, 3, 3)]


def test_a_dark_map_has_no_box() -> None:
    assert regions(np.full((3, 3), 0.2, np.float32), 0.5) == []
    assert regions(np.zeros((3, 3), np.float32), 0.0) == []


@example(seed=31350, limit=0.2)
@given(seed=st.integers(0, 2**32 - 1), limit=st.floats(0, 1))
def test_suppression_is_a_plain_loop(seed: int, limit: float) -> None:
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.integers(0, 12, (15, 2, 2)), axis=1).reshape(15, 4).astype(np.float32)
    scores = rng.random(15).astype(np.float32)
    classes = rng.integers(0, 2, 15)

    kept = suppress(corners, scores, classes, limit).tolist()

    expected: list[int] = []
    for i in np.argsort(-scores):
        rivals = [j for j in expected if classes[j] == classes[i]]
        # Subtle: as 32-bit numbers, for 1/5 is not the limit 0.2 in 64 bits.
        if all(overlaps(corners[i], corners[[j]])[0] <= np.float32(limit) for j in rivals):
            expected.append(int(i))
    assert kept == expected


@pytest.mark.parametrize(
    ("other", "extra", "expected"),
    [
        ((0, 0, 10, 10), 0, 1.0),
        ((5, 0, 15, 10), 0, 1 / 3),
        ((10, 0, 20, 10), 0, 0.0),
        ((10, 0, 20, 10), 1, 11 / (121 + 121 - 11)),  # the pixels of column 10 are shared
        ((3, 3, 3, 3), 0, 0.0),
    ],
)
def test_overlaps_by_hand(other: tuple[int, ...], extra: float, expected: float) -> None:
    box = np.array([0, 0, 10, 10], np.float32)

    (share,) = overlaps(box, np.array([other], np.float32), extra=extra)

    assert share == pytest.approx(expected)
