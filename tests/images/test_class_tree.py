"""Class trees: what is a class, a split, and a picture in neither."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from clipcli.errors import InputError, UsageError
from clipcli.images.class_tree import read_class_tree
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


def test_what_is_neither_folder_nor_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    for name, words in [("gone", "no such"), ("empty", "no folders in it")]:
        with pytest.raises(InputError, match=words):
            read_class_tree(str(tmp_path / name))
