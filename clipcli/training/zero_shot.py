"""This file knows about the held-out score: how often the nearest class text is the right one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clipcli.training.pairs import Pairs, Rows


def zero_shot_top1(image_vectors: Tensor, classifier: Tensor, labels: Tensor) -> float:
    """Return the share of pictures whose most similar class is their label, 0..1.

    ``image_vectors`` (n, d), ``classifier`` (c, d), both of unit rows; ``labels`` int64 (n,).
    """
    nearest = (image_vectors @ classifier.T).argmax(dim=1)  # (n,)
    return (nearest == labels).float().mean().item()


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Pictures of one source, their class numbers, and the names of its classes."""

    name: str
    rows: Rows
    labels: Tensor  # int64 (n,)
    classes: Sequence[tuple[str, ...]]  # names of each class; the first is the label


def evaluation_sets(pairs: Pairs, limit: int, seed: int = 0) -> Iterator[EvaluationSet]:
    """Split held-out data by source; at most ``limit`` pictures each, the same every time."""
    sources = np.array([pairs.sources[row] for row in pairs.rows])
    for name in sorted(set(sources.tolist())):
        rows = pairs.rows[sources == name]
        names = _class_names(pairs, rows)
        number = {label: i for i, label in enumerate(names)}
        if len(rows) > limit:
            chosen = np.random.default_rng(seed).choice(len(rows), limit, replace=False)
            rows = rows[np.sort(chosen)]
        labels = torch.tensor([number[pairs.captions[row][0]] for row in rows])
        yield EvaluationSet(name, rows, labels, tuple(names.values()))


def _class_names(pairs: Pairs, rows: Rows) -> dict[str, tuple[str, ...]]:
    """Map each label (a row's first caption) to all that its rows are called, label first."""
    names: dict[str, dict[str, None]] = {}
    for row in rows:
        captions = pairs.captions[row]
        names.setdefault(captions[0], {}).update(dict.fromkeys(captions))
    return {label: tuple(names[label]) for label in sorted(names)}
