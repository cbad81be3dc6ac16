"""Out-of-fold probabilities: what a classifier says that saw other pictures.

The classifier is multinomial logistic regression on image vectors. It is fitted with the fixed
bound on the curvature of Böhning 1992, "Multinomial logistic regression algorithm", and
Nesterov's momentum: a handful of matrix products a fold, no line search, no other library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from clipcli.vectors import softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 5
STEPS = 25  # on CLIP vectors ten are enough for the ranking
RIDGE = 1.0  # on vectors of mean square length one: the best of 0.3 to 30 on three data sets
INTERCEPT_RIDGE = 1e-6


def out_of_fold(vectors: NDArray[np.float32], labels: NDArray[np.int64], c: int) -> NDArray[Any]:
    """Return probabilities (n, c) of vectors (n, d) with labels (n,) in 0..c-1.

    Each label needs a few more pictures than there are folds.
    """
    inputs = _standardised(vectors)  # (n, d + 1)
    folds = _folds(labels)
    result = np.empty((len(labels), c), np.float32)
    for fold in range(FOLDS):
        is_held_out = folds == fold
        weights = _fit(inputs[~is_held_out], labels[~is_held_out], c)
        result[is_held_out] = softmax(inputs[is_held_out] @ weights)
    return result


def _standardised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Centre, scale to mean square length one, and append a one (n, d + 1)."""
    centred = vectors - vectors.mean(axis=0)
    length = float(np.sqrt(np.mean(np.sum(centred * centred, axis=1)))) or 1.0
    ones = np.ones((len(vectors), 1), np.float32)
    return np.hstack([(centred / np.float32(length)).astype(np.float32), ones])


def _folds(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Deal every class's pictures to the folds in turn, shuffled, always in the same way.

    Subtle: without the shuffle, neighbours in a folder, which often show the same thing, would
    always be in different folds, and mistakes made in a row would look like each other.
    """
    order = np.random.default_rng(0).permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    folds = np.empty(len(labels), np.int64)
    folds[by_class] = np.arange(len(labels)) % FOLDS
    return folds


def _fit(inputs: NDArray[np.float32], labels: NDArray[np.int64], c: int) -> NDArray[np.float32]:
    """Return weights (d + 1, c)."""
    d = inputs.shape[1]
    targets = np.zeros((len(inputs), c), np.float32)
    targets[np.arange(len(inputs)), labels] = 1
    ridge = np.full(d, RIDGE, np.float32)
    ridge[-1] = INTERCEPT_RIDGE
    bound = np.linalg.inv(0.5 * (inputs.T @ inputs).astype(np.float64) + np.diag(ridge))
    step = bound.astype(np.float32)
    weights = ahead = np.zeros((d, c), np.float32)
    momentum = 1.0
    for _ in range(STEPS):
        slope = inputs.T @ (softmax(inputs @ ahead) - targets) + ridge[:, None] * ahead
        moved = ahead - step @ slope.astype(np.float32)
        grown = (1 + (1 + 4 * momentum * momentum) ** 0.5) / 2
        ahead = moved + np.float32((momentum - 1) / grown) * (moved - weights)
        weights, momentum = moved, grown
    return weights
