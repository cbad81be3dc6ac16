"""Counting right and wrong: top-k, confusion, precision and recall.

Symbols: ``n`` pictures, ``c`` labels. Definitions are scikit-learn's; what is divided by nothing
is NaN here, where it says 0.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]


def ranks_of_truth(scores: Numbers, truth: Places) -> Places:
    """Return how many labels stand before the true one (n,), of scores (n, c); 0 is right.

    Equal scores keep the order of the label set, as the ranking of results does.
    """
    own = np.take_along_axis(scores, truth[:, None], axis=1)  # (n, 1)
    is_before = np.arange(scores.shape[1]) < truth[:, None]  # (n, c)
    ahead: Places = ((scores > own) | ((scores == own) & is_before)).sum(axis=1)
    return ahead


def confusion(truth: Places, predicted: Places, n_labels: int) -> Places:
    """Return counts (c, c): a row for each true label, a column for each predicted one."""
    flat = np.bincount(truth * n_labels + predicted, minlength=n_labels**2)
    return flat.reshape(n_labels, n_labels).astype(np.int64)


def recalls(matrix: Places) -> Numbers:
    """Return the share of each label's pictures that got it (c,); NaN where it has none."""
    return ratio(np.diag(matrix), matrix.sum(axis=1))


def precisions(matrix: Places) -> Numbers:
    """Return the share of each label's predictions that are right (c,); NaN where it has none."""
    return ratio(np.diag(matrix), matrix.sum(axis=0))


def f1_scores(matrix: Places) -> Numbers:
    """Return the harmonic mean of precision and recall (c,); NaN for a label nobody has or got."""
    return ratio(2 * np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1))


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> Numbers:
    """Divide; NaN where there is nothing to divide by."""
    wholes = np.asarray(whole, float)
    shares: Numbers = np.full(wholes.shape, np.nan)
    np.divide(np.asarray(part, float), wholes, out=shares, where=wholes > 0)
    return shares


def confused_pairs(matrix: Places, limit: int | None = None) -> list[tuple[int, int, int]]:
    """Return the most frequent mistakes: (true label, predicted label, count)."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    rows, columns = np.nonzero(wrong)
    counts = wrong[rows, columns]
    order = np.argsort(-counts, kind="stable")[:limit]
    return [(int(rows[i]), int(columns[i]), int(counts[i])) for i in order]
