"""Ways of pointing at a label in a picture: explain's maps, and what they are measured beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from clipcli.encoder.torch.dense import stretched
from clipcli.encoder.torch.dense_runner import DenseRunner
from clipcli.encoder.torch.efficientnet import EfficientNetTower
from clipcli.encoder.torch.load import load_model
from clipcli.encoder.torch.vision import VisionTower
from clipcli.images.preprocess import normalise
from clipcli.pipeline.heat import grids_of, heat_rows_of, peak

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from clipcli.models.open import ModelSource
    from clipcli.pipeline.classifier import Classifier

Point = tuple[float, float]  # pixels across and down
CROP_SIDES = (2, 3)  # the short side of the picture holds so many crops
CROP_STEP = 0.5  # of a crop's side
CROP_BATCH = 16


class Way(Protocol):
    """Points at some of a classifier's labels, by their numbers."""

    def points(
        self, picture: Image.Image, classifier: Classifier, labels: Sequence[int]
    ) -> list[Point]:
        """Return a pixel for each of some labels."""


class Centre:
    """The middle of the picture, which knows nothing."""

    def points(
        self, picture: Image.Image, classifier: Classifier, labels: Sequence[int]
    ) -> list[Point]:
        """Return the middle, for every label."""
        del classifier
        return [(picture.width / 2, picture.height / 2)] * len(labels)


class Explain:
    """The peaks of explain's maps."""

    def __init__(self, source: ModelSource) -> None:
        self._runner = DenseRunner(source, "cpu")

    def points(
        self, picture: Image.Image, classifier: Classifier, labels: Sequence[int]
    ) -> list[Point]:
        """Return the peak of each label's map."""
        grids = grids_of(self._runner.encode(picture), heat_rows_of(classifier))
        return [peak(grids[label], *picture.size) for label in labels]


class Crops:
    """The middle of the crop that classify is surest about, neutral words beside the labels."""

    def points(
        self, picture: Image.Image, classifier: Classifier, labels: Sequence[int]
    ) -> list[Point]:
        """Return the middle of each label's best crop."""
        boxes = crops_of(*picture.size)
        crops = [picture.crop(tuple(map(round, box))) for box in boxes]
        rows = np.concatenate(
            [
                classifier.encode_images(crops[start : start + CROP_BATCH])
                for start in range(0, len(crops), CROP_BATCH)
            ]
        )  # (k, d)
        texts = np.concatenate([classifier.classifier, classifier.neutral])  # (c + w, d)
        logits = classifier.logit_scale * (rows @ texts.T)  # (k, c + w)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        best = shares.argmax(axis=0)[list(labels)]
        return [((boxes[i][0] + boxes[i][2]) / 2, (boxes[i][1] + boxes[i][3]) / 2) for i in best]


def crops_of(width: int, height: int) -> list[tuple[float, float, float, float]]:
    """Return squares of two sizes, half over each other, that cover a picture."""
    boxes = []
    for parts in CROP_SIDES:
        side = min(width, height) / parts
        lefts, tops = (
            np.linspace(0, length - side, round((length - side) / (side * CROP_STEP)) + 1)
            for length in (width, height)
        )
        boxes += [(x, y, x + side, y + side) for y in tops for x in lefts]
    return boxes


class GradCam:
    """Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) of the cosine of picture and label.

    The activations are those before the mean of a convolutional tower, and what the last block of
    a transformer takes. The picture is seen as classify sees it, but squashed and not cropped.
    """

    def __init__(self, source: ModelSource, scale: float = 1.0) -> None:
        self._tower = load_model(source, dtype=torch.float32).visual.eval()
        for weight in self._tower.parameters():
            weight.requires_grad_(False)
        self._preprocessing = source.config.preprocessing
        self._side = round(source.config.preprocessing.size * scale / 32) * 32

    def points(
        self, picture: Image.Image, classifier: Classifier, labels: Sequence[int]
    ) -> list[Point]:
        """Return the peak of each label's map."""
        texts = torch.from_numpy(np.asarray(classifier.classifier, np.float32))  # (c, d)
        resized = picture.resize((self._side, self._side), Image.Resampling.BICUBIC)
        pixels = torch.from_numpy(normalise(np.asarray(resized)[None], self._preprocessing))
        activations, vector = activations_and_vector(self._tower, pixels)  # (k, gh, gw), (1, d)
        found = []
        for cosine in F.normalize(vector, dim=1)[0] @ texts[list(labels)].T:
            (slope,) = torch.autograd.grad(cosine, activations, retain_graph=True)
            weights = slope.mean(dim=(1, 2))  # (k,)
            heat = torch.einsum("k,khw->hw", weights, activations.detach()).clamp(min=0)
            found.append(peak(heat.numpy(), *picture.size))
        return found


def activations_and_vector(tower: nn.Module, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Run a tower on one picture: activations (k, gh, gw) that have gradients, and (1, d)."""
    if isinstance(tower, EfficientNetTower):
        maps = tower.features(pixels)[0].requires_grad_()  # (k, gh, gw)
        return maps, tower.head(maps.mean(dim=(1, 2))[None])
    if not isinstance(tower, VisionTower):
        raise SystemExit(f"no Grad-CAM for {type(tower).__name__}")
    x = tower.conv1(pixels)  # (1, width, gh, gw)
    grid = x.shape[2:]
    x = x.flatten(2).transpose(1, 2)
    learned = tower.positional_embedding
    positions = torch.cat([learned[:1], stretched(learned[1:], *grid)])  # (1 + gh gw, width)
    x = torch.cat([tower.class_embedding.expand(1, 1, -1), x], dim=1) + positions
    x = tower.ln_pre(x)
    *blocks, last = tower.transformer.resblocks.children()
    for block in blocks:
        x = block(x)
    maps = x[0, 1:].T.reshape(-1, *grid).requires_grad_()  # (width, gh, gw)
    x = torch.cat([x[:, :1], maps.flatten(1).T[None]], dim=1)
    return maps, tower.ln_post(last(x)[:, 0]) @ tower.proj
