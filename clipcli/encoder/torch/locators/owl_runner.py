"""Running OWL-ViT and OWLv2: a picture and phrases in, boxes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from clipcli.encoder.boxes import suppress_words
from clipcli.encoder.locator import Boxes, Question, Sight
from clipcli.encoder.torch.device import PRECISIONS, resolve_device, resolve_precision
from clipcli.encoder.torch.locators.loading import build_strictly
from clipcli.encoder.torch.locators.owl import OwlDetector, unit
from clipcli.encoder.torch.packed import pack_blocks
from clipcli.encoder.torch.tensors import gather
from clipcli.errors import UsageError
from clipcli.images.owl_preprocess import padded_square
from clipcli.images.preprocess import normalise, preprocess
from clipcli.models.config import Preprocessing
from clipcli.models.locators.owl import OwlArchitecture
from clipcli.models.locators.source import LocatorSource
from clipcli.models.tokenizer.clip import Tokenizer
from clipcli.models.tokenizer.vocabulary import read_vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME_TEMPLATE = "a photo of a {}"  # of words; prompts and a sentence's phrases stay as they are
QUERY_BATCH = 64


class OwlRunner:
    """One of these models on its device. Not for two threads at once."""

    def __init__(
        self,
        network: OwlDetector,
        tokenizer: Tokenizer,
        preprocessing: Preprocessing,
        device: torch.device,
        precision: str,
    ) -> None:
        """Take ``network`` over; its image tower is changed for inference."""
        self.device, self.precision = str(device), precision
        self._network, self._tokenizer = network, tokenizer
        self._preprocessing = preprocessing
        self._dtype = PRECISIONS[precision]  # of pixels, and of the image tower's stream
        self._is_padded = network.architecture.has_objectness
        self._asked: tuple[Question, Tensor] | None = None
        network.eval().to(device)
        # Heads scale differences up, so the stream stays in fp32 where it costs next to nothing.
        is_cpu = device.type == "cpu"
        if is_cpu and precision == "bf16" and pack_blocks(network.clip.visual):
            self._dtype = torch.float32
        for part in (network.clip.visual, network.layer_norm):
            part.to(self._dtype)

    @classmethod
    def load(cls, source: LocatorSource, device: str, precision: str) -> OwlRunner:
        """Load a model onto a device; see :func:`clipcli.encoder.load_locator.load_locator`."""
        place = resolve_device(device)
        precision = resolve_precision(precision, place)
        architecture, preprocessing = source.architecture, source.preprocessing
        assert isinstance(architecture, OwlArchitecture)
        assert preprocessing is not None
        network = build_strictly(
            lambda: OwlDetector(architecture), gather(source.plan), source.path
        )
        vocabulary = read_vocabulary(source.tokenizer_path)
        tokenizer = Tokenizer(vocabulary, architecture.clip.text.context_length)
        return cls(network, tokenizer, preprocessing, place, precision)

    def check(self, question: Question) -> None:
        """Refuse phrases that are longer than the text tower reads.

        Raises
        ------
        UsageError
        """
        for text in self._texts(question):
            tokens = self._tokenizer.tokenize(text)
            if tokens.is_cut:
                raise UsageError(
                    f"{text!r} has {tokens.n_tokens} tokens, and the model reads "
                    f"{self._tokenizer.context_length}",
                    hint="name it in fewer words",
                )

    @torch.inference_mode()
    def locate(
        self, picture: NDArray[np.uint8], question: Question, *, min_score: float, nms: float
    ) -> Boxes:
        """Find boxes in a picture (h, w, 3); each patch's box goes to its best phrase."""
        return self.find(self.see(picture), question, min_score=min_score, nms=nms)

    @torch.inference_mode()
    def see(self, picture: NDArray[np.uint8]) -> Sight:
        """Look at a picture (h, w, 3), before anybody asks."""
        pixels = torch.from_numpy(self.pixels(picture)).to(self.device, self._dtype)
        patches = self._network.encode_patches(pixels)[0].float()  # (p, width)
        rows, places = self._network.read(patches)
        height, width = picture.shape[:2]
        return Sight(rows.cpu().numpy(), places.cpu().numpy(), width, height)

    @torch.inference_mode()
    def find(self, sight: Sight, question: Question, *, min_score: float, nms: float) -> Boxes:
        """Find boxes in what was seen; each patch's box goes to its best phrase."""
        rows, places = (
            torch.from_numpy(each).to(self.device) for each in (sight.rows, sight.places)
        )
        cosines = rows @ unit(self._queries(question)).T  # (p, c)
        logits = (cosines + places[:, :1]) * places[:, 1:2]
        best, phrases = torch.sigmoid(logits).max(dim=1)  # (p,) each
        keep = best > min_score
        boxes = places[keep, 2:].cpu().numpy()  # (n, 4) centre and size
        corners = self._corners(boxes, sight.height, sight.width)
        scores = best[keep].cpu().numpy()
        chosen = phrases[keep].cpu().numpy().astype(np.intp)
        stay = suppress_words(corners, scores, chosen, question.owners, nms)
        return Boxes(corners[stay], scores[stay], chosen[stay])

    def pixels(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return a picture (h, w, 3) as the network's input (1, 3, s, s)."""
        if not self._is_padded:
            square = preprocess(Image.fromarray(picture), self._preprocessing)
            return normalise(square[None], self._preprocessing)
        unit = padded_square(picture, self._preprocessing.size)  # (s, s, 3)
        mean = np.array(self._preprocessing.mean, np.float32)
        std = np.array(self._preprocessing.std, np.float32)
        return np.ascontiguousarray(((unit - mean) / std).transpose(2, 0, 1)[None])

    def _queries(self, question: Question) -> Tensor:
        """Return the phrases' rows (c, d); those of the last question are remembered."""
        if self._asked is None or self._asked[0] != question:
            self._asked = (question, self._encode(self._texts(question)))
        return self._asked[1]

    @staticmethod
    def _texts(question: Question) -> list[str]:
        if question.sentence:
            return list(question.phrases)
        written = question.written or (False,) * len(question.phrases)
        return [
            phrase if is_written else NAME_TEMPLATE.replace("{}", phrase)
            for phrase, is_written in zip(question.phrases, written, strict=True)
        ]

    def _encode(self, texts: Sequence[str]) -> Tensor:
        ids = [self._tokenizer.tokenize(text).ids for text in texts]
        length = max(map(len, ids))
        padded = torch.tensor([row + [0] * (length - len(row)) for row in ids])  # (c, l)
        blocks = torch.split(padded.to(self.device), QUERY_BATCH)
        return torch.cat([self._network.encode_queries(block) for block in blocks])

    def _corners(self, boxes: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
        centre, half = boxes[:, :2], boxes[:, 2:] / 2
        corners = np.concatenate([centre - half, centre + half], axis=1)  # (n, 4)
        longest = max(height, width)
        sides = (longest, longest) if self._is_padded else (width, height)
        scaled = corners * np.array([*sides, *sides], np.float32)
        limits = np.array([width, height, width, height], np.float32)
        clipped: NDArray[np.float32] = np.clip(scaled, 0, limits)
        return clipped
