"""From the same RGB pixels to the same numbers as the references."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clipcli.images.preprocess import normalise, preprocess
from clipcli.models.config import Preprocessing

if TYPE_CHECKING:
    from numpy.typing import NDArray

HUGGING_FACE = Preprocessing(224, crop_rounding="floor")
OPENAI = Preprocessing(224, crop_rounding="round")

AWKWARD_SIZES = [
    (1, 1),
    (1, 7),
    (7, 1),
    (2, 3),
    (223, 224),
    (224, 224),
    (225, 224),
    (224, 225),
    (226, 225),
    (640, 480),
    (480, 640),
    (641, 427),
    (333, 500),
    (1001, 999),
    (37, 1500),
    (1500, 37),
]
HUGE_SIZES = [(4000, 3000), (3001, 4003)]


@pytest.mark.parametrize(
    ("size", "side"),
    [(size, 224) for size in AWKWARD_SIZES + HUGE_SIZES] + [(size, 336) for size in AWKWARD_SIZES],
)
def test_equals_transformers_bit_for_bit(size: tuple[int, int], side: int) -> None:
    image = noise(*size)
    preprocessing = Preprocessing(side, crop_rounding="floor")

    ours = normalise(preprocess(image, preprocessing)[None], preprocessing)

    np.testing.assert_array_equal(ours, by_transformers(image, side))
    assert ours.dtype == np.float32


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 64))
def test_equals_transformers_whatever_the_size(width: int, height: int, side: int) -> None:
    image = noise(width, height)
    preprocessing = Preprocessing(side, crop_rounding="floor")

    ours = normalise(preprocess(image, preprocessing)[None], preprocessing)

    np.testing.assert_array_equal(ours, by_transformers(image, side))


def test_equals_transformers_with_other_constants_and_bilinear() -> None:
    image = noise(301, 200)
    mean, std = (0.5, 0.4, 0.3), (0.1, 0.7, 0.9)
    preprocessing = Preprocessing(
        160, interpolation="bilinear", crop_rounding="floor", mean=mean, std=std
    )

    ours = normalise(preprocess(image, preprocessing)[None], preprocessing)

    expected = by_transformers(image, 160, image_mean=mean, image_std=std, resample=2)
    np.testing.assert_array_equal(ours, expected)


def test_squashing_equals_transformers_without_cropping() -> None:
    image = noise(301, 200)
    preprocessing = Preprocessing(160, resize_mode="squash")

    ours = normalise(preprocess(image, preprocessing)[None], preprocessing)

    square = {"height": 160, "width": 160}
    np.testing.assert_array_equal(
        ours, by_transformers(image, 160, size=square, do_center_crop=False)
    )


@pytest.mark.parametrize(
    ("width", "start_openai", "start_hugging_face"),
    [
        (225, 0, 0),  # half a column to spare: round(0.5) is 0
        (227, 2, 1),  # 1.5: Python's round goes to the even side, 2
        (229, 2, 2),  # 2.5: and here as well, 2
        (231, 4, 3),  # 3.5
        (228, 2, 2),
    ],
)
def test_crops_where_openai_and_hugging_face_crop(
    width: int, start_openai: int, start_hugging_face: int
) -> None:
    columns = np.broadcast_to(np.arange(width, dtype=np.uint8)[:, None], (224, width, 3))
    image = Image.fromarray(columns)  # 224 high, so it is not resized: column x has value x

    assert preprocess(image, OPENAI)[0, 0, 0] == start_openai
    assert preprocess(image, HUGGING_FACE)[0, 0, 0] == start_hugging_face
    assert preprocess(image.transpose(Image.Transpose.TRANSPOSE), OPENAI)[0, 0, 0] == start_openai


def test_the_longer_side_is_cut_to_an_integer_not_rounded() -> None:
    # 224 x 479 / 320 = 335.3; at 224 x 335 the crop starts at 55 (floor of 55.5), or round to 56.
    # 224 x 511 / 320 = 357.7: 357, not 358. Then 133 to spare: 66 by floor, 66 by round (66.5).
    image = noise(511, 320)

    expected = image.resize((357, 224), Image.Resampling.BICUBIC).crop((66, 0, 290, 224))

    np.testing.assert_array_equal(preprocess(image, OPENAI), np.asarray(expected))
    np.testing.assert_array_equal(preprocess(image, HUGGING_FACE), np.asarray(expected))


def test_longest_keeps_all_and_pads_with_black() -> None:
    white = Image.new("RGB", (200, 101), "white")  # at 100: 100 x round(50.5) = 50

    pixels = preprocess(white, Preprocessing(100, resize_mode="longest"))

    assert (pixels[25:75] == 255).all()
    assert (pixels[:25] == 0).all()
    assert (pixels[75:] == 0).all()


def test_longest_keeps_a_line_visible() -> None:
    white = Image.new("RGB", (1000, 1), "white")

    pixels = preprocess(white, Preprocessing(32, resize_mode="longest"))

    assert (pixels == 255).all(axis=(1, 2)).sum() == 1


@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("size", [(640, 480), (333, 501), (1, 1), (600, 31)])
def test_one_step_is_close_even_on_noise(mode: Any, size: tuple[int, int]) -> None:
    image = noise(*size)  # shrunk by less than 3, so nothing is averaged beforehand
    preprocessing = Preprocessing(224, resize_mode=mode)

    one_step = preprocess(image, preprocessing, box=(0.0, 0.0, *size))

    two_steps = preprocess(image, preprocessing)
    # Pillow keeps a box in float32, and may take columns before rows or after them.
    assert np.abs(one_step.astype(int) - two_steps).mean() < 0.5


@pytest.mark.parametrize("size", [(1, 200_000), (200_000, 1), (3, 100_000)])
def test_a_very_long_line_needs_no_more_memory_than_it_has(size: tuple[int, int]) -> None:
    # As a whole it would be resized to 224 x 44,800,000 pixels.
    pixels = preprocess(Image.new("RGB", size, (10, 20, 30)), OPENAI)

    assert pixels.shape == (224, 224, 3)
    assert (pixels == (10, 20, 30)).all()


def test_other_modes_are_converted_first() -> None:
    clear = Image.new("RGBA", (50, 40), (255, 0, 0, 0))

    assert (preprocess(clear, OPENAI) == 255).all()


def test_every_byte_is_normalised_as_transformers_does() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)

    ours = normalise(every, OPENAI)

    scaled = (every.transpose(0, 3, 1, 2).astype(np.float64) * (1 / 255)).astype(np.float32)
    mean = np.array(OPENAI.mean, np.float32)[None, :, None, None]
    std = np.array(OPENAI.std, np.float32)[None, :, None, None]
    np.testing.assert_array_equal(ours, (scaled - mean) / std)


def test_an_empty_batch_stays_empty() -> None:
    assert normalise(np.zeros((0, 8, 8, 3), np.uint8), OPENAI).shape == (0, 3, 8, 8)


def noise(width: int, height: int) -> Image.Image:
    chance = random.Random(width * 10_007 + height)
    return Image.frombytes("RGB", (width, height), chance.randbytes(3 * width * height))


def by_transformers(image: Image.Image, side: int, **options: Any) -> NDArray[np.float32]:
    module = pytest.importorskip("transformers.models.clip.image_processing_pil_clip")
    options = {"size": {"shortest_edge": side}, "crop_size": side} | options
    processor = module.CLIPImageProcessorPil(**options)
    pixels: NDArray[np.float32] = processor(image, return_tensors="np")["pixel_values"]
    return pixels
