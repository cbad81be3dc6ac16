"""What is asked: phrases of a sentence, and what counts as one."""

from __future__ import annotations

import pytest

from clipcli.errors import LabelSetError, UsageError
from clipcli.workflows.locate.question import asked, phrases_of


@pytest.mark.parametrize(
    ("sentence", "phrases"),
    [
        ("a dog", ["a dog"]),
        ("a dog. a frisbee on the grass", ["a dog", "a frisbee on the grass"]),
        ("a dog, a cat; two  birds!", ["a dog", "a cat", "two  birds"]),
        ("  ...a dog..  ", ["...a dog"]),
        ("a 2.5 l bottle. version 1.0", ["a 2.5 l bottle", "version 1.0"]),
        ("Hund.Katze", ["Hund.Katze"]),
        ("собака, 犬", ["собака", "犬"]),
    ],
)
def test_phrases_lie_between_stops_and_commas(sentence: str, phrases: list[str]) -> None:
    assert [sentence[a:b] for a, b in phrases_of(sentence)] == phrases


@pytest.mark.parametrize("sentence", ["", " ", ". , ;", "…"])
def test_a_caption_without_a_phrase_is_refused(sentence: str) -> None:
    with pytest.raises(UsageError, match="no phrase"):
        phrases_of(sentence)


def test_a_phrase_is_no_longer_than_a_label() -> None:
    assert phrases_of("a cat. " + "b" * 2000) == [(0, 5), (7, 2007)]
    with pytest.raises(UsageError, match=r"'bbb.*…': a phrase of 2,001 characters"):
        phrases_of("a cat. " + "b" * 2001)


def test_the_last_argument_may_be_the_text() -> None:
    paths, question = asked(("a.jpg", "b/", "a red car"), None, None, has_list=False)

    assert paths == ("a.jpg", "b/")
    assert question.phrases == ("a red car",)
    assert question.spans == ((0, 9),)


@pytest.mark.parametrize("typo", ["b.jpg", "photos/", "no/such.png"])
def test_a_file_that_is_missing_is_no_text(typo: str) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        asked(("a.jpg", typo), None, None, has_list=False)


def test_a_phrase_that_comes_again_is_asked_once() -> None:
    _, question = asked(("a.jpg", "a panda. A  Panda, a panda. a cat"), None, None, has_list=False)

    assert question.phrases == ("a panda", "a cat")
    assert question.spans == ((0, 7), (28, 33))


def test_labels_leave_all_arguments_to_the_paths() -> None:
    paths, question = asked(("a.jpg", "b c.jpg"), "cat, dog", None, has_list=False)

    assert paths == ("a.jpg", "b c.jpg")
    assert question.phrases == ("cat", "dog")
    assert not question.sentence


def test_two_ways_of_asking_at_once_are_refused() -> None:
    with pytest.raises(UsageError, match="choose one"):
        asked(("a.jpg",), "cat, dog", "a cat", has_list=False)


def test_nothing_asked_is_refused_with_ways_to_ask() -> None:
    with pytest.raises(LabelSetError, match="nothing was named") as caught:
        asked(("a.jpg",), None, None, has_list=False)

    assert "--labels" in str(caught.value.hint)


def test_two_texts_are_told_to_be_one() -> None:
    with pytest.raises(UsageError, match="a cat: no such file or folder") as caught:
        asked(("a.jpg", "a cat", "a dog"), None, None, has_list=False)

    assert "'a cat. a dog'" in str(caught.value.hint)


@pytest.mark.parametrize("path", ["my photos/a.jpg", "my *.jpg", "cat.jpg"])
def test_a_path_with_a_blank_is_still_a_path(path: str) -> None:
    paths, question = asked((path, "a dog"), None, None, has_list=False)

    assert (paths, question.phrases) == ((path,), ("a dog",))


def test_who_looks_for_one_name_is_told_how() -> None:
    with pytest.raises(LabelSetError, match="'cat' is neither") as caught:
        asked(("a.jpg",), "cat", None, has_list=False)

    assert "to look for that alone: --text 'cat'" in str(caught.value.hint)


@pytest.mark.parametrize("labels", ["no-such.txt", "cat, cat"])
def test_other_mistakes_in_labels_are_told_as_ever(labels: str) -> None:
    with pytest.raises(LabelSetError) as caught:
        asked(("a.jpg",), labels, None, has_list=False)

    assert "--text" not in str(caught.value.hint)
