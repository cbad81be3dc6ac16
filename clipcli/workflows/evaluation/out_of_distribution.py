"""How well a score tells apart pictures that no label fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from clipcli.workflows.evaluation.metrics import Numbers

RECALL = 0.95  # share of in-set pictures that a fitted threshold keeps
KEPT = (0.99, 0.95, 0.9, 0.8)  # shares of in-set pictures in the table


@dataclass(frozen=True, slots=True)
class Detection:
    """How well a score, high for out-of-distribution pictures, separates them from the set."""

    auroc: float  # chance that a picture out of the set scores higher than one of it
    false_positive_rate: float  # share out of the set that passes where 95 % of the set does


@dataclass(frozen=True, slots=True)
class Rejection:
    """What a threshold does: at most it, a score passes."""

    threshold: float
    kept: float  # share of the set's pictures
    rejected: float  # share of the pictures out of the set


def detect(inside: Numbers, outside: Numbers) -> Detection:
    """Judge a score by its values on pictures of the set (n,) and out of it (m,)."""
    passing = outside <= threshold_at(inside, RECALL)
    return Detection(auroc(inside, outside), float(passing.mean()))


def auroc(low: Numbers, high: Numbers) -> float:
    """Return the chance that one of ``high`` is above one of ``low``; ties count half."""
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, side="left")  # of ``low``, for each of ``high``
    not_above = np.searchsorted(ordered, high, side="right")
    return float((below + not_above).mean() / (2 * len(low)))


def threshold_at(inside: Numbers, kept: float) -> float:
    """Return the least threshold at which that share of the pictures (n,) passes, or more."""
    ordered = np.sort(inside)
    return float(ordered[min(len(ordered), max(1, _ceil(kept * len(ordered)))) - 1])


def _ceil(value: float) -> int:
    return int(np.ceil(value - 1e-9))  # 0.95 x 20 is 19, and not a hair above it


def rejections(inside: Numbers, outside: Numbers) -> Iterator[Rejection]:
    """Yield what thresholds do that keep 99, 95, 90 and 80 % of the set's pictures."""
    for share in KEPT:
        threshold = threshold_at(inside, share)
        kept, rejected = (inside <= threshold).mean(), (outside > threshold).mean()
        yield Rejection(threshold, float(kept), float(rejected))
