"""Counting right and wrong, beside scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcli.workflows.evaluation import metrics
from clipcli.workflows.evaluation.metrics import Places

reference = pytest.importorskip("sklearn.metrics")

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


def as_places(pairs: list[tuple[int, int]]) -> tuple[Places, Places]:
    truth, predicted = zip(*pairs, strict=True)
    return np.array(truth), np.array(predicted)


def test_ranks_count_the_labels_before_the_true_one() -> None:
    scores = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.1, 0.7, 0.2]])

    assert metrics.ranks_of_truth(scores, np.array([0, 2, 0])).tolist() == [0, 2, 2]


def test_of_equal_scores_the_first_label_wins_as_in_results() -> None:
    scores = np.full((3, 3), 1 / 3)

    assert metrics.ranks_of_truth(scores, np.array([0, 1, 2])).tolist() == [0, 1, 2]


@given(PAIRS)
def test_the_confusion_matrix_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = as_places(pairs)

    matrix = metrics.confusion(truth, predicted, 5)

    assert (matrix == reference.confusion_matrix(truth, predicted, labels=range(5))).all()


@given(PAIRS)
def test_precision_recall_and_f1_are_scikit_learns_and_unknown_where_it_says_zero(
    pairs: list[tuple[int, int]],
) -> None:
    truth, predicted = as_places(pairs)

    matrix = metrics.confusion(truth, predicted, 5)
    ours = (metrics.precisions(matrix), metrics.recalls(matrix), metrics.f1_scores(matrix))

    theirs = reference.precision_recall_fscore_support(
        truth, predicted, labels=range(5), zero_division=0
    )
    for mine, other in zip(ours, theirs[:3], strict=True):
        assert np.nan_to_num(mine) == pytest.approx(other)
    assert np.isnan(ours[1]).tolist() == [label not in truth for label in range(5)]
    assert np.isnan(ours[0]).tolist() == [label not in predicted for label in range(5)]


def test_confused_pairs_come_most_frequent_first_and_without_what_is_right() -> None:
    matrix = np.array([[9, 1, 0], [3, 8, 0], [0, 2, 7]])

    assert metrics.confused_pairs(matrix, 2) == [(1, 0, 3), (2, 1, 2)]
    assert len(metrics.confused_pairs(matrix, 99)) == 3
