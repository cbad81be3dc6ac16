"""What a model that reads English cannot read, and what nobody sees in a label."""

from __future__ import annotations

import pytest

from clipcli.labels.label_set import LabelSet, builtin_label_sets, load_label_set
from clipcli.labels.language import NOT_LATIN, foreign_labels, mixed_words, without_invisible
from clipcli.workflows.lint import lint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("co\u00adw", "cow"),  # a soft hyphen, from a text that was set
        ("\ufeffcat", "cat"),
        ("c\u200bat\u2060", "cat"),
        ("\u202ecat\u202c", "cat"),
        ("\U0001f469\u200d\U0001f52c", "\U0001f469\u200d\U0001f52c"),  # joined emoji
        ("می\u200cخواهم", "می\u200cخواهم"),  # Persian spelling
        ("café", "café"),
    ],
)
def test_what_is_invisible_is_taken_out(text: str, expected: str) -> None:
    assert without_invisible(text) == expected
    assert LabelSet.from_names([text, "dog"]).names[0] == expected


def test_a_label_of_invisible_characters_is_empty() -> None:
    with pytest.raises(Exception, match="empty label"):
        LabelSet.from_names(["\u00ad\u200b", "dog"])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["猫", "牛", "大熊猫"], (NOT_LATIN, ["猫", "牛", "大熊猫"])),
        (["cat", "сат"], (NOT_LATIN, ["сат"])),  # Cyrillic that looks Latin
        (["Hund", "Katze", "Tapir"], ("German", ["Hund", "Katze"])),
        (["chien", "cheval", "vache"], ("French", ["chien", "cheval", "vache"])),
        (["perro", "gato", "caballo"], ("Spanish", ["perro", "gato", "caballo"])),
        (["cat", "dog", "café", "crème brûlée", "piñata"], ("", [])),
        (["cat", "dachshund", "hund"], ("", [])),  # one may be a name
    ],
)
def test_labels_that_are_not_english_are_recognised(
    names: list[str], expected: tuple[str, list[str]]
) -> None:
    assert foreign_labels(names) == expected


def test_words_that_mix_scripts_are_recognised() -> None:
    assert mixed_words("a cоw and a cat") == ["cоw"]  # the first o is Cyrillic
    assert mixed_words("a cow, 牛 and Кот") == []


@pytest.mark.parametrize("name", sorted(builtin_label_sets()))
def test_the_built_in_sets_are_english(name: str) -> None:
    assert foreign_labels(load_label_set(name).names) == ("", [])


def test_lint_tells_of_both() -> None:
    messages = [
        advice.message for advice in lint(LabelSet.from_names(["cоw", "猫", "dog"]), ["{}"])
    ]

    assert "'cоw' mixes Cyrillic and Latin letters: they look alike" in messages[0]
    assert "'猫' is not in Latin letters, and the model reads English" in messages


def test_lint_lets_a_model_of_many_languages_have_its_words() -> None:
    assert lint(LabelSet.from_names(["猫", "牛"]), ["{}"], languages="many languages") == []


def test_a_code_beside_a_word_finds_the_class_and_is_no_prompt() -> None:
    from clipcli.labels.label import Label
    from clipcli.labels.templates import prompts_for_label

    assert prompts_for_label(Label("tench", ("n01440764",)), ["a {}"]) == ("a tench",)
    assert prompts_for_label(Label("n01440764", ("tench",)), ["a {}"]) == ("a tench",)
    assert prompts_for_label(Label("747", ("jumbo jet",)), ["a {}"]) == ("a 747", "a jumbo jet")
    assert prompts_for_label(Label("7"), ["a {}"]) == ("a 7",)
