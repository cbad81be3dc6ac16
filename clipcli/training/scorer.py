"""This file knows about scoring a student on held-out pictures, set by set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcli.architecture import Preprocessing
from clipcli.training import augment
from clipcli.training.pairs import Pairs
from clipcli.training.student import Student
from clipcli.training.zero_shot import EvaluationSet, zero_shot_top1

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
