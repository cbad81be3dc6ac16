"""Class trees: what is a class, a split, and a picture in neither."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from clipcli.errors import InputError, UsageError
from clipcli.images.class_tree import read_class_tree, split_names
from clipcli.images.find import FindReport, ImageFile
from clipcli.results import Skipped


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path)
    return path


def test_the_first_folder_is_the_class_whatever_lies_below(tmp_path: Path) -> None:
    deep = picture(tmp_path / "cat" / "indoors" / "1.png")
    loose = picture(tmp_path / "2.png")
    (tmp_path / "empty").mkdir()

    tree = read_class_tree(str(tmp_path))

    assert tree.classes == ("cat", "empty")
    assert tree.label_of(str(deep)) == "cat"
    assert tree.label_of(str(loose)) is None
    assert [one.path for one in tree.find(FindReport())] == [str(loose), str(deep)]


def test_splits_are_recognised_where_all_folders_are_such(tmp_path: Path) -> None:
    path = picture(tmp_path / "train" / "cat" / "1.png")
    picture(tmp_path / "Val" / "dog" / "1.png")

    tree = read_class_tree(str(tmp_path))

    assert tree.classes == ("cat", "dog")
    assert tree.splits == ("train", "Val")
    assert (tree.label_of(str(path)), tree.split_of(str(path))) == ("cat", "train")


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    path = picture(tmp_path / "train" / "1.png")
    picture(tmp_path / "bus" / "1.png")

    tree = read_class_tree(str(tmp_path))

    assert tree.splits == ()
    assert tree.label_of(str(path)) == "train"


STRAYS = ["__MACOSX", "annotations", "runs", "unlabeled"]


@pytest.mark.parametrize("stray", STRAYS)
def test_a_stray_folder_beside_splits_leaves_them_splits(tmp_path: Path, stray: str) -> None:
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            picture(tmp_path / split / name / "1.png")
    picture(tmp_path / stray / "2.png")

    tree = read_class_tree(str(tmp_path))

    assert (tree.classes, tree.splits, tree.left_out) == (
        ("cat", "dog"),
        ("train", "val"),
        (stray,),
    )
    assert len(list(tree.find(FindReport()))) == 4
    assert tree.in_words().endswith(
        f"2 splits (train, val), 2 classes (cat, dog); left out: {stray}"
    )


def test_what_an_archive_leaves_behind_is_no_class(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "1.png")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "train" / "cat").mkdir(parents=True)
    (tmp_path / "train" / "__MACOSX").mkdir()

    assert read_class_tree(str(tmp_path / "train")).classes == ("cat",)
    assert read_class_tree(str(tmp_path), ["none"]).classes == ("cat", "train")


def test_what_may_be_a_split_or_a_class_is_refused_with_both_ways_out(tmp_path: Path) -> None:
    picture(tmp_path / "train" / "freight" / "1.png")
    picture(tmp_path / "bus" / "1.png")

    with pytest.raises(UsageError, match="train may be splits or classes, beside bus") as caught:
        read_class_tree(str(tmp_path))

    assert caught.value.hint == "say which: --splits train, or --splits none"
    assert read_class_tree(str(tmp_path), split_names("none")).classes == ("bus", "train")
    assert read_class_tree(str(tmp_path), split_names("train")).classes == ("freight",)


def test_a_picture_that_is_linked_into_two_splits_is_in_both(tmp_path: Path) -> None:
    pool = picture(tmp_path / "pool" / "1.png")
    tree_folder = tmp_path / "set"
    for split in ("train", "val"):
        (tree_folder / split / "cat").mkdir(parents=True)
        (tree_folder / split / "cat" / "soft.png").symlink_to(pool)
        (tree_folder / split / "cat" / "hard.png").hardlink_to(pool)

    tree = read_class_tree(str(tree_folder))

    found = [Path(entry.path).relative_to(tree_folder) for entry in tree.find(FindReport())]
    expected = [Path(s, "cat", n) for s in ("train", "val") for n in ("hard.png", "soft.png")]
    assert found == expected


def test_splits_can_be_named(tmp_path: Path) -> None:
    path = picture(tmp_path / "day1" / "cat" / "1.png")

    tree = read_class_tree(str(tmp_path), ["day1"])

    assert (tree.classes, tree.split_of(str(path))) == (("cat",), "day1")
    with pytest.raises(UsageError, match="day2"):
        read_class_tree(str(tmp_path), ["day2"])


def test_a_table_has_a_row_for_each_picture(tmp_path: Path) -> None:
    there = picture(tmp_path / "a, b.png")
    table = tmp_path / "set.csv"
    table.write_text(
        '\ufeffpath,label,split\r\n"a, b.png",cat,train\r\ngone.png,dog,test\r\n', encoding="utf-8"
    )

    tree = read_class_tree(str(table))

    assert (tree.classes, tree.splits) == (("cat", "dog"), ("test", "train"))
    assert list(tree.find(FindReport())) == [
        ImageFile(str(there)),
        Skipped(str(tmp_path / "gone.png"), "no such file or folder"),
    ]
    assert tree.split_of(str(there)) == "train"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,label\n1,2\n", "set.csv:1: no column 'path'; there is name, label"),
        ("path,label\na,b,c\n", "set.csv:2: 3 cells, 2 in the header"),
        ("path,label\na,b\na,c\n", "set.csv:3: 'a' appears twice"),
        ("path,label\na,\n", "no row has a label"),
        ("", "there is nothing"),
    ],
)
def test_a_bad_table_is_refused_with_its_line(text: str, words: str, tmp_path: Path) -> None:
    table = tmp_path / "set.csv"
    table.write_text(text, encoding="utf-8")

    with pytest.raises(InputError, match=words):
        read_class_tree(str(table))


def test_a_table_says_splits_itself(tmp_path: Path) -> None:
    table = tmp_path / "set.csv"
    table.write_text("path,label,split\na,cat,train\nb,dog,val\n", encoding="utf-8")

    assert read_class_tree(str(table)).splits == ("train", "val")
    with pytest.raises(UsageError, match=r"--splits: .*set\.csv is a table"):
        read_class_tree(str(table), ["val"])


def test_what_is_neither_folder_nor_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    for name, words in [("gone", "no such"), ("empty", "no folders in it")]:
        with pytest.raises(InputError, match=words):
            read_class_tree(str(tmp_path / name))
