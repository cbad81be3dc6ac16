"""Running Grounding DINO, MM-Grounding-DINO and LLMDet: a picture and words in, boxes out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from clipcli.encoder.boxes import suppress_words
from clipcli.encoder.locator import Boxes, Question
from clipcli.encoder.torch.device import PRECISIONS, resolve_device, resolve_precision
from clipcli.encoder.torch.locators.glip_boxes import label_scores
from clipcli.encoder.torch.locators.glip_text import AskedCaptions, CaptionRules, WordPiece
from clipcli.encoder.torch.locators.grounding import GroundingDino
from clipcli.encoder.torch.locators.grounding_layers import Text
from clipcli.encoder.torch.locators.loading import build_strictly
from clipcli.encoder.torch.tensors import gather
from clipcli.models.config import Preprocessing
from clipcli.models.locators.grounding import GroundingArchitecture
from clipcli.models.locators.source import LocatorSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENDING, STOPS = ".", ".?"
CLOSERS = ("[CLS]", "[SEP]", ".", "?")  # tokens that close a phrase, themselves part of it
MOST = 300  # boxes of a picture, as the published figures were measured


class GroundingRunner:
    """One of these models on its device. Not for two threads at once."""

    def __init__(
        self,
        network: GroundingDino,
        tokenizer: WordPiece,
        preprocessing: Preprocessing,
        long_px: int,  # at most, of a picture's long side
        device: torch.device,
        precision: str,
    ) -> None:
        """Take ``network`` over. Only Swin is lowered: what follows lives on small differences."""
        self.device, self.precision = str(device), precision
        self._dtype = PRECISIONS[precision]
        self._network = network.eval().to(device)
        network.backbone.to(self._dtype)
        self._preprocessing, self._long_px = preprocessing, long_px
        self._closers = frozenset(map(tokenizer.token_id, CLOSERS)) - {None}
        self.asked = AskedCaptions(tokenizer, self._embed)

    @classmethod
    def load(cls, source: LocatorSource, device: str, precision: str) -> GroundingRunner:
        """Load a model onto a device; see :func:`clipcli.encoder.load_locator.load_locator`."""
        place = resolve_device(device)
        precision = resolve_precision(precision, place)
        shape, preprocessing = source.architecture, source.preprocessing
        assert isinstance(shape, GroundingArchitecture)
        assert preprocessing is not None
        rules = CaptionRules("Grounding DINO", shape.most_tokens, ENDING, STOPS, lowers=True)
        tokenizer = WordPiece(source.tokenizer_path, shape.vocab_size, rules)
        network = build_strictly(lambda: GroundingDino(shape), gather(source.plan), source.path)
        return cls(network, tokenizer, preprocessing, source.sides[1], place, precision)

    def check(self, question: Question) -> None:
        """Refuse names or a sentence that are longer than BERT reads."""
        self.asked.check(question)

    @torch.inference_mode()
    def locate(
        self, picture: NDArray[np.uint8], question: Question, *, min_score: float, nms: float
    ) -> Boxes:
        """Find boxes in a picture (h, w, 3).

        The picture is looked at once; encoder and decoder run once for each caption that the
        question needs. A box goes to every phrase that it fits.
        """
        pixels = torch.from_numpy(self.pixels(picture)).to(self.device, self._dtype)
        scene = self._network.encode_image(pixels)
        found = []
        for caption, text in self.asked.captions(question):
            logits, boxes = self._network.read(scene, text)
            scores = label_scores(logits, caption.tokens)  # (q, c)
            queries, labels = (scores > min_score).nonzero().unbind(1)
            phrases = torch.tensor(caption.phrases, device=labels.device)[labels]
            found.append((boxes[queries], scores[queries, labels], phrases))
        height, width = picture.shape[:2]
        return _best(found, width, height, nms, question.owners)

    def pixels(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return a picture (h, w, 3) as the network's input (1, 3, h, w)."""
        told = self._preprocessing
        height, width = input_size(picture.shape[0], picture.shape[1], told.size, self._long_px)
        resized = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR)
        x = np.asarray(resized).astype(np.float32) / np.float32(255)
        normed = (x - np.array(told.mean, np.float32)) / np.array(told.std, np.float32)
        return np.ascontiguousarray(normed.transpose(2, 0, 1)[None])

    def _embed(self, ids: tuple[int, ...]) -> Text:
        mask, places = phrases_apart(ids, self._closers)
        on_device = (x.to(self.device) for x in (torch.tensor(ids), mask, places))
        return self._network.encode_text(*on_device)


def phrases_apart(ids: Sequence[int], closers: Iterable[int | None]) -> tuple[Tensor, Tensor]:
    """Return which tokens see each other, bool (l, l), and where each stands in its phrase, (l,).

    A phrase ends with a closing token. The first and the last token of a caption, which belong to
    none, see themselves alone.
    """
    n, ends = len(ids), frozenset(closers)
    mask, places = torch.eye(n, dtype=torch.bool), torch.zeros(n, dtype=torch.long)
    begin = 0
    for i in range(n - 1):
        if ids[i] not in ends:
            continue
        if i:
            mask[begin : i + 1, begin : i + 1] = True
            places[begin : i + 1] = torch.arange(i + 1 - begin)
        begin = i + 1
    return mask, places


def input_size(height: int, width: int, short_px: int, long_px: int) -> tuple[int, int]:
    """Return the height and width that a picture is resized to."""
    short, long = min(height, width), max(height, width)
    exact: float = short_px
    if long / short * short_px > long_px:
        exact = long_px * short / long
    size = max(1, round(exact))
    if short == size:
        return height, width
    # Subtle: the long side goes by the short one before it is rounded.
    other = max(1, int(exact * long / short))
    return (size, other) if height <= width else (other, size)


def _best(
    found: Sequence[tuple[Tensor, Tensor, Tensor]],
    width: int,
    height: int,
    nms: float,
    owners: Sequence[int],
) -> Boxes:
    """Join what captions gave: boxes as centre and size, 0 to 1, scores and phrases; best first."""
    boxes, scores, phrases = (
        torch.cat([each[i] for each in found]).cpu().numpy() for i in range(3)
    )
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    corners = np.concatenate([centre - half, centre + half], axis=1)  # (n, 4)
    edges = np.array([width, height, width, height], np.float32)
    corners = np.clip(corners * edges, 0, edges)
    best = np.argsort(-scores, kind="stable")[:MOST]
    corners, scores, phrases = corners[best], scores[best], phrases[best].astype(np.intp)
    stay = suppress_words(corners, scores, phrases, owners, nms)
    return Boxes(corners[stay], scores[stay], phrases[stay])
