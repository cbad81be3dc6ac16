"""``--labels X``: what it means, what it never means, and what a label set promises."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcli.errors import LabelSetError
from clipcli.labels.label import Label
from clipcli.labels.label_set import LabelSet, builtin_label_sets, load_label_set


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(spec: str) -> LabelSetError:
    with pytest.raises(LabelSetError) as caught:
        load_label_set(spec)
    assert caught.value.exit_code == 2
    return caught.value


def test_an_existing_file_is_read(folder: Path) -> None:
    (folder / "my pets.txt").write_text("cat\ndog\n", encoding="utf-8")

    label_set = load_label_set("my pets.txt")

    assert (label_set.name, label_set.source) == ("my pets", "my pets.txt")
    assert label_set.names == ("cat", "dog")


def test_an_existing_file_comes_before_commas_and_built_in_names(folder: Path) -> None:
    (folder / "cat,dog").write_text("fox\nowl\n", encoding="utf-8")
    (folder / "animals").write_text("elf\norc\n", encoding="utf-8")

    assert load_label_set("cat,dog").names == ("fox", "owl")
    assert load_label_set("animals").names == ("elf", "orc")


def test_a_folder_of_that_name_is_no_file(folder: Path) -> None:
    (folder / "animals").mkdir()

    assert load_label_set("animals").source == "built-in"


def test_commas_make_inline_labels_with_synonyms() -> None:
    label_set = load_label_set("cat, dog | puppy ,either/or")

    assert label_set.labels == (Label("cat"), Label("dog", ("puppy",)), Label("either/or"))
    assert label_set.source == "inline"


def test_a_long_list_of_labels_is_no_path() -> None:
    spec = ",".join(f"thing {i}" for i in range(5000))

    assert len(load_label_set(spec).labels) == 5000


def test_a_built_in_name_is_found() -> None:
    label_set = load_label_set("animals")

    assert (label_set.name, label_set.source) == ("animals", "built-in")
    assert "dog" in label_set.names


@pytest.mark.parametrize(
    "spec", ["pets.txt", "Pets.YAML", "a.json", "b.csv", "c.yml", "sub/pets", "./x"]
)
def test_what_looks_like_a_file_is_never_a_label(spec: str) -> None:
    error = refusal(spec)

    assert "no such label file" in error.message


def test_missing_file_suggests_its_neighbours(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "my_pets.txt").write_text("cat\ndog\n", encoding="utf-8")

    error = refusal("sub/mypets.txt")

    assert error.hint == f"did you mean {Path('sub') / 'my_pets.txt'}?"


def test_missing_file_suggests_a_built_in_set() -> None:
    error = refusal("animal.txt")

    assert error.hint == "did you mean animals?"


def test_missing_folder_is_named() -> None:
    error = refusal("nowhere/pets.txt")

    assert error.hint == "no folder nowhere either"


@pytest.mark.parametrize("spec", [".", "..", "./sub", "sub/"])
def test_a_folder_is_named_as_one(folder: Path, spec: str) -> None:
    (folder / "sub").mkdir()

    assert refusal(spec).message.endswith("is a folder, not a label file")


def test_a_tilde_that_the_shell_left_is_the_home_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "pets.txt").write_text("cat\ndog\n", encoding="utf-8")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))

    assert load_label_set("~/pets.txt").names == ("cat", "dog")


def test_misspelt_name_suggests_and_lists_the_built_in_sets() -> None:
    error = refusal("anmals")

    assert error.hint is not None
    assert "did you mean animals?" in error.hint
    assert all(name in error.hint for name in builtin_label_sets())


def test_a_bare_name_finds_the_file_that_was_meant(folder: Path) -> None:
    (folder / "zebras.yaml").write_text("- cat\n- dog\n", encoding="utf-8")

    error = refusal("zebras")

    assert error.hint is not None
    assert "did you mean zebras.yaml?" in error.hint


def test_two_files_with_a_comma_are_not_two_labels() -> None:
    error = refusal("cats.txt,dogs.txt")

    assert "cats.txt: is a label file's name" in error.message


@pytest.mark.parametrize("spec", ["cat,", "cat,,dog", ",", "cat,dog|"])
def test_inline_labels_may_not_be_empty(spec: str) -> None:
    assert "empty" in refusal(spec).message


@pytest.mark.parametrize("spec", ["", " ", "dog", "\0", "x" * 5000])
def test_what_is_nothing_known_is_refused(spec: str) -> None:
    assert "is neither a label file nor a built-in label set" in refusal(spec).message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_read_as_text(folder: Path) -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, b"cat\ndog\n")
    os.close(write_end)

    label_set = load_label_set(f"/dev/fd/{read_end}")

    assert label_set.names == ("cat", "dog")


def test_an_unreadable_file_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.txt").write_text("cat\n", encoding="utf-8")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)

    assert refusal("a.txt").message == "a.txt: cannot be read (Permission denied)"


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("cat\ndog\ncat\n", "a.txt:3: label 'cat' appears twice (first on line 1)"),
        ("cat\nCat\n", "a.txt:2: label 'Cat' is 'cat' again"),
        ("hot dog\nhot  dog\n", "a.txt:2: label 'hot  dog' is 'hot dog' again"),
        ("café\ncafe\u0301\n", "a.txt:2: label"),
        ("# nothing\n\n", "a.txt: has no labels"),
        ("", "a.txt: has no labels"),
    ],
)
def test_sets_that_cannot_be_used_are_refused(folder: Path, text: str, fact: str) -> None:
    (folder / "a.txt").write_text(text, encoding="utf-8")

    assert refusal("a.txt").message.startswith(fact)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("label,parent\npoodle,dog\ndog,\n", "a.csv:2: parent 'dog' of 'poodle' is itself a label"),
        ("label,parent\ndog,Dog\n", "a.csv:2: parent 'Dog' of 'dog' is itself a label"),
        ("label,parent\na,b\nb,a\n", "a.csv:2: parent 'b' of 'a' is itself a label"),
        ("label,parent\na,Pet\nb,pet\n", "a.csv:3: parent 'pet' is spelled 'Pet' elsewhere"),
    ],
)
def test_parents_are_one_level_and_never_labels(folder: Path, text: str, fact: str) -> None:
    (folder / "a.csv").write_text(text, encoding="utf-8")

    assert refusal("a.csv").message.startswith(fact)


def test_without_templates_every_label_needs_prompts(folder: Path) -> None:
    text = "templates: []\nlabels:\n- {name: a, prompts: [x]}\n- b\n"
    (folder / "a.yaml").write_text(text, encoding="utf-8")

    assert refusal("a.yaml").message.startswith("a.yaml:4: label 'b' has no prompts")


def test_a_set_of_one_label_is_no_choice() -> None:
    alone = LabelSet.from_names(["cat"])

    with pytest.raises(LabelSetError, match="'cat' is the only label"):
        alone.check()


def test_check_looks_at_sets_made_in_python() -> None:
    twice = LabelSet("a", (Label("cat"), Label("CAT")))

    with pytest.raises(LabelSetError, match="'CAT' is 'cat' again"):
        twice.check()


def test_one_label_beside_reject_prompts_is_a_choice() -> None:
    LabelSet("a", (Label("cat"),), reject=("an empty room",)).check()


def test_from_names_takes_names_as_they_are() -> None:
    label_set = LabelSet.from_names(["a|b", " c ", Label("d", ("e",))])

    assert label_set.labels == (Label("a|b"), Label("c"), Label("d", ("e",)))


@pytest.mark.parametrize("names", [[], [""], ["a", "A"], ["a\nb"]])
def test_from_names_refuses_what_a_file_would(names: list[str]) -> None:
    with pytest.raises(LabelSetError):
        LabelSet.from_names(names)


def test_load_is_what_the_option_does() -> None:
    assert LabelSet.load("cat,dog") == load_label_set("cat,dog")


def test_hash_leaves_out_where_the_set_came_from() -> None:
    one = LabelSet("a", (Label("cat", line=3),), source="x.txt", description="about cats")
    other = LabelSet("b", (Label("cat", line=9),))

    assert one.hash == other.hash
    assert len(one.hash) == 64


@pytest.mark.parametrize(
    "changed",
    [
        LabelSet("a", (Label("dog"), Label("cat"))),
        LabelSet("a", (Label("cat", ("x",)), Label("dog"))),
        LabelSet("a", (Label("cat", (), ("x",)), Label("dog"))),
        LabelSet("a", (Label("cat", parent="x"), Label("dog"))),
        LabelSet("a", (Label("cat", threshold=0.0), Label("dog"))),
        LabelSet("a", (Label("cat", rule="scan"), Label("dog"))),
        LabelSet("a", (Label("cat"), Label("dog")), templates=()),
        LabelSet("a", (Label("cat"), Label("dog")), templates=("{}",)),
        LabelSet("a", (Label("cat"), Label("dog")), reject=("x",)),
    ],
)
def test_hash_covers_all_that_decides_scores(changed: LabelSet) -> None:
    plain = LabelSet("a", (Label("cat"), Label("dog")))

    assert changed.hash != plain.hash


@given(st.text(max_size=300))
def test_any_spec_is_a_set_or_a_refusal_in_words(spec: str) -> None:
    try:
        said = load_label_set(spec).names[0]
    except LabelSetError as error:
        said = error.message

    assert said
