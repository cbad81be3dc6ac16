"""Whether probabilities can be believed, and what thresholds buy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from clipcli.workflows.evaluation.metrics import Flags, Numbers

N_BINS = 15  # of equal width, as in Guo et al. 2017
COVERAGES = tuple(i / 10 for i in range(10, 0, -1))  # 100 % down to 10 %


@dataclass(frozen=True, slots=True)
class Bin:
    """Pictures whose first probability lies above ``low``, up to ``high``."""

    low: float
    high: float
    n: int
    mean_probability: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Coverage:
    """What answering only from a probability on means."""

    min_prob: float
    coverage: float  # share of pictures that get an answer
    accuracy: float  # of those


def reliability(probabilities: Numbers, is_right: Flags) -> list[Bin]:
    """Sort n first probabilities (n,) into bins; empty bins are left out."""
    edges = np.linspace(0, 1, N_BINS + 1)
    which = np.clip(np.ceil(probabilities * N_BINS) - 1, 0, N_BINS - 1).astype(int)  # (n,)
    bins = []
    for i in range(N_BINS):
        inside = which == i
        if inside.any():
            mean = float(probabilities[inside].mean())
            accuracy = float(is_right[inside].mean())
            bins.append(
                Bin(float(edges[i]), float(edges[i + 1]), int(inside.sum()), mean, accuracy)
            )
    return bins


def calibration_error(bins: list[Bin]) -> float:
    """Return the expected calibration error: how far bins are off, weighted by their pictures.

    Guo et al. 2017, equation 3.
    """
    n = sum(one.n for one in bins)
    return sum(one.n / n * abs(one.accuracy - one.mean_probability) for one in bins)


def coverage(probabilities: Numbers, is_right: Flags) -> Iterator[Coverage]:
    """Yield what is reached by answering the surest 100, 90, … 10 % of n pictures, each once."""
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    leasts = [float(ranked[max(1, round(wanted * len(ranked))) - 1]) for wanted in COVERAGES]
    for least in dict.fromkeys(leasts):
        answered = probabilities >= least  # pictures with equal probabilities come together
        yield Coverage(least, float(answered.mean()), float(is_right[answered].mean()))
