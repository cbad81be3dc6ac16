"""What a step sees of an example: pixels, a caption's tokens, and boxes with their words.

All chance comes from the seed, the step and the place in the batch, so that a run that went on
sees what it would have seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from clipcli.encoder.locator import Question
from clipcli.encoder.torch.locators.glip_runner import normalised
from clipcli.encoder.torch.locators.glip_text import CHUNK, Caption, WordPiece
from clipcli.errors import ImageError, InputError, UsageError
from clipcli.images.upright import open_upright

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from clipcli.training.locating.examples import Example

SIDED = ("left", "right")  # a caption that says one of them is not mirrored


@dataclass(frozen=True, slots=True)
class Drawn:
    """One picture of a step."""

    pixels: Tensor  # (1, 3, h, w), padded
    size: tuple[int, int]  # height and width without padding
    tokens: Tensor  # (l,) int64
    boxes: Tensor  # (n, 4) corners in the network's pixels
    words: Tensor  # (n, l) 1 where the token belongs to the box
    counts: Tensor  # (l,) whether anything is learned of the token


@dataclass(frozen=True, slots=True)
class Drawer:
    """Draws examples for a network of one tokenizer and picture size."""

    tokenizer: WordPiece
    short_px: int
    long_px: int

    def check(self, example: Example) -> None:
        """Refuse a caption, or a name, that the network cannot read.

        Raises
        ------
        InputError
        """
        try:
            self._caption(example, np.random.default_rng(0))
        except UsageError as error:
            raise InputError(f"{example.path}: {error.message}") from error

    def draw(self, example: Example, rng: Generator) -> Drawn:
        """Draw one picture.

        Raises
        ------
        InputError
            If the picture cannot be read.
        """
        try:
            upright = open_upright(example.path, at_least_px=2 * self.long_px)
        except ImageError as error:
            raise InputError(f"{example.path}: {error.message}") from error
        picture, caption = upright.image, self._caption(example, rng)
        boxes = np.array([box for box, _ in example.boxes], np.float32).reshape(-1, 4)
        said = f" {example.caption.lower()} "
        if rng.random() < 0.5 and not any(f" {word} " in said for word in SIDED):
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            boxes[:, [0, 2]] = upright.width - boxes[:, [2, 0]]
        pixels, size = normalised(np.asarray(picture), self.short_px, self.long_px)
        ratio = (size[1] / upright.width, size[0] / upright.height)
        boxes *= np.array([*ratio, *ratio], np.float32)
        words = np.zeros((len(boxes), len(caption.ids)), np.float32)
        tokens = dict(zip(caption.phrases, caption.tokens, strict=True))
        for row, (_, phrase) in zip(words, example.boxes, strict=True):
            row[list(tokens[phrase])] = 1
        return Drawn(
            torch.from_numpy(pixels),
            size,
            torch.tensor(caption.ids),
            torch.from_numpy(boxes),
            torch.from_numpy(words),
            torch.from_numpy(self._counts(example, len(caption.ids))),
        )

    def _counts(self, example: Example, n_tokens: int) -> NDArray[np.bool_]:
        counts = np.ones(n_tokens, bool)
        if example.unsure:
            question = Question.of_sentence(example.caption, example.unsure)
            for tokens in self.tokenizer.captions(question)[0].tokens:
                counts[list(tokens)] = False
        return counts

    def _caption(self, example: Example, rng: Generator) -> Caption:
        """Return the caption, or one of the names that are there and others by chance."""
        if example.caption:
            question = Question.of_sentence(example.caption, example.spans)
            (caption,) = self.tokenizer.captions(question)
            return caption
        there = list(dict.fromkeys(phrase for _, phrase in example.boxes))
        others = [i for i in range(len(example.phrases)) if i not in set(there)]
        n_others = max(0, CHUNK - len(there))
        chosen = [*there, *rng.permutation(others)[:n_others].tolist()]
        order = [int(i) for i in rng.permutation(chosen)]
        captions = self.tokenizer.captions(Question.of_names([example.phrases[i] for i in order]))
        if len(captions) > 1:
            raise UsageError("its names are too long to be read at once")
        (caption,) = captions
        phrases = tuple(order[i] for i in caption.phrases)
        return Caption(caption.ids, phrases, caption.tokens)
