"""Labels become rows: the average over their prompts, encoded no more often than needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clipcli.cache.text_cache import CutPrompt, TextCache
from clipcli.errors import LabelSetError
from clipcli.labels.label_set import Label, LabelSet
from clipcli.pipeline import label_rows as labelrows
from clipcli.pipeline.label_rows import encode_labels
from tests.fakes import FakeEncoder, letter_counts

PLAIN = ("{}",)


def label_set(*labels: Label | str, **changes: object) -> LabelSet:
    ready = tuple(Label(label) if isinstance(label, str) else label for label in labels)
    return LabelSet("test", ready, **changes)  # type: ignore[arg-type]


def unit(row: np.ndarray) -> np.ndarray:
    return row / np.linalg.norm(row)


@pytest.fixture
def cache(tmp_path: Path) -> TextCache:
    return TextCache(tmp_path / "cache")


def test_a_row_is_the_average_over_all_prompts(cache: TextCache) -> None:
    dog = Label("dog", synonyms=("puppy",), prompts=("man's best friend",))

    rows = encode_labels(label_set(dog, "cat"), ("a {}", "the {}"), FakeEncoder(), cache)

    prompts = ["a dog", "the dog", "a puppy", "the puppy", "man's best friend"]
    expected = unit(np.mean([unit(letter_counts(prompt)) for prompt in prompts], axis=0))
    assert rows.classifier.dtype == np.float32
    assert rows.classifier[0] == pytest.approx(expected, abs=1e-6)
    assert np.linalg.norm(rows.classifier, axis=1) == pytest.approx([1, 1], abs=1e-6)


def test_reject_prompts_follow_the_labels_as_they_are_written(cache: TextCache) -> None:
    told = label_set("cat", "dog", reject=("something else",))

    rows = encode_labels(told, ("a photo of a {}.",), FakeEncoder(), cache)

    assert rows.classifier.shape == (3, 26)
    assert rows.classifier[2] == pytest.approx(unit(letter_counts("something else")), abs=1e-6)


def test_a_second_run_encodes_nothing(cache: TextCache) -> None:
    cold = encode_labels(label_set("cat", "dog"), PLAIN, FakeEncoder(), cache)
    encoder = FakeEncoder()

    warm = encode_labels(label_set("cat", "dog"), PLAIN, encoder, cache)

    assert encoder.texts == []
    assert encoder.n_starts == 0
    assert (cold.n_encoded, warm.n_encoded) == (2, 0)
    assert (warm.classifier == cold.classifier).all()


def test_a_run_without_cache_gives_the_same_rows(cache: TextCache) -> None:
    cached = encode_labels(label_set("cat", "dog"), PLAIN, FakeEncoder(), cache)

    fresh = encode_labels(label_set("cat", "dog"), PLAIN, FakeEncoder(), TextCache(None))

    assert (fresh.classifier == cached.classifier).all()


def test_adding_one_label_to_a_hundred_encodes_one(cache: TextCache) -> None:
    names = [f"thing {i}" for i in range(100)]
    encode_labels(label_set(*names), PLAIN, FakeEncoder(), cache)
    encoder = FakeEncoder()

    rows = encode_labels(label_set("new", *names), PLAIN, encoder, cache)

    assert encoder.texts == ["new"]
    assert rows.n_encoded == 1
    assert rows.classifier.shape == (101, 26)


def test_another_model_or_template_is_another_row(cache: TextCache) -> None:
    encode_labels(label_set("cat", "dog"), PLAIN, FakeEncoder(), cache)
    other_model, other_template = FakeEncoder(fingerprint="0" * 64), FakeEncoder()

    encode_labels(label_set("cat", "dog"), PLAIN, other_model, cache)
    encode_labels(label_set("cat", "dog"), ("a {}",), other_template, cache)

    assert other_model.texts == ["cat", "dog"]
    assert other_template.texts == ["a cat", "a dog"]


def test_large_sets_are_encoded_in_groups(
    cache: TextCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{letter} thing" for letter in "abcdefghij"]
    whole = encode_labels(label_set(*names), ("a {}", "the {}"), FakeEncoder(), TextCache(None))

    monkeypatch.setattr(labelrows, "PROMPTS_AT_ONCE", 6)
    grouped = encode_labels(label_set(*names), ("a {}", "the {}"), FakeEncoder(), cache)

    assert (grouped.classifier == whole.classifier).all()


def test_prompts_that_were_cut_are_told_also_when_they_come_from_the_cache(
    cache: TextCache,
) -> None:
    # Without merges each letter is a token, and start and end are two more.
    long = label_set("x" * 30, "cat")
    expected = (CutPrompt("x" * 30, 32),)

    cold = encode_labels(long, PLAIN, FakeEncoder(), cache)
    warm = encode_labels(long, PLAIN, FakeEncoder(), cache)

    assert (cold.cut, warm.cut) == (expected, expected)
    assert warm.n_encoded == 0


def test_a_prompt_that_just_fits_is_not_told(cache: TextCache) -> None:
    rows = encode_labels(label_set("x" * 22, "cat"), PLAIN, FakeEncoder(), cache)

    assert rows.cut == ()


def test_a_label_without_any_prompt_is_an_error_that_names_it(cache: TextCache) -> None:
    silent = label_set(Label("cat", prompts=("a cat",)), "dog", templates=())

    with pytest.raises(LabelSetError, match="label 'dog' has no prompts"):
        encode_labels(silent, (), FakeEncoder(), cache)


def test_a_cache_that_breaks_meanwhile_costs_nothing_but_time(
    cache: TextCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)

    rows = encode_labels(label_set("cat", "dog"), PLAIN, FakeEncoder(), cache)

    assert rows.classifier.shape == (2, 26)
    assert "No space left" in str(cache.problem)


def test_who_waits_for_very_many_labels_hears_of_them(
    cache: TextCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelrows, "PROMPTS_AT_ONCE", 2)
    clock = iter(range(0, 1000, 4))  # four seconds pass between two looks at it
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    heard: list[tuple[int, int]] = []
    names = [f"{letter} thing" for letter in "abcdef"]
    encode_labels(label_set("a thing", "z thing"), PLAIN, FakeEncoder(), cache)

    encode_labels(label_set(*names), PLAIN, FakeEncoder(), cache, lambda *n: heard.append(n))

    # "a thing" was there. At 8 s, 12 s and on; each telling looks at the clock once more.
    assert heard == [(1, 5), (3, 5)]


def test_labels_that_take_no_time_are_not_spoken_of(cache: TextCache) -> None:
    heard: list[tuple[int, int]] = []

    encode_labels(label_set("a", "b"), PLAIN, FakeEncoder(), cache, lambda *n: heard.append(n))

    assert heard == []
