"""Windows over a larger picture: where they lie, and what a place is in several of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from clipcli.encoder.torch.dense import dense_vectors
from clipcli.encoder.torch.dense_runner import DenseRunner
from clipcli.encoder.torch.vision import VisionTower
from clipcli.encoder.torch.windows import window_starts, window_vectors
from clipcli.models.config import VisionTransformer
from clipcli.models.open import open_model

from .conftest import make_restless


@pytest.mark.parametrize(
    ("n_places", "n_window", "starts"),
    [
        (7, 7, [0]),
        (12, 8, [0, 4]),
        (13, 8, [0, 2, 5]),
        (16, 8, [0, 4, 8]),
        (32, 8, [0, 4, 8, 12, 16, 20, 24]),
    ],
)
def test_windows_lie_half_over_each_other(n_places: int, n_window: int, starts: list[int]) -> None:
    assert window_starts(n_places, n_window) == starts


@torch.no_grad()
def test_a_place_is_what_it_is_in_all_windows_that_hold_it() -> None:
    torch.manual_seed(0)
    tower = VisionTower(VisionTransformer(32, 8, 48, 2, 3, 96), 24, "quick_gelu").eval()
    for parameter in tower.parameters():  # some are made without values
        torch.nn.init.normal_(parameter, std=0.1)
    make_restless(tower)
    pixels = torch.randn(2, 3, 32, 48)  # 4 x 6 places: windows begin at 0 and at 2

    places = window_vectors(tower, pixels, 8, 4)

    left = F.normalize(dense_vectors(tower, pixels[..., :32]), dim=-1)
    right = F.normalize(dense_vectors(tower, pixels[..., 16:]), dim=-1)
    assert places.shape == (2, 4, 6, 24)
    assert torch.allclose(places[:, :, :2], left[:, :, :2], atol=1e-6)
    assert torch.allclose(places[:, :, 2:4], left[:, :, 2:] + right[:, :, :2], atol=1e-6)
    assert torch.allclose(places[:, :, 4:], right[:, :, 2:], atol=1e-6)


@torch.no_grad()
def test_a_picture_of_the_towers_own_size_is_one_window() -> None:
    torch.manual_seed(0)
    tower = VisionTower(VisionTransformer(32, 8, 48, 2, 3, 96), 24, "quick_gelu").eval()
    make_restless(tower)
    pixels = torch.randn(1, 3, 32, 32)

    places = window_vectors(tower, pixels, 8, 4)

    expected = F.normalize(dense_vectors(tower, pixels), dim=-1)
    assert torch.allclose(places, expected, atol=1e-6)


def test_transformers_see_a_picture_at_twice_their_size(tiny_model_folder: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 100, 3), dtype=np.uint8)

    places = DenseRunner(open_model(tiny_model_folder), "cpu").encode(Image.fromarray(noise))

    assert places.shape == (8, 16, 32)  # patches of 8 pixels; the tower's own size is 32
    assert np.allclose(np.linalg.norm(places, axis=-1), 1, atol=1e-5)
    flipped = DenseRunner(open_model(tiny_model_folder), "cpu").encode(
        Image.fromarray(np.ascontiguousarray(noise[:, ::-1]))
    )
    assert np.allclose(flipped, places[:, ::-1], atol=1e-4)
