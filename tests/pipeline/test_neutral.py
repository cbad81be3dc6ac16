"""Neutral words: what is left when no label fits."""

from __future__ import annotations

import numpy as np
import pytest

from clipcli import Classifier
from clipcli.cache.text_cache import TextCache
from clipcli.errors import LabelSetError
from clipcli.pipeline.neutral import are_apart, neutral_hash, neutral_rows, neutral_words
from clipcli.pipeline.scoring import neutral_shares, own_probabilities
from tests.fakes import FakeEncoder


def test_they_are_everyday_words() -> None:
    assert {"cat", "chair", "street"} <= set(neutral_words().names)
    assert len(neutral_hash()) == 64


def test_a_word_that_is_a_label_is_no_alternative_to_it() -> None:
    classifier = Classifier(["cat", "gramophone"], encoder=FakeEncoder(), templates="single")

    n_left = len(classifier.neutral)

    every = neutral_rows(np.zeros((1, 26), np.float32), FakeEncoder(), TextCache(None))
    cat = classifier.classifier[0]
    assert len(every) == len(neutral_words().names)
    assert n_left < len(every)
    assert (every @ cat).max() > (classifier.neutral @ cat).max()


def test_words_are_apart_from_labels_as_they_are_from_each_other() -> None:
    # The two closest words have a cosine of 0.8; the third word is a label.
    words = np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 0, 1]], np.float32)

    assert are_apart(words, np.array([[0, 0, 1]], np.float32)).tolist() == [True, True, False]


def test_where_every_word_is_a_label_all_stay() -> None:
    words = np.eye(3, dtype=np.float32)

    assert are_apart(words, words).all()


def test_without_the_words_there_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipcli.labels.label_set.builtin_label_sets", dict)

    with pytest.raises(LabelSetError, match="everyday"):
        neutral_words()


def test_the_share_of_neutral_words_is_that_of_a_softmax_over_all() -> None:
    # Labels have 1 and 2 of 8, neutral words 5 of 8.
    labels, words = np.log([[1.0, 2.0]]), np.log([[2.0, 3.0]])

    assert neutral_shares(labels, words, 1.0) == pytest.approx([5 / 8])


def test_a_label_alone_competes_with_the_neutral_words() -> None:
    labels, words = np.log([[1.0, 4.0]]), np.log([[2.0, 2.0]])

    assert own_probabilities(labels, words, 1.0) == pytest.approx(np.array([[1 / 5, 1 / 2]]))


def test_large_scales_stay_numbers() -> None:
    labels, words = np.array([[0.9, -0.9]]), np.array([[-0.9, 0.1]])

    assert neutral_shares(labels, words, 1e6) == pytest.approx([0.0])
    assert own_probabilities(labels, words, 1e6) == pytest.approx(np.array([[1.0, 0.0]]))
