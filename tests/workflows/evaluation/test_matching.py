"""Which label a class stands for: by name, by synonym, or a clear error."""

from __future__ import annotations

import pytest

from clipcli.errors import LabelSetError
from clipcli.images.class_tree import ClassTree
from clipcli.labels.label_set import LabelSet, load_label_set
from clipcli.workflows.class_labels import labels_of_classes, match_classes, readable


def tree(*classes: str) -> ClassTree:
    return ClassTree("photos", classes)


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("sea_lion", "sea lion"),
        ("golden-retriever", "golden retriever"),
        ("n02099601-golden_retriever", "golden retriever"),
        ("001.Black_footed_Albatross", "Black footed Albatross"),
        ("02 cat", "cat"),
        ("T-shirt", "T shirt"),
        ("7", "7"),
        ("2024", "2024"),
        ("n01440764", "n01440764"),
        ("_", "_"),
        ("東京_塔", "東京 塔"),
    ],
)
def test_folder_names_become_words(folder: str, words: str) -> None:
    assert readable(folder) == words


def test_without_a_label_set_the_classes_are_the_labels() -> None:
    assert labels_of_classes(tree("sea_lion", "cat")).names == ("sea lion", "cat")


@pytest.mark.parametrize("classes", [("sea_lion", "Sea-Lion"), ("cat",)])
def test_classes_that_are_no_choice_are_refused(classes: tuple[str, ...]) -> None:
    with pytest.raises(LabelSetError, match="photos"):
        labels_of_classes(tree(*classes))


def test_names_come_before_synonyms_and_spelling_does_not_count() -> None:
    label_set = load_label_set("puma | cat, cat | kitty, sea lion")

    assert match_classes(tree("SEA_LION", "cat", "Kitty", "03-puma"), label_set) == [2, 1, 1, 0]


def test_classes_without_a_label_are_named_and_the_nearest_is_suggested() -> None:
    with pytest.raises(LabelSetError) as error:
        match_classes(tree("cat", "sealion", "bus"), load_label_set("cat, sea lion"))

    assert "2 of 3 classes in photos: 'sealion', 'bus'" in error.value.message
    assert "'sea lion'" in (error.value.hint or "")


def test_a_synonym_of_two_labels_is_refused() -> None:
    with pytest.raises(LabelSetError, match="'seal' and 'sea lion'"):
        match_classes(tree("pup"), load_label_set("seal | pup, sea lion | pup"))


def test_a_long_list_of_missing_classes_is_cut() -> None:
    with pytest.raises(LabelSetError, match="and 92 more"):
        match_classes(tree(*map(str, range(100))), LabelSet.from_names(["cat", "dog"]))
