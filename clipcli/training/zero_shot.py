"""Scoring a student on held-out pictures, set by set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clipcli.models.config import Preprocessing
from clipcli.training.data import augment
from clipcli.training.data.packed import Pairs, Rows
from clipcli.training.student import Student

# Names of each class -> unit rows (c, d), by fixed vectors or by the student's own text tower.
MakeClassifier: TypeAlias = Callable[[Student, Sequence[Sequence[str]]], Tensor]
BATCH = 250


class Scorer:
    """Held-out pictures with their class names, and what turns names into vectors."""

    def __init__(
        self,
        pairs: Pairs,
        sets: Sequence[EvaluationSet],
        make_classifier: MakeClassifier,
        preprocessing: Preprocessing,
    ) -> None:
        self._pairs = pairs
        self._sets = sets
        self._make_classifier = make_classifier
        self._preprocessing = preprocessing

    @torch.no_grad()
    def scores(
        self, student: Student, size_px: int, autocast: AbstractContextManager[Any]
    ) -> dict[str, float]:
        """Return top-1 by set, and their mean where there are several."""
        found: dict[str, float] = {}
        with autocast:
            for one in self._sets:
                classifier = self._make_classifier(student, one.classes).cpu()  # (c, d)
                vectors = self._encode(student, one, size_px)  # (n, d)
                found[one.name] = zero_shot_top1(vectors, classifier.float(), one.labels)
        if len(found) > 1:
            found["mean"] = sum(found.values()) / len(found)
        return found

    def _encode(self, student: Student, one: EvaluationSet, size_px: int) -> Tensor:
        own, device = self._preprocessing, student.clip.logit_scale.device
        parts = []
        for start in range(0, len(one.rows), BATCH):
            pictures = torch.from_numpy(self._pairs.pictures[one.rows[start : start + BATCH]])
            crops = augment.centre_crops(pictures, size_px)  # (n, 3, s, s)
            pixels = augment.normalise(crops, own.mean, own.std).to(device)
            parts.append(F.normalize(student.clip.encode_image(pixels).float(), dim=1).cpu())
        return torch.cat(parts)  # (n, d)


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
