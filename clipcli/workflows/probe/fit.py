"""Fitting a linear classifier, and mixing it with a zero-shot one.

Symbols: ``n`` images, ``c`` labels, ``d`` embedding; ``strength`` is scikit-learn's C, the inverse
of the regularisation.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipcli.errors import MissingExtraError

Numbers: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]

MAX_ITERATIONS = 1000  # as in the linear probes of Radford et al. 2021, appendix A.3


@dataclass(frozen=True)
class Linear:
    """Logits of an image vector: ``weights @ vector + biases``."""

    weights: Numbers  # (c, d)
    biases: Numbers  # (c,)

    def logits(self, images: Numbers) -> Numbers:
        """Return logits (n, c) of image rows (n, d)."""
        logits: Numbers = images @ self.weights.T + self.biases
        return logits

    def mixed(self, other: Linear, share: float) -> Linear:
        """Return what lies between this one and another, of which it has the given share."""
        return Linear(
            (1 - share) * self.weights + share * other.weights,
            (1 - share) * self.biases + share * other.biases,
        )


def fit(images: Numbers, truth: Places, strength: float) -> Linear:
    """Fit a multinomial logistic regression by L-BFGS on unit rows (n, d).

    ``truth`` (n,) are places among the labels, each of which occurs.
    """
    regression = require_sklearn()(C=strength, max_iter=MAX_ITERATIONS)
    with warnings.catch_warnings():
        # Where the regularisation is weakest, L-BFGS may stop before the end: good enough.
        warnings.simplefilter("ignore")
        regression.fit(images, truth)
    weights, biases = regression.coef_, regression.intercept_
    if len(regression.classes_) == 2:  # one row, for the second class against the first
        weights = np.concatenate([-weights / 2, weights / 2])
        biases = np.concatenate([-biases / 2, biases / 2])
    return Linear(weights, biases)


def require_sklearn() -> Any:
    """Return scikit-learn's logistic regression, or say how to get it."""
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtraError(
            "fitting a probe needs scikit-learn, which is not installed",
            hint='pip install "clipcli[probe]"; using a probe does not need it',
        ) from error
    return LogisticRegression
