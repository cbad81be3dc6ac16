from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from clipcli.errors import InputError
from clipcli.models.config import Preprocessing
from clipcli.training.data.open import read_pairs
from clipcli.training.data.packing import pack


def picture(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (30, 20), colour).save(file, "PNG")
    return file.getvalue()


def write_tar(path: Path, **files: bytes | str) -> Path:
    """Write files in their order; in names, ``__`` stands for a dot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            data = content.encode("utf-8") if isinstance(content, str) else content
            member = tarfile.TarInfo(name.replace("__", "."))
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def found(path: Path) -> list[tuple[str, tuple[str, ...], bool]]:
    return [(p.place.name, p.captions, p.is_name) for p in read_pairs(path) if p.place]


def test_files_that_share_their_name_are_a_sample(tmp_path: Path) -> None:
    tar = write_tar(
        tmp_path / "a.tar",
        x__jpg=picture(),
        x__txt="a red |\n car\n",
        y__json=json.dumps({"caption": "a cat", "url": "x"}),
        y__png=picture(),
        z__png=picture(),
        z__json=json.dumps({"captions": ["a dog", " ", "a puppy"]}),
    )

    assert found(tar) == [
        ("x.jpg", ("a red | car",), False),
        ("y.png", ("a cat",), False),
        ("z.png", ("a dog", "a puppy"), False),
    ]


def test_dots_in_names_hide_no_samples(tmp_path: Path) -> None:
    # Up to the first dot these are one name; before, all of them were left out without a word.
    tar = write_tar(
        tmp_path / "a.tar",
        x__jpg=picture(),
        x__txt="a car",
        x__seg__png=picture(),
        IMG__2024__00__jpg=picture(),
        IMG__2024__00__txt="a cat",
        IMG__2024__01__jpg=picture(),
        IMG__2024__01__txt="a dog",
    )

    assert found(tar) == [
        ("x.jpg", ("a car",), False),
        ("IMG.2024.00.jpg", ("a cat",), False),
        ("IMG.2024.01.jpg", ("a dog",), False),
    ]


def test_classes_are_names_or_numbers_of_names(tmp_path: Path) -> None:
    (tmp_path / "classnames.txt").write_text("dog\nred car\n", encoding="utf-8")
    tar = write_tar(
        tmp_path / "a.tar", a__jpg=picture(), a__cls="1", b__jpg=picture(), b__cls="cat"
    )

    assert found(tar) == [("a.jpg", ("red car",), True), ("b.jpg", ("cat",), True)]


def test_tars_of_a_folder_are_read_in_order_and_other_files_left_alone(tmp_path: Path) -> None:
    write_tar(tmp_path / "s-1.tar", b__jpg=picture(), b__txt="two")
    write_tar(tmp_path / "s-0.tar", readme__md="hello", a__jpg=picture(), a__txt="one")

    assert [captions for _, captions, _ in found(tmp_path)] == [("one",), ("two",)]


def test_pictures_are_read_where_they_lie(tmp_path: Path) -> None:
    tar = write_tar(
        tmp_path / "a.tar",
        a__png=picture("red"),
        a__txt="red|x",
        b__png=picture("blue"),
        b__txt="blue",
    )

    pairs = pack(read_pairs(tar), Preprocessing(16), tmp_path / "work", lambda line: None)

    assert pairs.pictures[pairs.rows][:, 8, 8].tolist() == [[255, 0, 0], [0, 0, 255]]
    assert pairs.captions == [("red/x",), ("blue",)]
    assert pairs.paths[1].endswith("a.tar:b.png")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a__jpg": b"x", "b__jpg": b"x", "b__txt": " "}, "2 of 2 samples have no caption, first"),
        ({"a__jpg": b"x", "a__txt": "x", "b__txt": "y"}, "1 of 2 samples have no picture, first"),
        ({"a__jpg": b"x", "a__cls": "3"}, "class 3, but there are no names"),
        ({"a__jpg": b"x", "a__json": "{"}, "a.json: not JSON"),
        ({"a__jpg": b"x", "a__txt": b"\xff"}, "a.txt: not UTF-8"),
        ({"readme__md": "x"}, "no pictures in it"),
    ],
)
def test_samples_that_are_not_whole_are_told(
    tmp_path: Path, files: dict[str, bytes | str], message: str
) -> None:
    tar = write_tar(tmp_path / "a.tar", **files)

    with pytest.raises(InputError, match=message):
        read_pairs(tar)


def test_a_number_past_the_names_is_told(tmp_path: Path) -> None:
    (tmp_path / "classnames.txt").write_text("dog\n", encoding="utf-8")
    tar = write_tar(tmp_path / "a.tar", a__jpg=picture(), a__cls="1")

    with pytest.raises(InputError, match=r"class 1, but classnames\.txt has 1 lines"):
        read_pairs(tar)


def test_cut_compressed_and_other_files_are_told_apart(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", a__txt="one", a__jpg=picture() * 200)
    whole = tar.read_bytes()

    (tmp_path / "cut.tar").write_bytes(whole[:5000])
    (tmp_path / "zip.tar").write_bytes(gzip.compress(whole))
    (tmp_path / "other.tar").write_bytes(b"no tar" * 1000)

    for name, message in (
        ("cut", "cut.tar: not a whole tar file"),
        ("zip", "zip.tar: a compressed tar"),
        ("other", "other.tar: not a whole tar file"),
    ):
        with pytest.raises(InputError, match=message):
            read_pairs(tmp_path / f"{name}.tar")
