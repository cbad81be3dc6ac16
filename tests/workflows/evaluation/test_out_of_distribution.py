"""How well scores tell apart pictures that no label fits, beside scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcli.workflows.evaluation.out_of_distribution import auroc, detect, rejections, threshold_at

reference = pytest.importorskip("sklearn.metrics")

# Few different values, so that there are ties.
VALUES = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=40)


@given(VALUES, VALUES)
def test_auroc_is_scikit_learns(inside: list[float], outside: list[float]) -> None:
    is_outside = [0] * len(inside) + [1] * len(outside)

    told = auroc(np.array(inside), np.array(outside))

    assert told == pytest.approx(reference.roc_auc_score(is_outside, inside + outside))


@given(VALUES, st.floats(0.01, 1))
def test_a_threshold_keeps_the_share_and_no_lower_one_does(
    inside: list[float], share: float
) -> None:
    values = np.array(inside)

    threshold = threshold_at(values, share)

    assert (values <= threshold).mean() >= share - 1e-9
    lower = values[values < threshold]
    assert not lower.size or (values <= lower.max()).mean() < share


def test_false_positives_are_pictures_out_of_the_set_below_the_threshold_of_95_percent() -> None:
    inside = np.arange(20) / 100  # the 19th of 20 is 0.18
    outside = np.array([0.05, 0.18, 0.185, 0.9])

    assert detect(inside, outside).false_positive_rate == 0.5


def test_rejections_tell_what_each_threshold_costs() -> None:
    told = list(rejections(np.arange(100) / 100, np.array([0.5, 0.97])))

    assert [one.kept for one in told] == [0.99, 0.95, 0.9, 0.8]
    assert [one.rejected for one in told] == [0.0, 0.5, 0.5, 0.5]
