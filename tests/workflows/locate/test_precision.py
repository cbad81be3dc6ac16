"""Average precision against pycocotools, whose answers to 200 random sets are recorded."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from clipcli.workflows.locate.annotations import annotations_from, guesses_from, pointing
from clipcli.workflows.locate.precision import Guess, Precision, Truth, average_precision

from .random_boxes import random_set

GOLDEN = Path(__file__).parents[2] / "golden" / "coco_precision.json"


def figures(precision: Precision) -> list[float]:
    """Return them as pycocotools does, with -1 where nothing is annotated."""
    sizes = precision.by_size
    named = (precision.ap, precision.ap50, precision.ap75)
    all_of_them = (*named, sizes["small"], sizes["medium"], sizes["large"], precision.recall)
    return [-1.0 if math.isnan(figure) else figure for figure in all_of_them]


def test_two_hundred_random_sets_have_the_references_figures() -> None:
    expected = json.loads(GOLDEN.read_text(encoding="utf-8"))
    found = []

    for seed in range(len(expected)):
        told, results = random_set(seed)
        known = annotations_from(told)
        guesses = guesses_from(results)
        judged = average_precision(
            known.truths, guesses, list(known.pictures), list(known.categories)
        )
        found.append(figures(judged))

    assert len(expected) == 200
    assert np.abs(np.array(found) - np.array(expected)).max() < 1e-6
    assert np.std([row[0] for row in expected]) > 0.05


def truth(*boxes: tuple[float, ...]) -> Truth:
    array = np.array(boxes, float)
    return Truth(array, array[:, 2] * array[:, 3], np.zeros(len(boxes), bool))


def test_a_perfect_answer_is_one_and_a_blind_one_zero() -> None:
    truths = {(1, 1): truth((0, 0, 50, 50), (100, 0, 50, 50))}
    same = {(1, 1): Guess(truths[1, 1].boxes, np.array([0.9, 0.8]))}
    away = {(1, 1): Guess(truths[1, 1].boxes + 500, np.array([0.9, 0.8]))}

    assert average_precision(truths, same, [1], [1]).ap == pytest.approx(1)
    assert average_precision(truths, away, [1], [1]).ap == 0
    assert average_precision(truths, {}, [1], [1]).ap == 0


def test_the_pointing_game_by_hand() -> None:
    truths = {
        (1, 1): truth((0, 0, 50, 50)),
        (1, 2): truth((60, 60, 10, 10)),
        (2, 1): truth((0, 0, 5, 5)),
    }
    guesses = {
        (1, 1): Guess(np.array([[20, 20, 10, 10], [90, 90, 5, 5]], float), np.array([0.9, 0.2])),
        (1, 2): Guess(np.array([[0, 0, 10, 10], [60, 60, 5, 5]], float), np.array([0.9, 0.2])),
    }

    assert pointing(truths, guesses) == (1, 3)
