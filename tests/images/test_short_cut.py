"""The short cut for large pictures, measured where it counts: in the vectors.

One grey level more or less in one byte of a hundred turns the bundled model's vectors by a cosine
of 0.99995 at the worst, in one of six by 0.997. So the bar is that rounding too: no stored picture
is exact to more.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipcli.encoder.encoder import ModelEncoder, load_encoder
from clipcli.images.load import load_pixels
from clipcli.models.folder import builtin_model_folder

PHOTOS = sorted((Path(__file__).parents[2] / "examples").glob("*/*.jpg"))
LARGE = [path for path in PHOTOS if min(Image.open(path).size) >= 500]

pytestmark = pytest.mark.skipif(
    not builtin_model_folder().exists(), reason="needs the bundled model"
)


@pytest.fixture(scope="module")
def mini() -> ModelEncoder:
    return load_encoder("mini", "cpu", "fp32")


def cosines(mini: ModelEncoder, paths: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Compare the exact path with the short cut, and with noise of one grey level in a sixth."""
    preprocessing = mini.config.preprocessing
    exact = np.stack([load_pixels(path, preprocessing, exact=True) for path in paths])
    short_cut = np.stack([load_pixels(path, preprocessing) for path in paths])
    chance = np.random.default_rng(0)
    step = np.where(chance.random(exact.shape) < 1 / 6, chance.choice([-1, 1], exact.shape), 0)
    noisy = np.clip(exact.astype(int) + step, 0, 255).astype(np.uint8)
    expected = mini.encode_images(exact)  # (n, d)
    by_short_cut = (mini.encode_images(short_cut) * expected).sum(axis=1)
    return by_short_cut, (mini.encode_images(noisy) * expected).sum(axis=1)


@pytest.fixture(scope="module")
def twelve_megapixels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return photographs in the size of a camera's."""
    folder = tmp_path_factory.mktemp("large")
    for path in LARGE[:4]:
        photograph = Image.open(path).convert("RGB")
        photograph.resize((4000, 3000), Image.Resampling.BICUBIC).save(folder / path.name)
    return sorted(folder.iterdir())


def test_photographs_of_12_megapixels_keep_their_vectors(
    mini: ModelEncoder, twelve_megapixels: list[Path]
) -> None:
    by_short_cut, by_rounding = cosines(mini, twelve_megapixels)

    assert np.median(by_short_cut) >= 0.9996
    assert by_short_cut.min() >= 0.996
    assert by_short_cut.mean() >= by_rounding.mean()


def test_photographs_of_the_web_keep_their_vectors(mini: ModelEncoder) -> None:
    by_short_cut, by_rounding = cosines(mini, LARGE)

    assert np.median(by_short_cut) >= 0.999
    assert by_short_cut.min() >= 0.99
    assert by_short_cut.mean() >= by_rounding.mean()


def test_nothing_is_cut_short_where_that_would_cost_detail(mini: ModelEncoder) -> None:
    small = [path for path in PHOTOS if min(Image.open(path).size) < 384]  # half is below 192

    by_short_cut, by_rounding = cosines(mini, small)

    assert len(small) >= 2
    assert by_short_cut.min() >= 0.9999  # resized and cropped in one step, and rounded once
    assert by_short_cut.min() >= by_rounding.max()
