"""The maths between vectors and ranked labels; expected values are worked out by hand."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from clipcli.pipeline import scoring
from clipcli.pipeline.scoring import ScoringRules, score
from clipcli.results import Classified
from clipcli.vectors import ensemble, sigmoid, softmax, unit_rows

Rows: TypeAlias = NDArray[np.float32]


def rules(*names: str, **changes: object) -> ScoringRules:
    settings: dict[str, object] = {"logit_scale": 1.0, "top_k": len(names)}
    return ScoringRules(names=names, **(settings | changes))  # type: ignore[arg-type]


def score_one(cosines: list[float], settings: ScoringRules) -> Classified:
    """Score one image whose cosines with the classifier's rows are the given ones."""
    (result,) = score(["a.jpg"], np.array([cosines]), np.eye(len(cosines)), settings)
    return result


def probabilities(result: Classified) -> Mapping[str, float]:
    return {score.label: score.probability for score in result.top}


def random_unit_rows(n: int, d: int, seed: int) -> Rows:
    rows = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_unit_rows_have_length_one_and_zeros_stay_zeros() -> None:
    rows = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))

    assert rows.tolist() == [[0.6, 0.8], [0.0, 0.0]]


def test_ensemble_normalises_averages_and_normalises_again() -> None:
    # (3, 0) and (0, 4) become (1, 0) and (0, 1); their mean (.5, .5) has length sqrt(.5).
    row = ensemble(np.array([[3.0, 0.0], [0.0, 4.0]], np.float32))

    assert row.dtype == np.float32
    assert row == pytest.approx([math.sqrt(0.5)] * 2)


def test_order_of_prompts_does_not_show() -> None:
    prompts = random_unit_rows(80, 512, seed=1)

    assert (ensemble(prompts) == ensemble(prompts[::-1])).all()


def test_softmax_of_logarithms_is_their_numbers() -> None:
    logits = np.log(np.array([[1.0, 2.0, 5.0]]))

    assert softmax(logits)[0] == pytest.approx([0.125, 0.25, 0.625])


def test_softmax_bears_large_logits() -> None:
    assert softmax(np.array([[10_000.0, 0.0, -10_000.0]]))[0].tolist() == [1.0, 0.0, 0.0]


def test_sigmoid_values() -> None:
    values = sigmoid(np.array([0.0, math.log(3), -math.log(3), 1000.0, -1000.0]))

    assert values == pytest.approx([0.5, 0.75, 0.25, 1.0, 0.0])


def test_ranks_labels_most_probable_first() -> None:
    # exp(0), exp(ln 2), exp(ln 5) are 1, 2, 5 of 8.
    cosines = [0.0, math.log(2) / 10, math.log(5) / 10]

    result = score_one(cosines, rules("one", "two", "five", logit_scale=10.0))

    assert probabilities(result) == {"five": 0.625, "two": 0.25, "one": 0.125}
    assert [score.label for score in result.top] == ["five", "two", "one"]
    assert result.top[1].similarity == pytest.approx(0.0693147)
    assert (result.label, result.probability, result.decision) == ("five", 0.625, "label")


def test_sigmoid_scores_each_label_by_itself() -> None:
    settings = rules("cat", "dog", kind="sigmoid", logit_scale=math.log(3), logit_bias=-math.log(3))

    result = score_one([1.0, 0.0], settings)

    assert probabilities(result) == {"cat": 0.5, "dog": 0.25}


def test_lists_no_more_than_top_k() -> None:
    result = score_one([0.1, 0.3, 0.2], rules("a", "b", "c", top_k=2))

    assert [score.label for score in result.top] == ["b", "c"]


def test_equal_scores_keep_the_order_of_the_label_set() -> None:
    names = [f"label {i}" for i in range(50)]

    result = score_one([0.25] * 50, rules(*names))

    assert [score.label for score in result.top] == names


def test_below_min_prob_there_is_no_label_but_the_scores_stay() -> None:
    result = score_one([0.0, 0.0], rules("cat", "dog", min_prob=0.51))

    assert (result.decision, result.label, result.probability) == ("below_threshold", None, 0.5)
    assert probabilities(result) == {"cat": 0.5, "dog": 0.5}


