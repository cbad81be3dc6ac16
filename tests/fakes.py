"""Stand-ins of plain arithmetic: what they answer can be worked out by hand."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipcli.models.config import (
    Architecture,
    ModelConfig,
    Preprocessing,
    TextTransformer,
    VisionTransformer,
)
from clipcli.models.tokenizer.clip import Tokenizer
from clipcli.models.tokenizer.vocabulary import Vocabulary

Pixels: TypeAlias = NDArray[np.uint8]
Rows: TypeAlias = NDArray[np.float32]
Numbers: TypeAlias = NDArray[np.float64]

CHANNELS = ("red", "green", "blue")
CONTEXT = 24  # tokens; the fake vocabulary has no merges, so nearly one for each letter
VOCABULARY = Vocabulary.from_merges([])


def fake_config(**changes: object) -> ModelConfig:
    """Return the configuration of a model with vectors of 26 numbers."""
    text = TextTransformer(CONTEXT, len(VOCABULARY.ids), width=8, layers=1, heads=1, mlp_width=8)
    image = VisionTransformer(4, 2, width=8, layers=1, heads=1, mlp_width=8)
    settings: dict[str, object] = {
        "name": "fake",
        "architecture": Architecture(26, image, text, "gelu"),
        "preprocessing": Preprocessing(4),
        "logit_scale": 10.0,
        "fingerprint": "f" * 64,
    }
    return ModelConfig(**(settings | changes))  # type: ignore[arg-type]


def letter_counts(text: str) -> Numbers:
    """Return how often each of a to z is in the text (26,)."""
    return np.array([text.lower().count(letter) for letter in string.ascii_lowercase], float)


class FakeEncoder:
    """Embeds a text as letter counts, and a picture as the names of its colours.

    A picture's row is its mean red times the letters of "red", and so for green and blue: a picture
    that is all red lies exactly where the text "red" does.
    """

    device, precision, engine, note = "cpu", "fp32", "torch", ""
    asked, is_loaded, has_to_export = ("cpu", "fp32"), True, False

    def __init__(self, batch_size: int = 4, **changes: object) -> None:
        self.config = fake_config(**changes)
        self.tokenizer = Tokenizer(VOCABULARY, CONTEXT)
        self.batch_size = batch_size
        self.n_starts = 0
        self.texts: list[str] = []  # all that were encoded
        self.batches: list[int] = []  # the size of each batch of pictures

    def start(self) -> None:
        self.n_starts += 1

    def start_early(self) -> None:
        pass

    def encode_images(self, pixels: Pixels) -> Rows:
        assert pixels.dtype == np.uint8
        assert pixels.shape[1:] == (self.config.preprocessing.size,) * 2 + (3,)
        self.batches.append(len(pixels))
        colours = pixels.astype(float).mean(axis=(1, 2))  # (n, 3)
        return _unit(colours @ np.stack([letter_counts(name) for name in CHANNELS]))

    def encode_texts(self, prompts: Sequence[str]) -> Rows:
        self.texts += prompts
        return _unit(np.stack([letter_counts(prompt) for prompt in prompts]))


def _unit(rows: Numbers) -> Rows:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths == 0, 1, lengths)).astype(np.float32)
