"""Temperatures: fitted to what was drawn from them, never on the pictures they are judged by."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from clipcli.pipeline.scoring import ScoringRules
from clipcli.vectors import sigmoid, softmax
from clipcli.workflows.evaluation.fitting import SCALES, cross_fitted, fit, folds

Numbers = NDArray[np.float64]
NAMES = ("a", "b", "c", "d")


def rules(**changes: object) -> ScoringRules:
    settings: dict[str, object] = {"logit_scale": 100.0}
    return ScoringRules(names=NAMES, **(settings | changes))  # type: ignore[arg-type]


def drawn(scale: float, n: int = 4000) -> tuple[Numbers, NDArray[np.int64]]:
    """Return cosines, and truths that come true as often as a softmax of that scale says."""
    generator = np.random.default_rng(3)
    cosines = generator.uniform(-0.3, 0.3, (n, len(NAMES)))
    edges = softmax(scale * cosines).cumsum(axis=1)
    return cosines, (generator.random((n, 1)) > edges).sum(axis=1)


def loss(cosines: Numbers, truth: NDArray[np.int64], scale: float) -> float:
    likelihoods = softmax(scale * cosines)[np.arange(len(truth)), truth]
    return float(-np.log(likelihoods).mean())


@pytest.mark.parametrize("scale", [5.0, 20.0])
def test_the_scale_that_made_the_truth_is_found(scale: float) -> None:
    cosines, truth = drawn(scale)

    assert fit(cosines, truth, rules()).logit_scale == pytest.approx(scale, rel=0.08)


def test_no_other_scale_is_likelier() -> None:
    cosines, truth = drawn(10.0, n=300)

    fitted = fit(cosines, truth, rules()).logit_scale

    best = loss(cosines, truth, fitted)
    assert all(loss(cosines, truth, fitted * f) >= best for f in (0.5, 0.9, 0.999, 1.001, 1.1, 2))


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
@pytest.mark.parametrize("sign", [1, -1])
def test_pictures_that_are_all_right_or_all_wrong_give_a_usable_scale(sign: int, kind: str) -> None:
    cosines, truth = sign * np.eye(4), np.arange(4)

    fitted = fit(cosines, truth, rules(kind=kind))

    assert np.isfinite(fitted.logit_bias)
    assert SCALES[0] <= fitted.logit_scale <= SCALES[1]
    assert (fitted.logit_scale > 10) == (sign > 0)


def test_no_other_scale_and_bias_of_a_sigmoid_are_likelier() -> None:
    cosines, truth = drawn(10.0, n=400)
    is_true = np.eye(4)[truth]

    fitted = fit(cosines, truth, rules(kind="sigmoid", logit_bias=-10.0))

    def loss(scale: float, bias: float) -> float:
        p = sigmoid(scale * cosines + bias)
        return float(-np.log(np.where(is_true, p, 1 - p)).mean())

    best = loss(fitted.logit_scale, fitted.logit_bias)
    for scale in (0.9, 0.99, 1.01, 1.1):
        assert loss(fitted.logit_scale * scale, fitted.logit_bias) > best - 1e-9
    for bias in (-0.5, -0.05, 0.05, 0.5):
        assert loss(fitted.logit_scale, fitted.logit_bias + bias) > best - 1e-9


def test_a_fit_changes_no_ranking() -> None:
    cosines, truth = drawn(8.0, n=200)

    before = cosines.argsort(axis=1)
    after = cross_fitted(cosines, truth, rules()).argsort(axis=1)

    assert (before == after).all()


def test_each_picture_is_judged_once_by_a_fit_without_it() -> None:
    truth = np.array([0] * 7 + [1] * 5 + [2])

    told = list(folds(truth))

    assert sorted(np.concatenate([judged for _, judged in told]).tolist()) == list(range(13))
    assert all(not set(fitted) & set(judged) for fitted, judged in told)


def test_classes_are_dealt_out_evenly() -> None:
    truth = np.repeat(np.arange(4), 25)

    for _, judged in folds(truth):
        assert np.bincount(truth[judged]).tolist() == [5, 5, 5, 5]


def test_a_picture_has_no_say_in_its_own_probability() -> None:
    cosines, truth = drawn(8.0, n=50)
    other = truth.copy()
    other[7] = (truth[7] + 1) % 4
    before = cross_fitted(cosines, truth, rules())

    fitted_on, judged = next((f, j) for f, j in folds(truth) if 7 in j)
    again = fit(cosines[fitted_on], other[fitted_on], rules())

    assert before[7] == pytest.approx(softmax(again.logit_scale * cosines[7]))
    assert 7 in judged
