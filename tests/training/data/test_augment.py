from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from clipcli.training.config import AugmentationConfig
from clipcli.training.data.augment import centre_crops, draw_boxes, normalise, random_crops

STILL = AugmentationConfig(
    min_area=1, max_area=1, max_aspect=1, flip=False, brightness=0, contrast=0, saturation=0, grey=0
)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_pictures(n: int = 6, size: int = 24) -> torch.Tensor:
    return torch.randint(0, 256, (n, size, size, 3), dtype=torch.uint8, generator=chance(9))


def test_without_variation_pictures_stay_as_they_are() -> None:
    pictures = some_pictures()

    crops = random_crops(pictures, 24, STILL, chance())

    assert torch.equal(crops, pictures.permute(0, 3, 1, 2))
    assert torch.equal(centre_crops(pictures, 24), crops)


def test_coarse_pictures_have_half_the_detail() -> None:
    pictures = some_pictures(size=24)

    coarse = random_crops(pictures, 24, replace(STILL, coarse=1.0), chance())
    small = random_crops(pictures, 12, STILL, chance())

    assert coarse.shape == (6, 3, 24, 24)
    assert torch.equal(coarse, F.interpolate(small, size=(24, 24), mode="bicubic", antialias=True))


def test_coarse_pictures_have_each_share_of_the_detail_alike_often() -> None:
    pictures = torch.randint(0, 256, (300, 24, 24, 3), dtype=torch.uint8, generator=chance())

    coarse = random_crops(pictures, 24, replace(STILL, coarse=1.0, coarsest=4), chance())

    x = pictures.permute(0, 3, 1, 2)
    kinds = [
        F.interpolate(_shrunk(x, 24 // k), size=(24, 24), mode="bicubic", antialias=True)
        for k in (2, 3, 4)
    ]
    counts = [(coarse == kind).flatten(1).all(dim=1).sum().item() for kind in kinds]
    assert sum(counts) == 300
    assert min(counts) > 70  # of 100 expected; 4 standard deviations below


def _shrunk(x: torch.Tensor, size: int) -> torch.Tensor:
    return F.interpolate(x, size=(size, size), mode="bilinear", antialias=True)


def test_boxes_lie_inside_and_have_the_area_and_aspect_asked_for() -> None:
    config = AugmentationConfig(min_area=0.3, max_area=0.6, max_aspect=1.5)

    boxes = torch.tensor(draw_boxes(2000, 200, 200, config, chance())).double()

    top, left, h, w = boxes.T
    assert top.min() >= 0
    assert left.min() >= 0
    assert (top + h).max() <= 200
    assert (left + w).max() <= 200
    area, aspect = h * w / 200**2, w / h
    assert 0.29 < area.min() < 0.32
    assert 0.58 < area.max() < 0.61
    assert 0.64 < aspect.min() < 0.7
    assert 1.45 < aspect.max() < 1.55
    assert abs((top / (200 - h)).nanmean() - 0.5) < 0.02


def test_half_of_the_pictures_are_flipped() -> None:
    pictures = some_pictures(400, 4)
    plain = pictures.permute(0, 3, 1, 2)
    config = AugmentationConfig(min_area=1, max_area=1, max_aspect=1, flip=True)

    crops = random_crops(pictures, 4, config, chance())

    is_plain = (crops == plain).flatten(1).all(dim=1)
    is_flipped = (crops == plain.flip(3)).flatten(1).all(dim=1)
    assert (is_plain | is_flipped).all()
    assert 150 < is_flipped.sum() < 250


def test_normalising_is_the_textbook_formula() -> None:
    crops = some_pictures().permute(0, 3, 1, 2)
    mean, std = torch.tensor([0.1, 0.5, 0.7]), torch.tensor([0.2, 0.3, 0.4])
    expected = (crops / 255 - mean[:, None, None]) / std[:, None, None]

    plain = normalise(crops, mean.tolist(), std.tolist())
    still = normalise(crops, mean.tolist(), std.tolist(), STILL, chance())

    torch.testing.assert_close(plain, expected)
    torch.testing.assert_close(still, expected, atol=1e-5, rtol=1e-5)


def test_grey_pictures_have_one_value_in_all_channels() -> None:
    crops = some_pictures().permute(0, 3, 1, 2)
    config = AugmentationConfig(brightness=0.5, contrast=0.5, saturation=0.5, grey=1.0)

    varied = normalise(crops, [0.0] * 3, [1.0] * 3, config, chance())

    torch.testing.assert_close(varied[:, 0], varied[:, 2])
    assert varied.std() > 0.01


def test_contrast_keeps_the_mean_of_each_picture() -> None:
    crops = some_pictures().permute(0, 3, 1, 2)
    config = AugmentationConfig(brightness=0, contrast=0.9, saturation=0, grey=0)

    varied = normalise(crops, [0.0] * 3, [1.0] * 3, config, chance())

    torch.testing.assert_close(varied.mean(dim=(1, 2, 3)), crops.float().mean(dim=(1, 2, 3)) / 255)
    assert not torch.allclose(varied, crops / 255, atol=0.01)


@pytest.mark.parametrize("size", [8, 24, 40])
def test_equal_seeds_give_equal_batches(size: int) -> None:
    config = AugmentationConfig()

    first, second = (random_crops(some_pictures(), size, config, chance(4)) for _ in range(2))
    other = random_crops(some_pictures(), size, config, chance(5))

    assert first.shape == (6, 3, size, size)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
