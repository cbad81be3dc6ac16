"""Prompts: templates by name, by file and inline, and how they are filled."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcli.errors import ClipcliError, TemplateError
from clipcli.labels.label import Label, is_code
from clipcli.labels.label_set import load_label_set
from clipcli.labels.templates import (
    DEFAULT_TEMPLATES,
    TEMPLATE_SETS,
    choose_templates,
    load_templates,
    prompts_for_label,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(spec: str) -> TemplateError:
    with pytest.raises(TemplateError) as caught:
        load_templates(spec)
    assert caught.value.exit_code == 2
    return caught.value


def test_words_times_templates_then_prompts_as_written() -> None:
    label = Label("dog", synonyms=("puppy",), prompts=("man's best friend",))

    prompts = prompts_for_label(label, ("a {}", "the {}"))

    assert prompts == ("a dog", "the dog", "a puppy", "the puppy", "man's best friend")


def test_every_placeholder_is_filled() -> None:
    assert prompts_for_label(Label("dog"), ["a {} beside a {}"]) == ("a dog beside a dog",)


def test_a_placeholder_in_a_word_stays() -> None:
    assert prompts_for_label(Label("a {} b"), ["[{}|{}]"]) == ("[a {} b|a {} b]",)


def test_a_prompt_is_never_filled() -> None:
    assert prompts_for_label(Label("dog", prompts=("the {}",)), []) == ("the {}",)


def test_articles_are_left_alone() -> None:
    assert prompts_for_label(Label("apple"), ["a photo of a {}."]) == ("a photo of a apple.",)


def test_equal_prompts_count_once() -> None:
    label = Label("dog", synonyms=("dog",), prompts=("a dog",))

    assert prompts_for_label(label, ("a {}", "a {}")) == ("a dog",)


WORDS = st.text(min_size=1).filter(lambda word: not is_code(word))  # codes are in test_language


@given(st.lists(WORDS, min_size=1, unique=True), st.integers(1, 5))
def test_every_word_meets_every_template(words: list[str], n_templates: int) -> None:
    templates = [f"{i}: {{}}" for i in range(n_templates)]

    prompts = prompts_for_label(Label(words[0], tuple(words[1:])), templates)

    assert list(prompts) == [f"{i}: {word}" for word in words for i in range(n_templates)]


def test_the_default_set_has_seven_templates() -> None:
    assert DEFAULT_TEMPLATES == "photo"
    assert len(TEMPLATE_SETS["photo"]) == 7


@pytest.mark.parametrize("name", TEMPLATE_SETS)
def test_a_named_set_is_found_and_sound(name: str) -> None:
    templates = load_templates(name)

    assert templates == TEMPLATE_SETS[name]
    assert len(set(templates)) == len(templates)
    assert all(template.count("{}") == 1 and template == template.strip() for template in templates)


def test_named_sets_join_with_commas() -> None:
    assert load_templates("plain, single,plain") == ("{}", "a photo of a {}.")


def test_inline_templates_keep_their_commas() -> None:
    assert load_templates("a {}, a pet. | my {}") == ("a {}, a pet.", "my {}")


def test_a_file_has_one_template_a_line(folder: Path) -> None:
    (folder / "t.txt").write_bytes(b"\xef\xbb\xbf# mine\r\na {}\r\n\r\n  the {} \r\n")

    assert load_templates("t.txt") == ("a {}", "the {}")


def test_a_template_without_a_place_is_refused_with_its_line(folder: Path) -> None:
    (folder / "t.txt").write_text("# mine\na {}\na cat\n", encoding="utf-8")

    error = refusal("t.txt")

    assert error.message == "t.txt:3: template 'a cat' has no {}"


def test_inline_template_without_a_place_is_refused() -> None:
    assert "template 'a cat' has no {}" in refusal("a {} | a cat").message


def test_empty_file_is_refused(folder: Path) -> None:
    (folder / "t.txt").write_text("# nothing\n", encoding="utf-8")

    assert refusal("t.txt").message == "t.txt: has no templates"


def test_file_in_another_encoding_is_refused(folder: Path) -> None:
    (folder / "t.txt").write_bytes("ein {}\nfür {}\n".encode("latin-1"))

    assert refusal("t.txt").message.startswith("t.txt:2: byte 9 (0xfc) is not UTF-8")


@pytest.mark.parametrize("spec", ["missing.txt", "some/where"])
def test_missing_file_is_said(spec: str) -> None:
    assert refusal(spec).message == f"{spec}: no such template file"


@pytest.mark.parametrize("spec", ["phoot", "", "a photo of a dog", "photo,,plain", "{label}", "\0"])
def test_unknown_name_lists_the_sets(spec: str) -> None:
    error = refusal(spec)

    assert "there is no template set named" in error.message
    assert error.hint is not None
    assert "photo, plain" in error.hint


def test_misspelt_name_is_suggested() -> None:
    assert (refusal("skech").hint or "").startswith("did you mean 'sketch'?")


def test_the_option_wins_over_label_set_over_model_over_default() -> None:
    assert choose_templates("plain", ("l {}",), ("m {}",)) == ("{}",)
    assert choose_templates(None, ("l {}",), ("m {}",)) == ("l {}",)
    assert choose_templates(None, None, ("m {}",)) == ("m {}",)
    assert choose_templates(None, None) == TEMPLATE_SETS["photo"]


def test_a_label_set_may_want_no_templates() -> None:
    assert choose_templates(None, (), ("m {}",)) == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a {} " + "x" * 2000, "a template of 2,005 characters"),
        ("{} " * 11, "a template with 11 {}"),
        ("\n".join(f"a {{}} {i}" for i in range(1001)), "has 1,001 templates"),
    ],
)
def test_templates_have_bounds_wherever_they_come_from(text: str, words: str, folder: Path) -> None:
    (folder / "t.txt").write_text(text, encoding="utf-8")
    lines = tuple(text.split("\n"))
    quoted = "\n".join(f"- '{line}'" for line in lines)
    (folder / "set.yaml").write_text(f"labels: [cat]\ntemplates:\n{quoted}\n", encoding="utf-8")

    assert words in refusal("t.txt").message
    assert words in refusal("|".join(lines)).message
    with pytest.raises(ClipcliError) as of_a_set:
        load_label_set("set.yaml")
    assert words in of_a_set.value.message
    with pytest.raises(TemplateError) as of_a_model:
        choose_templates(None, None, lines)
    assert words in of_a_model.value.message


def test_a_thousand_templates_are_allowed(folder: Path) -> None:
    (folder / "t.txt").write_text("\n".join(f"a {{}} {i}" for i in range(1000)), encoding="utf-8")

    assert len(load_templates("t.txt")) == 1000
