"""Whether probabilities can be believed; expected values are worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcli.workflows.evaluation.reliability import (
    N_BINS,
    calibration_error,
    coverage,
    reliability,
)

JUDGED = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80)


def test_calibration_error_is_the_gap_of_each_bin_weighted_by_its_pictures() -> None:
    # Three pictures at 0.9, two of them right; one at 0.5, right.
    bins = reliability(np.array([0.9, 0.9, 0.9, 0.5]), np.array([True, True, False, True]))

    assert [(one.n, one.accuracy) for one in bins] == [(1, 1.0), (3, pytest.approx(2 / 3))]
    assert calibration_error(bins) == pytest.approx(3 / 4 * (0.9 - 2 / 3) + 1 / 4 * 0.5)


def test_probabilities_that_come_true_have_no_error() -> None:
    bins = reliability(np.full(10, 0.7), np.arange(10) < 7)

    assert calibration_error(bins) == pytest.approx(0, abs=1e-12)


@given(JUDGED)
def test_every_picture_is_in_one_bin_whose_edges_hold_its_mean(
    judged: list[tuple[float, bool]],
) -> None:
    probabilities, is_right = map(np.array, zip(*judged, strict=True))

    bins = reliability(probabilities, is_right)

    assert sum(one.n for one in bins) == len(judged)
    assert len(bins) <= N_BINS
    assert all(one.low - 1e-9 <= one.mean_probability <= one.high + 1e-9 for one in bins)
    assert 0 <= calibration_error(bins) <= 1


def test_coverage_answers_the_surest_first() -> None:
    probabilities = np.linspace(0.1, 1.0, 10)  # right from 0.6 on
    is_right = np.arange(10) >= 5

    told = {round(one.coverage, 1): one for one in coverage(probabilities, is_right)}

    assert told[1.0].accuracy == 0.5
    assert (told[0.5].accuracy, told[0.5].min_prob) == (1.0, pytest.approx(0.6))


def test_equal_probabilities_are_answered_together() -> None:
    told = list(coverage(np.full(8, 0.5), np.arange(8) < 2))

    assert {(one.min_prob, one.coverage, one.accuracy) for one in told} == {(0.5, 1.0, 0.25)}
