"""Running GLIP: a picture and names or a sentence in, boxes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from clipcli.encoder.locator import Boxes, Question
from clipcli.encoder.torch.device import PRECISIONS, resolve_device, resolve_precision
from clipcli.encoder.torch.locators.glip import Glip
from clipcli.encoder.torch.locators.glip_boxes import level_boxes, merge
from clipcli.encoder.torch.locators.glip_text import AskedCaptions, WordPiece
from clipcli.encoder.torch.locators.loading import build_strictly
from clipcli.encoder.torch.tensors import gather
from clipcli.models.locators.glip import LONG_PX, SHORT_PX, GlipArchitecture
from clipcli.models.locators.source import LocatorSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIVISOR = 32
# Of blue, green and red, 0 to 255: the order in which the weights know them.
MEAN = (103.53, 116.28, 123.675)
STD = (57.375, 57.12, 58.395)


class GlipRunner:
    """A GLIP model on its device. Not for two threads at once."""

    def __init__(
        self,
        network: Glip,
        tokenizer: WordPiece,
        device: torch.device,
        precision: str,
        sides: tuple[int, int] = (SHORT_PX, LONG_PX),  # of pictures: the short one, the long one
    ) -> None:
        """Take ``network`` over. Its head runs in fp32: boxes come from differences there."""
        self.device, self.precision = str(device), precision
        self._dtype = PRECISIONS[precision]
        self._network = network.eval().to(device)
        network.backbone["body"].to(self._dtype)
        self._sides = sides
        self.asked = AskedCaptions(tokenizer, self._embed)

    @classmethod
    def load(cls, source: LocatorSource, device: str, precision: str) -> GlipRunner:
        """Load a model onto a device; see :func:`clipcli.encoder.load_locator.load_locator`."""
        place = resolve_device(device)
        precision = resolve_precision(precision, place)
        shape = source.architecture
        assert isinstance(shape, GlipArchitecture)
        tokenizer = WordPiece(source.tokenizer_path, shape.vocab_size)
        network = build_strictly(lambda: Glip(shape), gather(source.plan), source.path)
        return cls(network, tokenizer, place, precision, source.sides)

    def check(self, question: Question) -> None:
        """Refuse names or a sentence that are longer than BERT reads."""
        self.asked.check(question)

    @torch.inference_mode()
    def locate(
        self, picture: NDArray[np.uint8], question: Question, *, min_score: float, nms: float
    ) -> Boxes:
        """Find boxes in a picture (h, w, 3).

        The picture is looked at once; the head looks once for each caption that the question needs.
        """
        pixels, size = normalised(picture, *self._sides)
        x = torch.from_numpy(pixels).to(self.device, self._dtype)
        network = self._network
        maps = [each.float() for each in network.backbone["body"](x)]
        levels = network.backbone["fpn"](maps)
        found = []
        for caption, text in self.asked.captions(question):
            for i, level in enumerate(network.read(levels, text)):
                boxes, scores, labels = level_boxes(network, i, level, caption.tokens, size)
                phrases = torch.tensor(caption.phrases, device=labels.device)
                found.append((boxes, scores, phrases[labels]))
        merged = merge(found, nms, question.owners)
        keep = merged[1] > min_score
        height, width = picture.shape[:2]
        ratio = np.array([width / size[1], height / size[0]] * 2, np.float32)
        return Boxes(merged[0][keep] * ratio, merged[1][keep], merged[2][keep])

    def _embed(self, ids: tuple[int, ...]) -> Tensor:
        return self._network.encode_text(torch.tensor(ids, device=self.device))


def normalised(
    picture: NDArray[np.uint8], short_px: int = SHORT_PX, long_px: int = LONG_PX
) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """Return the input (1, 3, h, w) of a picture (h, w, 3), and its size without padding."""
    height, width = input_size(picture.shape[0], picture.shape[1], short_px, long_px)
    resized = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR)
    blue_first = np.asarray(resized)[:, :, ::-1].astype(np.float32)
    x = (blue_first - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    padding = ((0, -height % DIVISOR), (0, -width % DIVISOR), (0, 0))
    x = np.pad(x, padding)  # zeros after normalisation, the mean colour
    return np.ascontiguousarray(x.transpose(2, 0, 1)[None]), (height, width)


def input_size(
    height: int, width: int, short_px: int = SHORT_PX, long_px: int = LONG_PX
) -> tuple[int, int]:
    """Return the height and width that a picture is resized to."""
    short, long = min(height, width), max(height, width)
    size = short_px
    if long / short * size > long_px:
        size = max(1, round(long_px * short / long))
    if short == size:
        return height, width
    other = int(size * long / short)
    return (size, other) if height <= width else (other, size)
