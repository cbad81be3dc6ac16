"""The built-in label sets: each is sound, described, and of a useful size."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest  # noqa: TC002

from clipcli.labels.label_set import builtin_label_sets, load_label_set
from clipcli.labels.templates import choose_templates, prompts_for_label
from clipcli.workflows.lint import lint

NAMES = sorted(builtin_label_sets())


def test_the_promised_sets_are_there() -> None:
    promised = {
        "animals", "pets-breeds", "vehicles", "food", "fruit-vegetables", "scenes", "rooms",
        "weather", "sports", "clothing", "household", "musical-instruments", "documents",
        "photo-quality", "art-styles",
    }  # fmt: skip

    assert promised <= set(NAMES)


def test_lint_finds_nothing(subtests: pytest.Subtests) -> None:
    for name in NAMES:
        label_set = load_label_set(name)

        findings = lint(label_set, choose_templates(None, label_set.templates))

        with subtests.test(name):
            assert findings == []


def test_has_a_description_and_a_useful_size(subtests: pytest.Subtests) -> None:
    for name in NAMES:
        label_set = load_label_set(name)

        with subtests.test(name):
            assert 15 <= len(label_set.labels) <= 80
            assert 10 <= len(label_set.description) <= 80
            assert label_set.source == "built-in"
            label_set.check()


def test_what_a_file_can_tell_has_its_rule() -> None:
    rules = {x.name: x.rule for x in load_label_set("camera-roll").labels if x.rule}
    screens = {x.parent for x in load_label_set("documents").labels if x.rule == "screenshot"}

    assert rules == {"document": "document", "screenshot": "screenshot"}
    assert screens == {"screenshot"}


def test_prompts_are_short_enough_for_any_model(subtests: pytest.Subtests) -> None:
    for name in NAMES:
        label_set = load_label_set(name)
        templates = choose_templates(None, label_set.templates)

        prompts = [p for label in label_set.labels for p in prompts_for_label(label, templates)]

        with subtests.test(name):  # a token is a character at least, so 77 always hold it
            assert max(map(len, prompts)) <= 75


def test_file_is_utf8_with_plain_line_ends(subtests: pytest.Subtests) -> None:
    for name in NAMES:
        raw = builtin_label_sets()[name].read_bytes()

        with subtests.test(name):
            assert raw.decode("utf-8").endswith("\n")
            assert b"\r" not in raw
            assert not raw.startswith(b"\xef\xbb\xbf")


def test_names_are_lower_case_words() -> None:
    assert all(name.replace("-", "").isascii() and name == name.lower() for name in NAMES)


def test_breeds_are_summed_into_dog_and_cat() -> None:
    assert {label.parent for label in load_label_set("pets-breeds").labels} == {"dog", "cat"}


def test_an_installed_package_carries_its_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "clipcli"
    shutil.copytree(builtin_label_sets()["animals"].parent, package / "label_sets")
    monkeypatch.setattr("clipcli.files.PACKAGE", package)

    found = builtin_label_sets()

    assert sorted(found) == NAMES
    assert all(path.is_relative_to(package) for path in found.values())


def test_without_the_folder_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipcli.files.PACKAGE", tmp_path / "clipcli")

    assert builtin_label_sets() == {}
