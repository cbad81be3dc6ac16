"""Which sidecar is a picture's."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipcli.workflows.tagging.sidecars import Naming, Sidecars
from tests.workflows.tagging.samples import LIGHTROOM  # of a CR2, as it says


def chosen(folder: Path, picture: str, naming: Naming = "full") -> str:
    return Path(Sidecars(naming).of(str(folder / picture))).name


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text("" if name.endswith("xmp") else "picture", "utf-8")


@pytest.mark.parametrize(
    ("there", "naming", "expected"),
    [
        ((), "full", "IMG_1.JPG.xmp"),
        ((), "stem", "IMG_1.xmp"),
        (("IMG_1.xmp",), "full", "IMG_1.xmp"),
        (("IMG_1.JPG.xmp",), "stem", "IMG_1.JPG.xmp"),
        (("IMG_1.xmp", "IMG_1.JPG.xmp"), "full", "IMG_1.JPG.xmp"),
        (("IMG_1.xmp", "IMG_1.JPG.xmp"), "stem", "IMG_1.xmp"),
        (("IMG_1.XMP",), "full", "IMG_1.XMP"),
        (("img_1.jpg.XMP",), "full", "img_1.jpg.XMP"),
        (("IMG_2.xmp", "IMG_1.JPG.xmp.bak"), "full", "IMG_1.JPG.xmp"),
        # Two pictures of one stem: what has only the stem may be the other's.
        (("IMG_1.CR2",), "stem", "IMG_1.JPG.xmp"),
        (("IMG_1.CR2", "IMG_1.xmp"), "full", "IMG_1.JPG.xmp"),
    ],
)
def test_one_that_is_there_is_used_else_the_chosen_name(
    tmp_path: Path, there: tuple[str, ...], naming: Naming, expected: str
) -> None:
    fill(tmp_path, "IMG_1.JPG", *there)

    assert chosen(tmp_path, "IMG_1.JPG", naming) == expected


def test_a_sidecar_that_names_its_ending_is_only_that_pictures(tmp_path: Path) -> None:
    fill(tmp_path, "IMG_1.JPG", "IMG_1.CR2")
    (tmp_path / "IMG_1.xmp").write_text(LIGHTROOM, "utf-8")

    assert chosen(tmp_path, "IMG_1.CR2") == "IMG_1.xmp"
    assert chosen(tmp_path, "IMG_1.JPG", "stem") == "IMG_1.JPG.xmp"
    assert Sidecars().existing(str(tmp_path / "IMG_1.JPG")) == []


def test_all_that_a_picture_has_are_known(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "a.xmp", "a.png.xmp")

    found = Sidecars().existing(str(tmp_path / "a.png"))

    assert [Path(path).name for path in found] == ["a.png.xmp", "a.xmp"]


def test_a_folder_that_cannot_be_listed_has_none(tmp_path: Path) -> None:
    assert chosen(tmp_path / "gone", "a.jpg") == "a.jpg.xmp"


def test_paths_stay_as_they_were_typed() -> None:
    assert Sidecars().of("nowhere/a.jpg") == "nowhere/a.jpg.xmp"
    assert Sidecars("stem").of("nowhere.jpg") == "nowhere.xmp"
