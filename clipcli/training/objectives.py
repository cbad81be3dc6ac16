"""The contrastive objective: a batch in, a loss and its figures out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clipcli.encoder.torch.dense import dense_vectors
from clipcli.errors import UsageError
from clipcli.models.tokenizer.clip import Tokenizer
from clipcli.training.chunks import Towers
from clipcli.training.config import ContrastiveConfig
from clipcli.training.data.packed import Pairs, Rows
from clipcli.training.losses import contrastive_loss, sigmoid_loss, token_loss

Figures: TypeAlias = dict[str, Tensor]
PLAIN = ("{}",)


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's data: pictures as the network takes them, and which rows they are."""

    pixels: Tensor  # float (n / processes, 3, s, s), of this process's part
    rows: Rows  # (n,), those of all processes
    part: slice  # which of them are this process's
    draw: np.random.Generator  # of this step alone


class ObjectiveFunction(Protocol):
    """A loss to minimise."""

    def __call__(self, towers: Towers, batch: Batch) -> tuple[Tensor, Figures]:
        """Return the loss of the whole batch, and figures for the log."""
        ...


class Contrastive:
    """Pictures and captions of a batch find each other, through both towers."""

    def __init__(
        self,
        pairs: Pairs,
        tokenizer: Tokenizer,
        config: ContrastiveConfig,
        name_templates: Sequence[str] = PLAIN,
    ) -> None:
        self._pairs = pairs
        self._tokenizer = tokenizer
        self._config = config
        self._name_templates = name_templates  # where the configuration says none

    def __call__(self, towers: Towers, batch: Batch) -> tuple[Tensor, Figures]:
        """Embed both sides and compare all with all."""
        captions = [self._choose(row, batch.draw) for row in batch.rows.tolist()]
        prompts = self._dressed(captions, batch)[batch.part]
        tokens = pad_tokens([self._tokenizer.tokenize(prompt).ids for prompt in prompts])  # (n, l)
        device = batch.pixels.device
        images = F.normalize(towers.images(batch.pixels)[0].float(), dim=1)  # (n, d)
        texts = F.normalize(towers.texts(tokens.to(device)).float(), dim=1)  # (n, d)
        numbers = {caption: i for i, caption in enumerate(captions)}
        groups = torch.tensor([numbers[caption] for caption in captions], device=device)  # (n,)
        scale, equal = towers.scale, self._config.equal_captions
        if self._config.loss == "sigmoid":
            loss = sigmoid_loss(images, texts, scale, towers.bias, groups, equal)
        else:
            loss = contrastive_loss(images, texts, scale, groups, equal)
        if self._config.loss == "tokens":
            loss = (loss + self._by_parts(towers, batch.pixels, tokens.to(device), groups)) / 2
        found = groups[(images @ texts.T).argmax(dim=1)] == groups  # (n,)
        return loss, {"accuracy": found.float().mean(), "scale": scale.detach()}

    def _by_parts(self, towers: Towers, pixels: Tensor, tokens: Tensor, groups: Tensor) -> Tensor:
        """Match places and words, as ``explain`` reads them."""
        if towers.group.size > 1:
            raise UsageError("the loss 'tokens' runs in one process", hint="train on one device")
        clip = towers.student.clip
        places = dense_vectors(clip.visual, pixels).flatten(1, 2).float()  # (n, p, d)
        words, is_word = clip.encode_words(tokens)  # (n, l, d), (n, l)
        places, words = F.normalize(places, dim=2), F.normalize(words.float(), dim=2)
        equal = self._config.equal_captions
        return token_loss(places, words, is_word, towers.scale, groups, equal)

    def _choose(self, row: int, draw: np.random.Generator) -> str:
        captions = self._pairs.captions[row]
        return captions[int(draw.integers(len(captions)))] if len(captions) > 1 else captions[0]

    def _dressed(self, captions: Sequence[str], batch: Batch) -> list[str]:
        are_names = self._pairs.are_names
        sets = [
            self._config.templates
            or (self._name_templates if are_names and are_names[r] else PLAIN)
            for r in batch.rows.tolist()
        ]
        chosen = batch.draw.integers([len(templates) for templates in sets]).tolist()
        return [
            templates[t].replace("{}", caption)
            for templates, t, caption in zip(sets, chosen, captions, strict=True)
        ]


def pad_tokens(ids: Sequence[Sequence[int]]) -> Tensor:
    """Return int64 (n, longest), zeros after the end."""
    tokens: np.ndarray[Any, np.dtype[np.int64]] = np.zeros(
        (len(ids), max(map(len, ids))), dtype=np.int64
    )
    for row, own in zip(tokens, ids, strict=True):
        row[: len(own)] = own
    return torch.from_numpy(tokens)
