"""Labels become folder names that are names everywhere, each its own, and all inside of DIR."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcli.errors import UsageError
from clipcli.workflows.sorting.foldernames import (
    check_folder_name,
    folder_name,
    folder_names,
    name_key,
    numbered,
)

NASTY = [
    "/",
    "\\",
    "..",
    ".",
    " ",
    ":",
    "\0",
    "\n",
    "\t",
    "con",
    "AUX",
    "com1",
    "é",
    "e\u0301",
    "ß",
]
NASTY += ["SS", "ſ", "\u202e", "😀", "\udcff", "CAT", "cat", "(2)", "_unsure", "\u2028", "x" * 130]
LABELS = st.lists(st.sampled_from(NASTY) | st.characters(), max_size=6).map("".join)
# What a system gives for bytes that are no UTF-8 are these surrogates, and no others.
FILE_CHARACTERS = st.characters(exclude_characters="/\0", exclude_categories=["Cs"])
FILE_NAMES = st.text(FILE_CHARACTERS | st.sampled_from("\udc80\udcff"), min_size=1)
DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"}
DEVICES |= {f"{kind}{n}" for kind in ("com", "lpt") for n in "0123456789¹²³"}


@given(LABELS)
def test_a_name_is_one_on_every_system(label: str) -> None:
    name = folder_name(label)

    assert not set(name) & set('<>:"/\\|?*')
    assert all(character >= " " for character in name)
    assert name == name.strip(". ") != ""
    assert name.partition(".")[0].rstrip().lower() not in DEVICES
    assert len(name.encode("utf-8")) <= 120
    assert unicodedata.is_normalized("NFC", name)


@given(LABELS)
def test_a_name_of_a_name_is_itself(label: str) -> None:
    assert folder_name(folder_name(label)) == folder_name(label)


@given(st.lists(LABELS, unique=True, max_size=12))
def test_no_two_labels_share_a_folder_even_where_case_does_not_count(labels: list[str]) -> None:
    folders = folder_names(labels, "_unsure")

    assert list(folders) == labels
    keys = {unicodedata.normalize("NFC", x.casefold()) for x in [*folders.values(), "_unsure"]}
    assert len(keys) == len(labels) + 1
    assert all(len(os.fsencode(folder)) <= 120 for folder in folders.values())


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("red car", "red car"),
        ("猫", "猫"),
        ("../../x", "_.._x"),
        ("/etc/passwd", "_etc_passwd"),
        ("..", "_"),
        ("", "_"),
        ("CON", "CON_"),
        ("aux.txt", "aux_.txt"),
        ("COM¹", "COM¹_"),
        ("console", "console"),
        ("cat. . ", "cat"),
        (".hidden", "hidden"),
        ("a:b|c?", "a_b_c_"),
        ("two\nlines\there", "two lines here"),
        ("\u202egpj.exe", "_gpj.exe"),
        ("é" * 100, "é" * 60),  # 120 bytes
    ],
)
def test_labels_by_hand(label: str, name: str) -> None:
    assert folder_name(label) == name


def test_labels_that_differ_only_for_us_get_numbers() -> None:
    labels = ["Cat", "cat", "CAT.", "a/b", "a:b", "caf\u00e9", "cafe\u0301", "_unsure"]

    assert list(folder_names(labels, "_unsure").values()) == [
        "Cat",
        "cat (2)",
        "CAT (3)",
        "a_b",
        "a_b (2)",
        "café",
        "café (2)",
        "_unsure (2)",
    ]


def test_characters_without_a_width_make_no_difference() -> None:
    assert name_key("c\u200dat") == name_key("Cat")


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "CON", "x "])
def test_a_folder_that_a_user_names_is_refused_unless_it_is_a_name(name: str) -> None:
    with pytest.raises(UsageError, match="not a folder's name"):
        check_folder_name(name)


@given(FILE_NAMES, st.integers(2, 10**6))
def test_a_numbered_name_fits_and_keeps_its_ending(stem: str, number: int) -> None:
    name = numbered(stem, ".jpg", number)

    assert name.endswith(f" ({number}).jpg")
    assert len(os.fsencode(name)) <= 255


def test_a_numbered_name_that_is_too_long_loses_letters_of_its_stem(tmp_path: Path) -> None:
    name = numbered("é" * 125, ".jpg", 2)  # 250 bytes and 8

    (tmp_path / name).write_bytes(b"")  # the file system agrees
    assert name == "é" * 123 + " (2).jpg"
