"""Data sets made by hand: clusters of vectors, and pictures with something in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from clipcli.images.class_tree import Place
from clipcli.workflows.audit.dataset import Dataset
from clipcli.workflows.audit.measures import Measures
from clipcli.workflows.audit.prints import MINIATURE_CELLS
from tests.fakes import FakeEncoder, fake_config

if TYPE_CHECKING:
    from numpy.typing import NDArray


def clusters(sizes: tuple[int, ...], d: int = 16, spread: float = 0.1) -> tuple[Any, Any]:
    """Return unit vectors (n, d) around one direction a class, and their classes (n,)."""
    draw = np.random.default_rng(1)
    centres = np.eye(len(sizes), d)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    vectors = centres[labels] + spread * draw.normal(size=(len(labels), d))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), labels


def dataset_of(vectors: NDArray[Any], labels: Any, classes: tuple[str, ...]) -> Dataset:
    """Return a data set with file names 0.jpg, 1.jpg …; a label of -1 is in no class."""
    places = [Place(classes[label] if label >= 0 else None) for label in labels]
    paths = [f"{i}.jpg" for i in range(len(places))]
    return Dataset(classes, paths, places, vectors)


def measures(**changes: Any) -> Measures:
    """Return the measures of an ordinary picture, with changes."""
    told: dict[str, Any] = {
        "width": 640,
        "height": 480,
        "darkest": 20.0,
        "brightest": 220.0,
        "contrast": 50.0,
        "blur": 0.3,
        "miniature": np.zeros((MINIATURE_CELLS, MINIATURE_CELLS), np.uint8),
    }
    return Measures(**(told | changes))


def scene(seed: int, size: tuple[int, int] = (240, 180)) -> Image.Image:
    """Draw a picture of coloured shapes that no other seed gives."""
    draw = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(draw.integers(60, 200, 3).tolist()))
    pen = ImageDraw.Draw(image)
    for _ in range(14):
        x, y = draw.integers(0, size[0]), draw.integers(0, size[1])
        w, h = draw.integers(10, 90, 2)
        shape = (int(x), int(y), int(x + w), int(y + h))
        (pen.ellipse if draw.random() < 0.5 else pen.rectangle)(
            shape, fill=tuple(draw.integers(0, 255, 3).tolist())
        )
    return image


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a class tree of 2 x 6 pictures, red ones and blue ones, each unlike the others."""
    top = tmp_path / "set"
    for name, place in (("red", 0), ("blue", 2)):
        (top / name).mkdir(parents=True)
        for i in range(6):
            pixels = np.array(scene(10 * place + i)) // 4
            pixels[..., place] += 180
            Image.fromarray(pixels).save(top / name / f"{name}-{i}.png")
    return top


@pytest.fixture
def sharp_model(fake_model: FakeEncoder) -> FakeEncoder:
    """Return the model of plain arithmetic with CLIP's own logit scale, which doubts little."""
    fake_model.config = fake_config(logit_scale=100.0)
    return fake_model
