"""Labels that are likely wrong: found by what other pictures say, or by the words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clipcli.workflows.audit.mislabelled import ODDS, confusable_pairs, judge_labels, wrong_labels
from clipcli.workflows.audit.out_of_fold import out_of_fold
from tests.workflows.audit.conftest import clusters, dataset_of

CLASSES = ("ant", "bee", "cow")


def certain(labels: Any, c: int = 3) -> Any:
    """Return zero-shot probabilities (n, c) that are nearly sure of these labels."""
    rest = 0.001
    result = np.full((len(labels), c), rest)
    result[np.arange(len(labels)), labels] = 1 - rest * (c - 1)
    return result


def test_shuffled_labels_are_found_and_put_right() -> None:
    vectors, truth = clusters((40, 40, 40))
    told = truth.copy()
    wrong = [3, 50, 51, 99]
    told[wrong] = (truth[wrong] + 1) % 3
    dataset = dataset_of(vectors, told, CLASSES)

    found = wrong_labels(dataset, judge_labels(dataset, certain(told)))

    assert {finding.path for finding in found} == {f"{i}.jpg" for i in wrong}
    suggested = {finding.path: finding.suggested for finding in found}
    assert suggested == {f"{i}.jpg": CLASSES[truth[i]] for i in wrong}
    assert [f.score for f in found] == sorted((f.score for f in found), reverse=True)
    assert all(finding.score >= np.log(ODDS) - 0.001 for finding in found)


def test_a_picture_is_judged_without_its_own_label() -> None:
    # Noise has no classes: who sees a label in advance would be right more often than by chance.
    draw = np.random.default_rng(2)
    vectors = draw.normal(size=(400, 64)).astype(np.float32)
    labels = draw.integers(0, 2, 400)

    right = out_of_fold(vectors, labels, 2).argmax(axis=1) == labels

    assert abs(right.mean() - 0.5) < 0.1


def test_the_fit_is_that_of_scikit_learn() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    from clipcli.workflows.audit.out_of_fold import FOLDS, RIDGE, _folds, _standardised

    vectors, labels = clusters((30, 50, 40), spread=0.4)
    inputs, folds = _standardised(vectors), _folds(labels)
    expected = np.empty((120, 3))
    for fold in range(FOLDS):
        model = linear_model.LogisticRegression(C=1 / RIDGE, max_iter=1000, tol=1e-8)
        model.fit(inputs[folds != fold, :-1], labels[folds != fold])
        expected[folds == fold] = model.predict_proba(inputs[folds == fold, :-1])

    told = out_of_fold(vectors, labels, 3)

    np.testing.assert_allclose(told, expected, atol=0.01)


def test_folds_hold_equal_shares_of_every_class() -> None:
    from clipcli.workflows.audit.out_of_fold import FOLDS, _folds

    labels = np.repeat([0, 1], (50, 20))

    folds = _folds(labels)

    assert np.bincount(folds[labels == 0]).tolist() == [10] * FOLDS
    assert np.bincount(folds[labels == 1]).tolist() == [4] * FOLDS


def test_small_classes_are_judged_by_their_words() -> None:
    vectors, truth = clusters((3, 3, 3))
    told = truth.copy()
    told[0] = 1
    dataset = dataset_of(vectors, told, CLASSES)

    opinion = judge_labels(dataset, certain(truth))
    found = wrong_labels(dataset, opinion)

    assert not opinion.is_fitted.any()
    assert [(f.path, f.label, f.suggested) for f in found] == [("0.jpg", "bee", "ant")]


def test_words_that_the_model_does_not_know_judge_nothing() -> None:
    vectors, truth = clusters((3, 3, 3))
    dataset = dataset_of(vectors, truth, CLASSES)

    opinion = judge_labels(dataset, certain((truth + 1) % 3))

    assert (opinion.is_zero_shot_trusted, wrong_labels(dataset, opinion)) == (False, [])


@pytest.mark.parametrize("sizes", [(1,), (30,), (0, 30), (1, 30), (0, 0, 1)])
def test_classes_with_one_picture_or_none_are_no_trouble(sizes: tuple[int, ...]) -> None:
    vectors, labels = clusters(sizes)
    dataset = dataset_of(vectors, labels, CLASSES[: len(sizes)])

    opinion = judge_labels(dataset, certain(labels, len(sizes)))

    assert wrong_labels(dataset, opinion) == []
    assert confusable_pairs(dataset, opinion) == []


def test_pictures_in_no_class_are_left_alone() -> None:
    vectors, labels = clusters((30, 30))
    labels[:5] = -1
    dataset = dataset_of(vectors, labels, CLASSES[:2])

    opinion = judge_labels(dataset, certain(np.maximum(labels, 0), 2))

    assert np.isnan(opinion.log_odds[:5]).all()
    assert wrong_labels(dataset, opinion) == []


def test_classes_that_are_mixed_up_are_named_with_their_counts() -> None:
    vectors, truth = clusters((40, 40, 40))
    told = truth.copy()
    told[:40:2] = 1  # half of the ants are called bees
    dataset = dataset_of(vectors, told, CLASSES)

    pairs = confusable_pairs(dataset, judge_labels(dataset, certain(told)))

    assert [(pair.label, pair.suggested) for pair in pairs] == [("ant", "bee")]
    assert "of 60 bee taken for ant" in pairs[0].detail
