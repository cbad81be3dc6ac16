"""Intervals and tests, beside scipy and the plain bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from clipcli.workflows.evaluation import chance


@pytest.mark.parametrize(
    ("only_first", "only_second"), [(0, 0), (3, 10), (7, 7), (0, 6), (200, 260)]
)
def test_mcnemar_is_a_fair_coin_on_the_pictures_that_differ(
    only_first: int, only_second: int
) -> None:
    stats = pytest.importorskip("scipy.stats")
    n = only_first + only_second

    p = chance.mcnemar(only_first, only_second)

    expected = stats.binomtest(only_first, n, 0.5).pvalue if n else 1.0
    assert p == pytest.approx(expected, rel=1e-9)


def test_mcnemar_by_hand() -> None:
    # Six pictures, all to one side: 2 x (1/2)^6.
    assert chance.mcnemar(0, 6) == pytest.approx(2 / 64)


def test_mcnemar_of_many_pictures_is_still_a_number() -> None:
    assert 0 < chance.mcnemar(50_000, 50_400) < 1
    assert chance.mcnemar(1_000, 90_000) == 0


def test_intervals_are_those_of_resampling_pictures() -> None:
    is_right = np.arange(200) < 140
    generator = np.random.default_rng(1)
    draws = [generator.choice(is_right, 200).mean() for _ in range(4000)]

    interval = chance.share_interval(is_right)

    assert interval.value == 0.7
    assert (interval.low, interval.high) == pytest.approx(
        np.quantile(draws, [0.025, 0.975]), abs=0.01
    )


def test_the_same_pictures_give_the_same_interval() -> None:
    is_right = np.arange(50) < 20

    assert chance.share_interval(is_right) == chance.share_interval(is_right)


def test_mean_over_labels_leaves_out_labels_without_pictures() -> None:
    interval = chance.mean_recall_interval(np.array([1, 9, 0]), np.array([1, 1, 0]))

    assert interval.value == pytest.approx((0.5 + 0.9) / 2)
    assert interval.low < interval.value < interval.high


def test_a_comparison_counts_who_alone_was_right() -> None:
    first = np.array([True, True, True, False, False])
    second = np.array([True, False, False, True, False])

    told = chance.compare(first, second)

    assert (told.only_first, told.only_second) == (2, 1)
    assert told.difference.value == pytest.approx(-0.2)
    assert told.p_value == 1.0


def test_the_interval_of_a_difference_is_the_paired_bootstraps() -> None:
    generator = np.random.default_rng(2)
    first, second = generator.random(300) < 0.6, generator.random(300) < 0.7
    gaps = second.astype(float) - first
    draws = [generator.choice(gaps, 300).mean() for _ in range(4000)]

    told = chance.compare(first, second).difference

    assert (told.low, told.high) == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.015)


def test_several_comparisons_make_each_harder() -> None:
    # Holm: the smallest times 3, the next times 2, never below one that came before.
    assert chance.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert chance.holm([0.5]) == [0.5]
