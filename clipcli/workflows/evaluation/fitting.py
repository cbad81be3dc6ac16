"""Fitting probabilities to what came true: temperature scaling.

Guo et al. 2017 divide logits by one number, fitted on pictures whose label is known; that changes
how sure a classifier is and never what it says. A sigmoid model gets a bias beside it, as in
Platt 1999.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from clipcli.pipeline.scoring import ScoringRules, probabilities
from clipcli.vectors import sigmoid, softmax
from clipcli.workflows.evaluation.metrics import Numbers, Places

N_FOLDS = 5
SEED = 0
SCALES = (0.01, 10_000.0)  # the logit scale is looked for between these
PRECISION = 1e-6  # of the logit scale
BLOCK = 2**17  # numbers worked on at once: 1 MB
NEWTON_STEPS = 50
TINY = 1e-9  # a step that changes nothing any more
RIDGE = 1e-6  # keeps a sigmoid's scale finite where the labels separate without error


@dataclass(frozen=True, slots=True)
class Fit:
    """What replaces the model's own logit scale and bias."""

    logit_scale: float
    logit_bias: float

    def applied(self, rules: ScoringRules) -> ScoringRules:
        """Return the rules with these numbers."""
        return replace(rules, logit_scale=self.logit_scale, logit_bias=self.logit_bias)


def fit(cosines: Numbers, truth: Places, rules: ScoringRules) -> Fit:
    """Fit to cosines (n, c + r) and the true labels' places (n,), by greatest likelihood."""
    if rules.kind == "sigmoid":
        return _fit_sigmoid(cosines[:, : len(rules.names)], truth, rules)
    return Fit(_fit_softmax(cosines, truth, rules.logit_scale), rules.logit_bias)


def _fit_softmax(cosines: Numbers, truth: Places, start: float) -> float:
    """Return the logit scale at which the likelihood's slope is zero.

    The slope is the mean expected cosine less the mean cosine of the truth. It only ever rises
    with the scale, so that Newton's steps, kept between what is known to be too low and too high,
    find the place.
    """
    own = float(np.take_along_axis(cosines, truth[:, None], axis=1).mean())
    low, high = SCALES
    scale = float(np.clip(start, low, high))
    for _ in range(NEWTON_STEPS):
        expected, spread = _expected(cosines, scale)
        low, high = (scale, high) if expected < own else (low, scale)
        step = (expected - own) / spread if spread > 0 else math.inf
        following = scale - step
        if not low < following < high:
            following = math.sqrt(low * high)
        if abs(following - scale) < PRECISION * scale:
            return following
        scale = following
    return scale


def _expected(cosines: Numbers, scale: float) -> tuple[float, float]:
    """Return the mean cosine (n, c) that a softmax expects, and how fast it rises with the scale.

    In blocks of rows, which the processor's cache holds.
    """
    n_at_once = max(1, BLOCK // cosines.shape[1])
    expected = spread = 0.0
    for i in range(0, len(cosines), n_at_once):
        block = cosines[i : i + n_at_once]  # (n', c)
        weighted = softmax(scale * block) * block  # (n', c)
        means = weighted.sum(axis=1)  # (n',)
        expected += float(means.sum())
        spread += float(np.einsum("nc,nc->", weighted, block) - means @ means)
    return expected / len(cosines), spread / len(cosines)


def _fit_sigmoid(cosines: Numbers, truth: Places, rules: ScoringRules) -> Fit:
    """Fit scale and bias of n x c yes-or-no questions by Newton's method, in steps that help."""
    is_true = (np.arange(cosines.shape[1]) == truth[:, None]).ravel()  # (n c,)
    design = np.stack([cosines.ravel(), np.ones(cosines.size)], axis=1)  # (n c, 2)
    ours = np.array([rules.logit_scale, rules.logit_bias])

    def loss(weights: Numbers) -> float:
        logits = design @ weights  # (n c,)
        mean = (np.logaddexp(0, logits) - is_true * logits).mean()
        return float(mean + RIDGE / 2 * ((weights - ours) ** 2).sum())

    weights: Numbers = np.zeros(2)
    for _ in range(NEWTON_STEPS):
        p = sigmoid(design @ weights)  # (n c,)
        slope = design.T @ (p - is_true) / len(p) + RIDGE * (weights - ours)
        curve = (design.T * (p * (1 - p))) @ design / len(p) + RIDGE * np.eye(2)
        step = np.linalg.solve(curve, slope)
        before = loss(weights)
        while loss(weights - step) > before and np.abs(step).max() > TINY:
            step = step / 2
        weights = weights - step
        if np.abs(step).max() < TINY * max(1.0, np.abs(weights).max()):
            break
    return Fit(float(np.clip(weights[0], *SCALES)), float(weights[1]))


def cross_fitted(cosines: Numbers, truth: Places, rules: ScoringRules) -> Numbers:
    """Return probabilities (n, c + r), each by a fit that its picture had no part in."""
    result = np.empty(cosines.shape)
    for inside, outside in folds(truth):
        fitted = fit(cosines[inside], truth[inside], rules)
        result[outside] = probabilities(cosines[outside], fitted.applied(rules))
    return result


def folds(truth: Places) -> Iterator[tuple[Places, Places]]:
    """Yield (to fit on, to judge) as places of pictures; each is judged once.

    Every class is dealt out evenly, and the dealing goes on from class to class, so that classes
    of one picture are spread as well.
    """
    generator = np.random.default_rng(SEED)
    shuffled = generator.permutation(len(truth))
    dealt = shuffled[np.argsort(truth[shuffled], kind="stable")]  # class by class
    n_folds = min(N_FOLDS, len(truth))
    for i in range(n_folds):
        judged = np.sort(dealt[i::n_folds])
        yield np.setdiff1d(np.arange(len(truth)), judged), judged
