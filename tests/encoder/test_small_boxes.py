"""The small locator's network by numpy: what torch computes, and what a mirror shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clipcli.encoder.boxes import suppress
from clipcli.encoder.small_boxes import SmallHead, corners_of, doubled
from clipcli.models.folder import builtin_model_folder
from clipcli.models.locators.small import find_small
from clipcli.models.open import open_model

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def head() -> SmallHead:
    source = find_small(open_model(builtin_model_folder()))
    assert source is not None
    return SmallHead(source)


@pytest.fixture
def maps() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    fine = rng.normal(0, 4, (2, 112, 8, 12)).astype(np.float32)
    deep = rng.normal(0, 8, (2, 320, 4, 6)).astype(np.float32)
    return fine, deep


def by_torch(weights: dict[str, torch.Tensor], fine: torch.Tensor, deep: torch.Tensor) -> object:
    """Compute the network as it was trained."""

    def conv(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, weights[f"{name}.weight"][:, :, None, None], weights[f"{name}.bias"])

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.group_norm(x, 8, weights[f"{name}.weight"], weights[f"{name}.bias"])

    wide = F.interpolate(conv("deep", deep / 8), scale_factor=2, mode="bilinear")
    x = F.relu(norm("norm", conv("fine", fine / 4) + wide))
    for i in range(3):
        kernel, bias = (weights[f"blocks.{i}.depthwise.{k}"] for k in ("weight", "bias"))
        y = F.conv2d(x, kernel[:, None], bias, padding=2, groups=len(bias))
        x = x + F.relu(norm(f"blocks.{i}.norm", conv(f"blocks.{i}.pointwise", y)))
    return conv("out", x).numpy()


def test_numpy_computes_what_torch_does(
    head: SmallHead, maps: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    weights = {name: torch.from_numpy(array.copy()) for name, array in head._weights.items()}

    expected = by_torch(weights, *map(torch.from_numpy, maps))

    np.testing.assert_allclose(head.predict(*maps), expected, rtol=1e-4, atol=1e-4)


def test_a_mirrored_picture_has_mirrored_boxes(
    head: SmallHead, maps: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    rows = np.random.default_rng(1).normal(size=(4, 6, 16)).astype(np.float32)
    fine, deep = maps

    seen = head.find(fine, deep, rows)
    mirrored = head.find(fine[::-1], deep[::-1], rows[:, ::-1])

    # The two views of a picture and of its mirror image are the same, turned round.
    turned = [1, 1] - seen.corners[:, [2, 0]]
    np.testing.assert_allclose(mirrored.worths, seen.worths, atol=1e-5)
    np.testing.assert_allclose(mirrored.corners[:, [0, 2]], turned, atol=1e-5)


def test_a_box_lies_around_its_place() -> None:
    distances = np.log(np.float32([1, 2, 3, 0.5]))[:, None, None] * np.ones((4, 2, 3), np.float32)

    corners = corners_of(distances)

    # The place in the second row and third column has its middle at (2.5, 1.5).
    assert corners.shape == (2, 3, 4)
    assert corners[1, 2] == pytest.approx([1.5, -0.5, 5.5, 2.0])


def test_doubling_interpolates_as_torch_does() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)

    expected = F.interpolate(torch.from_numpy(x), scale_factor=2, mode="bilinear").numpy()

    np.testing.assert_allclose(doubled(x), expected, atol=1e-6)


def test_a_box_within_a_better_one_of_its_class_is_dropped() -> None:
    whole = [0, 0, 10, 10]
    part = [6, 0, 12, 10]  # 40 of its 60 lie within the whole; intersection over union is 1 / 3
    beside = [8, 0, 14, 10]  # 20 of its 60
    corners = np.array([part, whole, beside, part], np.float32)
    scores = np.array([0.8, 0.9, 0.7, 0.6], np.float32)
    classes = np.array([0, 0, 0, 1], np.intp)

    assert suppress(corners, scores, classes, 0.9).tolist() == [1, 0, 2, 3]
    assert suppress(corners, scores, classes, 0.9, inside=0.6).tolist() == [1, 2, 3]
    assert suppress(corners, scores, classes, 0.9, inside=0.7).tolist() == [1, 0, 2, 3]
    assert suppress(corners, scores, classes, 1.0, inside=0.6).tolist() == [1, 0, 2, 3]
