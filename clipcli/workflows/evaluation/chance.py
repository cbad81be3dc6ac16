"""Chance: intervals by the bootstrap, and tests of paired differences.

Resampling n pictures with replacement and counting the right ones is one draw from a binomial or
multinomial distribution; so nothing is resampled picture by picture, and large sets cost nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clipcli.workflows.evaluation.metrics import Flags, Numbers, Places

SEED = 0
N_DRAWS = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A value, and where it would lie in 95 of 100 such samples."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Two classifiers on the same pictures: the second one's accuracy less the first one's."""

    difference: Interval
    only_first: int  # pictures that only the first had right
    only_second: int
    p_value: float  # McNemar's exact test, two-sided


def share_interval(is_right: Flags) -> Interval:
    """Return the share of true flags (n,) with its percentile bootstrap interval."""
    n, n_right = len(is_right), int(is_right.sum())
    draws = _generator().binomial(n, n_right / n, N_DRAWS) / n  # (draws,)
    return _interval(n_right / n, draws)


def mean_recall_interval(right: Places, wrong: Places) -> Interval:
    """Return the mean over labels of the share right, pictures of all labels resampled together.

    ``right`` and ``wrong`` are counts (c,); labels without pictures, also in a draw, do not count.
    """
    counts = np.concatenate([right, wrong])
    n = int(counts.sum())
    draws = _generator().multinomial(n, counts / n, N_DRAWS)  # (draws, 2c)
    good, bad = draws[:, : len(right)], draws[:, len(right) :]
    return _interval(_mean_share(right, wrong), _mean_share(good, bad))


def _mean_share(right: Places, wrong: Places) -> Numbers:
    total = right + wrong
    shares = np.divide(right, total, out=np.zeros(total.shape), where=total > 0)
    mean: Numbers = shares.sum(axis=-1) / np.maximum((total > 0).sum(axis=-1), 1)
    return mean


def compare(first: Flags, second: Flags) -> PairedDifference:
    """Compare which of the same n pictures two classifiers had right, flags (n,) each."""
    n = len(first)
    only_first = int((first & ~second).sum())
    only_second = int((second & ~first).sum())
    shares = np.array([only_first, only_second, n - only_first - only_second]) / n
    draws = _generator().multinomial(n, shares, N_DRAWS)  # (draws, 3)
    difference = _interval((only_second - only_first) / n, (draws[:, 1] - draws[:, 0]) / n)
    return PairedDifference(difference, only_first, only_second, mcnemar(only_first, only_second))


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value of McNemar's exact test.

    Only pictures on which two classifiers differ tell them apart; if neither is better, each of
    those is a fair coin.
    """
    n, k = only_first + only_second, min(only_first, only_second)
    # Logarithms, since 2 to the power of ten thousand is no float.
    tail = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in range(k + 1)]
    one_side = sum(math.exp(term - n * math.log(2)) for term in tail)
    return min(1.0, 2 * one_side)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for having been several (Holm 1979)."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def _interval(value: float | Numbers, draws: Numbers) -> Interval:
    edges = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    low, high = np.quantile(draws, edges)
    return Interval(float(value), float(low), float(high))


def _generator() -> np.random.Generator:
    return np.random.default_rng(SEED)
