"""What a step minimises: a batch in, a loss and its figures out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clipcli.models.tokenizer.clip import Tokenizer
from clipcli.training.chunks import Towers
from clipcli.training.config import ContrastiveConfig, TargetsConfig
from clipcli.training.data.packed import Pairs, Rows
from clipcli.training.losses import contrastive_loss, masked_cross_entropy, sigmoid_loss, top1
from clipcli.training.targets import SHIFT_UNIT, TargetTable, Truths

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
        found = groups[(images @ texts.T).argmax(dim=1)] == groups  # (n,)
        return loss, {"accuracy": found.float().mean(), "scale": scale.detach()}

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


class Targets:
    """Pictures find their name among all concepts and captions, whose vectors are fixed."""

    def __init__(
        self,
        pairs: Pairs,
        table: TargetTable,
        config: TargetsConfig,
        offsets: Tensor | None = None,
    ) -> None:
        self._pairs = pairs
        self._table = table
        self._config = config
        self._offsets = offsets  # (m,), what evens out how frequent the targets are

    def __call__(self, towers: Towers, batch: Batch) -> tuple[Tensor, Figures]:
        """Add the loss against the vectors and that of the classifier."""
        embeddings, logits = towers.images(batch.pixels)
        device = embeddings.device
        truths = [self._truths(row) for row in batch.rows.tolist()]
        names = [_one_of(own.names, batch.draw) for own in truths]
        drawn = [
            self._maybe_general(n, own, batch.draw) for n, own in zip(names, truths, strict=True)
        ]
        columns = self._columns(drawn)  # (c,), numbers of the table's rows
        own = self._mask(truths)  # (n, m)
        place = {row: i for i, row in enumerate(columns)}
        target = torch.tensor([place[row] for row in drawn], device=device)  # (n,)
        chosen = torch.tensor(columns, device=device)
        images = self._config.scale * F.normalize(embeddings.float(), dim=1)  # (n, d)
        vectors = self._table.moved(towers.student.text_shift)  # (m, d)
        similarity = images @ vectors[chosen].T  # (n, c)
        ignored = (own | self._table.related[torch.tensor(drawn, device=device)])[:, chosen]
        even = similarity if self._offsets is None else similarity + self._offsets[chosen]
        loss = masked_cross_entropy(even, target, ignored).mean()
        figures = {"accuracy": top1(similarity.detach(), target, ignored)}
        if towers.student.text_shift is not None:
            shift = SHIFT_UNIT * towers.student.text_shift  # (n_fixed, d)
            figures["shift"] = shift.detach().norm(dim=1).mean()
            loss = loss + self._config.pull * shift.square().sum()
        if logits is not None:
            auxiliary = self._classifier_loss(logits, names, own)
            figures |= {"targets_loss": loss.detach(), "classifier_loss": auxiliary.detach()}
            loss = loss + self._config.classifier * auxiliary
        return loss, figures

    def _classifier_loss(self, logits: Tensor, names: Sequence[int], own: Tensor) -> Tensor:
        """Average over the pictures whose name is a class: (n, classes) -> ()."""
        n_classes = logits.shape[1]
        known = [i for i, row in enumerate(names) if row < n_classes]
        if not known:
            return logits.sum() * 0
        first = torch.tensor([names[i] for i in known], device=logits.device)
        ignored = own[known, :n_classes] | self._table.related[first, :n_classes]
        return masked_cross_entropy(logits[known], first, ignored).mean()

    def _truths(self, row: int) -> Truths:
        return self._table.truths(self._pairs.captions[row], self._pairs.concepts[row])

    def _maybe_general(self, name: int, own: Truths, draw: np.random.Generator) -> int:
        if own.general and draw.random() < self._config.ancestors:
            return _one_of(own.general, draw)
        return name

    def _columns(self, targets: Sequence[int]) -> list[int]:
        n_fixed = self._table.n_fixed
        return [*range(n_fixed), *sorted({row for row in targets if row >= n_fixed})]

    def _mask(self, truths: Sequence[Truths]) -> Tensor:
        mask = np.zeros((len(truths), len(self._table.vectors)), dtype=bool)
        for i, own in enumerate(truths):
            mask[i, [*own.names, *own.general]] = True
        return torch.from_numpy(mask).to(self._table.vectors.device)


def _one_of(rows: Sequence[int], draw: np.random.Generator) -> int:
    return rows[int(draw.integers(len(rows)))] if len(rows) > 1 else rows[0]


def pad_tokens(ids: Sequence[Sequence[int]]) -> Tensor:
    """Return int64 (n, longest), zeros after the end."""
    tokens: np.ndarray[Any, np.dtype[np.int64]] = np.zeros(
        (len(ids), max(map(len, ids))), dtype=np.int64
    )
    for row, own in zip(tokens, ids, strict=True):
        row[: len(own)] = own
    return torch.from_numpy(tokens)
