"""Losses and the choice of places, against plain loops and numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clipcli.training.locating.assign import assign
from clipcli.training.locating.losses import (
    alignment_loss,
    box_losses,
    centerness,
    generalised_overlap,
)

seeds = st.integers(0, 2**32 - 1)


def random_boxes(rng: np.random.Generator, n: int, side: float = 100) -> np.ndarray:
    first, second = rng.random((n, 2)) * side, rng.random((n, 2)) * side
    return np.concatenate([np.minimum(first, second), np.maximum(first, second)], axis=1)


@given(seeds)
def test_alignment_is_a_plain_loop_over_regions_and_words(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, wanted = rng.normal(0, 3, (4, 5)), rng.integers(0, 2, (4, 5))

    expected = 0.0
    for i in range(4):
        for j in range(5):
            chance = 1 / (1 + math.exp(-logits[i, j]))
            if wanted[i, j]:
                expected -= 0.25 * (1 - chance) ** 2 * math.log(chance)
            else:
                expected -= 0.75 * chance**2 * math.log(1 - chance)

    found = alignment_loss(torch.tensor(logits), torch.tensor(wanted, dtype=torch.double))
    assert found.item() == pytest.approx(expected, rel=1e-6)


@given(seeds)
def test_overlap_is_a_plain_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes, others = random_boxes(rng, 6), random_boxes(rng, 6)

    expected = []
    for a, b in zip(boxes, others, strict=True):
        wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        common = max(wide, 0) * max(high, 0)
        union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
        hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
        expected.append(common / union - (hull - union) / hull)

    found = generalised_overlap(torch.tensor(boxes), torch.tensor(others))
    assert found.numpy() == pytest.approx(np.array(expected), abs=1e-6)


def test_overlap_by_hand() -> None:
    # Two squares of 2 side by side, a gap of 2 between them: no overlap, hull 12, union 8.
    found = generalised_overlap(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[4.0, 0, 6, 2]]))

    assert found.item() == pytest.approx(-4 / 12)


def test_box_losses_are_weighted_means() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0.0, 0, 10, 10]])
    wanted = torch.tensor([[0.0, 0, 10, 10], [2.0, 0, 10, 10]])

    distance, overlap = box_losses(boxes, wanted, torch.tensor([3.0, 1.0]), side=100)

    # Of the second, one edge of four is 2 pixels off, and 80 of 100 pixels are common.
    assert distance.item() == pytest.approx(0.25 * (2 / 4) / 100)
    assert overlap.item() == pytest.approx(0.25 * (1 - 0.8))


def test_centerness_by_hand() -> None:
    box = torch.tensor([[0.0, 0, 8, 4]])

    assert centerness(torch.tensor([[4.0, 2]]), box).item() == pytest.approx(1)
    # 2 and 6 to the sides, 1 and 3 up and down: the root of a third times a third.
    assert centerness(torch.tensor([[2.0, 1]]), box).item() == pytest.approx(1 / 3)
    assert centerness(torch.tensor([[9.0, 1]]), box).item() == 0


def places(side: int, stride: int, size: int) -> torch.Tensor:
    boxes = []
    for row in range(side):
        for column in range(side):
            x, y = column * stride + stride / 2, row * stride + stride / 2
            boxes.append([x - size / 2, y - size / 2, x + size / 2, y + size / 2])
    return torch.tensor(boxes, dtype=torch.double)


@settings(max_examples=40)
@given(seeds, st.integers(0, 5))
def test_the_choice_of_places_is_a_plain_loop(seed: int, n: int) -> None:
    levels = [places(8, 16, 40), places(4, 32, 80), places(1, 128, 160)]
    rng = np.random.default_rng(seed)
    things = random_boxes(rng, n, 128)

    found = assign(levels, torch.tensor(things).view(-1, 4)).tolist()

    every = torch.cat(levels).tolist()
    middles = [((a + c) / 2, (b + d) / 2) for a, b, c, d in every]
    claims: dict[int, list[tuple[float, int]]] = {}
    for number, thing in enumerate(things.tolist()):
        x, y = (thing[0] + thing[2]) / 2, (thing[1] + thing[3]) / 2
        candidates: list[int] = []
        start = 0
        for level in levels:
            own = range(start, start + len(level))
            near = sorted(own, key=lambda i: math.dist(middles[i], (x, y)))
            candidates += near[:9]
            start += len(level)
        shares = {i: share(every[i], thing) for i in candidates}
        values = list(shares.values())
        least = float(np.mean(values) + np.std(values, ddof=1))
        for i in candidates:
            px, py = middles[i]
            apart = min(px - thing[0], py - thing[1], thing[2] - px, thing[3] - py)
            if shares[i] >= least and apart > 0.01:
                claims.setdefault(i, []).append((shares[i], -number))
    expected = [-max(claims[i])[1] if i in claims else -1 for i in range(len(every))]
    assert found == expected


def share(a: list[float], b: list[float]) -> float:
    wide = min(a[2], b[2]) - max(a[0], b[0]) + 1
    high = min(a[3], b[3]) - max(a[1], b[1]) + 1
    common = max(wide, 0) * max(high, 0)
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return common / (sum(areas) - common)