def test_min_prob_itself_is_enough() -> None:
    assert score_one([0.0, 0.0], rules("cat", "dog", min_prob=0.5)).label == "cat"


def test_a_labels_own_threshold_replaces_min_prob() -> None:
    settings = {"min_prob": 0.9, "thresholds": {"cat": 0.4}}

    own = score_one([0.0, 0.0], rules("cat", "dog", **settings))
    others = score_one([0.0, 0.0], rules("dog", "cat", **settings))

    assert own.label == "cat"
    assert others.label is None


def test_a_reject_prompt_that_wins_takes_the_label_away() -> None:
    # Two labels and one reject prompt: 1, 2 and 5 of 8.
    cosines = [0.0, math.log(2), math.log(5)]

    result = score_one(cosines, rules("cat", "dog"))

    assert (result.decision, result.label) == ("rejected", None)
    assert probabilities(result) == {"dog": 0.25, "cat": 0.125}


def test_a_reject_prompt_that_only_draws_level_does_not() -> None:
    assert score_one([0.5, 0.1, 0.5], rules("cat", "dog")).label == "cat"


def test_parents_sum_their_children() -> None:
    parents = {"cat": "animal", "dog": "animal", "car": "vehicle"}
    cosines = [0.0, math.log(2), math.log(5), 0.0]  # 1, 2, 5, 1 of 9

    result = score_one(cosines, rules("cat", "dog", "car", "tree", parents=parents))

    assert [parent.label for parent in result.parents] == ["vehicle", "animal"]
    assert [parent.probability for parent in result.parents] == [0.555556, 0.333333]
    assert result.parents[1].similarity == pytest.approx(math.log(2), rel=1e-5)


def test_parents_of_sigmoid_scores_are_chances_that_join() -> None:
    settings = rules("cat", "dog", kind="sigmoid", parents={"cat": "animal", "dog": "animal"})

    result = score_one([0.0, 0.0], settings)

    # Neither cat nor dog: one half times one half.
    assert result.parents[0].probability == 0.75


def test_no_number_is_a_negative_zero() -> None:
    result = score_one([-0.0, -0.0], rules("cat", "dog"))

    assert [str(score.similarity) for score in result.top] == ["0.0", "0.0"]


@pytest.mark.parametrize("seed", range(5))
def test_softmax_rows_sum_to_one(seed: int) -> None:
    images, classifier = random_unit_rows(7, 16, seed), random_unit_rows(9, 16, seed + 100)
    names = [str(i) for i in range(9)]

    results = score(list("abcdefg"), images, classifier, rules(*names, logit_scale=100.0))

    for result in results:
        assert sum(score.probability for score in result.top) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_shuffling_labels_changes_nothing_but_their_order(seed: int) -> None:
    images, classifier = random_unit_rows(5, 16, seed), random_unit_rows(30, 16, seed + 100)
    names = [f"label {i}" for i in range(30)]
    shuffled = random.Random(seed).sample(range(30), 30)

    before = score(list("abcde"), images, classifier, rules(*names, logit_scale=50.0))
    after = score(
        list("abcde"),
        images,
        classifier[shuffled],
        rules(*[names[i] for i in shuffled], logit_scale=50.0),
    )

    assert after == before


def test_a_picture_gets_the_same_digits_alone_and_in_a_batch() -> None:
    images, classifier = random_unit_rows(64, 512, seed=3), random_unit_rows(40, 512, seed=4)
    paths = [str(i) for i in range(64)]
    settings = rules(*map(str, range(40)), logit_scale=100.0)

    together = score(paths, images, classifier, settings)
    alone = [score([paths[i]], images[i : i + 1], classifier, settings)[0] for i in range(64)]

    assert alone == together


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    images, classifier = random_unit_rows(10, 16, seed=5), random_unit_rows(8, 16, seed=6)
    paths, settings = list("abcdefghij"), rules(*map(str, range(8)))
    whole = score(paths, images, classifier, settings)

    monkeypatch.setattr(scoring, "SCORES_AT_ONCE", 24)
    blocks = score(paths, images, classifier, settings)

    assert blocks == whole
