from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from clipcli.errors import InputError, OutputError
from clipcli.models.config import Preprocessing
from clipcli.training.data.open import read_pairs
from clipcli.training.data.packing import pack


def picture(path: Path, colour: tuple[int, int, int] = (200, 30, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (30, 20), colour).save(path)
    return path


def found(data: Path) -> list[tuple[str, tuple[str, ...]]]:
    return [(pair.path.name, pair.captions) for pair in read_pairs(data)]


def test_folder_names_are_captions(tmp_path: Path) -> None:
    picture(tmp_path / "red_car" / "1.png")
    picture(tmp_path / "animals" / "dog" / "2.png")

    pairs = found(tmp_path)

    assert sorted(pairs) == [("1.png", ("red car",)), ("2.png", ("dog",))]


def test_loose_pictures_in_a_tree_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "dog" / "1.png")
    picture(tmp_path / "stray.png")

    with pytest.raises(InputError, match=r"1 pictures lie in no named folder, first stray\.png"):
        read_pairs(tmp_path)


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pictures"):
        read_pairs(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", 'caption,image,more\n"a dog, asleep|a  nap",in/a.png,1\n'),
        ("t.tsv", "\ufeffimage\tcaption\r\nin/a.png\ta dog, asleep|a nap\r\n"),
        ("t.jsonl", '{"image": "in/a.png", "caption": ["a dog, asleep", "a nap"]}\n\n'),
    ],
)
def test_tables_name_pictures_beside_them(tmp_path: Path, name: str, text: str) -> None:
    picture(tmp_path / "in" / "a.png")
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")

    pairs = found(tmp_path / name)

    assert pairs == [("a.png", ("a dog, asleep", "a nap"))]


def test_missing_pictures_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    table = tmp_path / "t.csv"
    table.write_text("image,caption\na.png,x\nb.png,y\nc.png,z\n", encoding="utf-8")

    with pytest.raises(InputError, match=r"2 of 3 pictures are not there, first .*b\.png"):
        read_pairs(table)


def test_empty_captions_are_counted_with_the_first_line(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("image,caption\na.png,x\nb.png, | \nc.png,\n", encoding="utf-8")

    with pytest.raises(InputError, match="2 of 3 captions are empty, first in line 3"):
        read_pairs(table)


def test_missing_column_is_named(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("file,caption\na.png,x\n", encoding="utf-8")

    with pytest.raises(InputError, match="no column 'image'; there is file, caption"):
        read_pairs(table)


def test_broken_json_names_the_line(tmp_path: Path) -> None:
    table = tmp_path / "t.jsonl"
    table.write_text('{"image": "a.png", "caption": "x"}\n{"image"\n', encoding="utf-8")

    with pytest.raises(InputError, match=r"t\.jsonl:2: not JSON"):
        read_pairs(table)


def test_latin1_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_bytes("image,caption\na.png,café\n".encode("latin-1"))

    with pytest.raises(InputError, match="not UTF-8"):
        read_pairs(table)


def test_other_files_and_missing_paths_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_bytes(b"PK")

    with pytest.raises(InputError, match="not a table"):
        read_pairs(tmp_path / "t.xlsx")
    with pytest.raises(InputError, match="no such file or folder"):
        read_pairs(tmp_path / "none.csv")


def test_packing_keeps_pixels_captions_and_order(tmp_path: Path) -> None:
    picture(tmp_path / "in" / "red" / "a.png", (255, 0, 0))
    picture(tmp_path / "in" / "blue" / "b.png", (0, 0, 255))
    said: list[str] = []

    pairs = pack(read_pairs(tmp_path / "in"), Preprocessing(16), tmp_path / "work", said.append)

    assert pairs.pictures.shape == (2, 16, 16, 3)
    colours = {pairs.captions[row][0]: pairs.pictures[row, 8, 8].tolist() for row in pairs.rows}
    assert colours == {"red": [255, 0, 0], "blue": [0, 0, 255]}
    assert "2 pictures at 16 px" in said[0]


def test_packing_is_done_once_until_something_changes(tmp_path: Path) -> None:
    red = picture(tmp_path / "in" / "red" / "a.png")
    said: list[str] = []

    def pack_again() -> None:
        pack(read_pairs(tmp_path / "in"), Preprocessing(16), tmp_path / "work", said.append)

    pack_again()
    pack_again()
    assert len(said) == 1

    picture(red, (0, 0, 0))
    Image.new("RGB", (31, 20)).save(red)
    pack_again()
    assert len(said) == 2


def test_pictures_that_do_not_fit_on_the_disk_are_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "in" / "red" / "a.png")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))

    with pytest.raises(OutputError, match="take 0 MB, there are 0 MB free"):
        pack(read_pairs(tmp_path / "in"), Preprocessing(16), tmp_path / "work", print)

    assert list((tmp_path / "work").iterdir()) == []


def test_broken_pictures_are_left_out_and_told(tmp_path: Path) -> None:
    picture(tmp_path / "in" / "red" / "a.png")
    (tmp_path / "in" / "red" / "b.png").write_bytes(b"no picture")
    picture(tmp_path / "in" / "red" / "c.png", (9, 9, 9))
    said: list[str] = []

    pairs = pack(read_pairs(tmp_path / "in"), Preprocessing(16), tmp_path / "work", said.append)

    assert [json.loads(f'"{path}"').rpartition("/")[2] for path in pairs.paths] == [
        "a.png",
        "c.png",
    ]
    assert np.array_equal(pairs.pictures[1, 0, 0], [9, 9, 9])
    assert said[1].startswith("1 of 3 pictures left out, first ")


def test_only_broken_pictures_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "in" / "red").mkdir(parents=True)
    (tmp_path / "in" / "red" / "b.png").write_bytes(b"no picture")

    with pytest.raises(InputError, match="not one of 1 pictures can be decoded"):
        pack(read_pairs(tmp_path / "in"), Preprocessing(16), tmp_path / "work", print)
