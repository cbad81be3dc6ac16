"""Lint: labels that can be read and yet will disappoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from clipcli.labels.label import Label
from clipcli.labels.label_set import LabelSet
from clipcli.models.tokenizer.clip import Tokenizer
from clipcli.models.tokenizer.learn import learn_vocabulary
from clipcli.workflows.lint import Advice, lint, plain_form, similar_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEMPLATES = ("a photo of a {}.",)


def lint_labels(*labels: Label, reject: tuple[str, ...] = ()) -> list[Advice]:
    return lint(LabelSet("a", labels, reject=reject), TEMPLATES)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("dog", "dogs"),
        ("T-shirt", "t shirt"),
        ("a dog", "the dog"),
        ("berry", "berries"),
        ("box", "boxes"),
        ("brush", "brushes"),
        ("hot-air balloon", "Hot air balloons"),
    ],
)
def test_words_that_differ_in_form_only_are_alike(one: str, other: str) -> None:
    assert plain_form(one) == plain_form(other)
    assert len(lint_labels(Label(one), Label(other))) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("dog", "cat"), ("bus", "bu"), ("glass", "glas"), ("pie", "py"), ("!", "?"), ("+", "-")],
)
def test_other_words_are_not_alike(one: str, other: str) -> None:
    assert lint_labels(Label(one), Label(other)) == []


def test_a_synonym_that_is_another_label_is_found_once() -> None:
    findings = lint_labels(Label("pigeon", ("dove", "doves"), line=1), Label("dove", line=2))

    assert findings == [Advice(2, "'dove' and 'dove' (of 'pigeon') are the same word")]


def test_singular_and_plural_of_one_label_are_fine() -> None:
    assert lint_labels(Label("dog", ("dogs",)), Label("cat")) == []


def test_a_word_twice_in_one_label_is_found() -> None:
    findings = lint_labels(Label("dog", ("Dog",), line=4), Label("cat"))

    assert findings == [Advice(4, "'dog' has the word 'Dog' twice")]


def test_a_prompt_shared_by_two_labels_is_found() -> None:
    findings = lint_labels(Label("dog"), Label("cat", prompts=("A photo of a dog.",), line=2))

    assert findings == [Advice(2, "'cat' has a prompt of 'dog': 'A photo of a dog.'")]


def test_a_reject_prompt_that_describes_a_label_is_found() -> None:
    findings = lint_labels(Label("dog"), Label("cat"), reject=("a photo of a cat.",))

    assert [finding.message for finding in findings] == [
        "the reject prompt 'a photo of a cat.' is a prompt of 'cat' too"
    ]


def test_a_placeholder_in_a_prompt_is_found() -> None:
    findings = lint_labels(Label("dog", prompts=("my {}",), line=1), Label("cat"))

    assert findings == [Advice(1, "prompt 'my {}' is used as written, {} included")]


@pytest.mark.parametrize(
    ("threshold", "fact"), [(0.0, "never fires"), (0.25, "never fires"), (1.0, "never be reached")]
)
def test_a_threshold_without_effect_is_found(threshold: float, fact: str) -> None:
    labels = [Label("dog", threshold=threshold), Label("cat"), Label("owl")]

    (finding,) = lint_labels(*labels, reject=("a room",))  # four candidates: the best has 1/4

    assert fact in finding.message


def test_a_threshold_with_effect_is_fine() -> None:
    assert lint_labels(Label("dog", threshold=0.51), Label("cat")) == []


def test_prompts_past_the_context_are_found() -> None:
    tokenizer = Tokenizer(learn_vocabulary(["a dog"], 1), context_length=10)
    label_set = LabelSet(
        "a",
        (Label("dog", line=1), Label("cat", prompts=("a b c d e f g h i",), line=2)),
        templates=("{}",),
        reject=("1 2 3 4 5 6 7 8 9",),
    )

    findings = lint(label_set, ("{}",), tokenizer)

    assert findings == [
        Advice(0, "prompt '1 2 3 4 5 6 7 8 9' has 11 tokens, and the model reads 10"),
        Advice(2, "prompt 'a b c d e f g h i' has 11 tokens, and the model reads 10"),
    ]


def letter_counts(prompts: Sequence[str]) -> NDArray[np.float32]:
    """Embed a text as letter counts: similar words land close, exactly."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return np.array([[text.count(letter) for letter in letters] for text in prompts], np.float32)


def test_embeddings_too_close_are_found_closest_first() -> None:
    labels = (Label("aab"), Label("ccc"), Label("baa", line=3), Label("abb", line=4))

    findings = similar_pairs(LabelSet("a", labels), ("{}",), letter_counts, limit=0.7)

    # aab and baa have equal counts; (2, 1) and (1, 2) have cosine 4/5.
    assert [finding.message for finding in findings] == [
        "'baa' and 'aab' are hard to tell apart (cosine 1.000)",
        "'abb' and 'aab' are hard to tell apart (cosine 0.800)",
        "'abb' and 'baa' are hard to tell apart (cosine 0.800)",
    ]


def test_comparing_in_pieces_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = tuple(Label(word) for word in ["ab", "abc", "bcd", "xyz", "xy", "yz", "abz"])
    label_set = LabelSet("a", labels)

    whole = similar_pairs(label_set, ("{}",), letter_counts, limit=0.5)
    monkeypatch.setattr("clipcli.workflows.lint.ROWS_AT_ONCE", 2)
    in_pieces = similar_pairs(label_set, ("{}",), letter_counts, limit=0.5)

    assert in_pieces == whole
    assert len(whole) > 3
