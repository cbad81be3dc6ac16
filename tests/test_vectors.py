"""Ranking many rows at once: the same places and digits as one by one."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcli.vectors import best_places, six_digits


def plainly(value: float) -> float:
    return float(f"{value:.6g}") + 0.0


def bits(values: list[float]) -> list[bytes]:
    """Return numbers as bytes, which tell zero from negative zero."""
    return [struct.pack("<d", value) for value in values]


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50))
def test_digits_of_cosines_and_probabilities_are_those_of_formatting(values: list[float]) -> None:
    assert bits(six_digits(np.array(values)).tolist()) == bits([plainly(x) for x in values])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_digits_of_any_number_are_those_of_formatting(values: list[float]) -> None:
    assert bits(six_digits(np.array(values)).tolist()) == bits([plainly(x) for x in values])


def test_digits_next_to_halves_and_powers_of_ten() -> None:
    halves = [(n + 0.5) / 10**k for n in (100000, 123456, 999998, 999999) for k in range(5, 25)]
    powers = [10.0**-k for k in range(25)]
    near = [f(x, 10.0) for x in halves + powers for f in (math.nextafter,)]
    near += [math.nextafter(x, 0.0) for x in halves + powers]
    values = [*halves, *powers, *near, 0.0, -0.0]

    assert bits(six_digits(np.array(values)).tolist()) == bits([plainly(x) for x in values])


def test_digits_of_many_random_numbers() -> None:
    draw = np.random.default_rng(0)
    values = np.exp(draw.uniform(-30, 0, 20000)) * draw.choice([-1, 1], 20000)

    assert six_digits(values).tolist() == [plainly(x) for x in values.tolist()]


@pytest.mark.parametrize("k", [1, 3, 5, 16, 17, 40, 100])
def test_places_are_those_of_a_stable_sort(k: int) -> None:
    scores = np.random.default_rng(k).integers(0, 9, (200, 40)) / 9  # many are equal

    places = best_places(scores, k)

    expected = [sorted(range(40), key=lambda i: -row[i])[:k] for row in scores.tolist()]
    assert places.tolist() == expected


def test_ranking_leaves_the_scores_alone() -> None:
    scores = np.array([[0.1, 0.7, 0.2]])

    best_places(scores, 2)

    assert scores.tolist() == [[0.1, 0.7, 0.2]]
