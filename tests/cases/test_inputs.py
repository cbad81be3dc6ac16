"""Inputs that vanished without a word: what was seen before, and what is right."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipcli.cli.app import run
from clipcli.errors import ExitCode
from tests.broken_pictures import encoded, photo
from tests.cases.conftest import PHOTOS
from tests.fakes import FakeEncoder
from tests.images.test_tiff_kinds import raw_photographs, tiff_of


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    """Return a data set whose cat of ``train`` is in ``val`` again."""
    top = tmp_path / "ds"
    for split, name, source in [
        ("train", "cat", "cat.jpg"),
        ("train", "cow", "cow.jpg"),
        ("val", "cat", "cat.jpg"),
        ("val", "cow", "bee.jpg"),
    ]:
        folder = top / split / name
        folder.mkdir(parents=True)
        shutil.copy(PHOTOS / source, folder)
    return top


@pytest.mark.usefixtures("fake_model")
@pytest.mark.parametrize("stray", ["__MACOSX", "annotations", "runs"])
def test_a_stray_folder_hides_no_leak(data_set: Path, stray: str) -> None:
    # Before: 0, and classes called "train" and "val".
    (data_set / stray).mkdir()

    assert run(["audit", str(data_set), "--fail-on", "leak", "-q"]) == ExitCode.FINDINGS


@pytest.mark.usefixtures("fake_model")
def test_linked_pictures_hide_no_leak(data_set: Path, tmp_path: Path) -> None:
    # Before: 0, since both links led to one file.
    shutil.move(data_set / "train" / "cat" / "cat.jpg", tmp_path / "pool.jpg")
    (data_set / "val" / "cat" / "cat.jpg").unlink()
    for split in ("train", "val"):
        (data_set / split / "cat" / "cat.jpg").symlink_to(tmp_path / "pool.jpg")

    assert run(["audit", str(data_set), "--fail-on", "leak", "-q"]) == ExitCode.FINDINGS


@pytest.mark.usefixtures("fake_model")
def test_eval_counts_links_and_says_what_is_a_split(
    data_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data_set / "annotations").mkdir()
    (data_set / "val" / "cow" / "linked.jpg").symlink_to(data_set / "train" / "cow" / "cow.jpg")

    run(["eval", str(data_set), "--format", "tsv"])

    said = capsys.readouterr()
    assert said.out.startswith("pictures\t5\n")
    assert "2 splits (train, val), 2 classes (cat, cow); left out: annotations" in said.err


@pytest.mark.parametrize("names", [("0", "1", "2"), ("n02123045", "n02124075", "n02129165")])
def test_classes_that_are_numbers_are_no_words(
    names: tuple[str, ...],
    tmp_path: Path,
    fake_model: FakeEncoder,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Before: the numbers were scored as words.
    for name in names:
        (tmp_path / name).mkdir()
        shutil.copy(PHOTOS / "cat.jpg", tmp_path / name)

    assert run(["eval", str(tmp_path)]) == ExitCode.USAGE

    assert "numbers say nothing to the model" in capsys.readouterr().err
    assert fake_model.texts == []


@pytest.mark.usefixtures("fake_model")
def test_a_linked_folder_is_named_in_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Before: no word, not even with --verbose.
    (tmp_path / "lib").mkdir()
    (tmp_path / "nas").mkdir()
    shutil.copy(PHOTOS / "cat.jpg", tmp_path / "lib")
    shutil.copy(PHOTOS / "cow.jpg", tmp_path / "nas")
    (tmp_path / "lib" / "linked").symlink_to(tmp_path / "nas")

    run(["classify", str(tmp_path / "lib"), "--labels", "demo"])

    assert f"1 linked folder was not entered: {tmp_path / 'lib' / 'linked'}" in (
        capsys.readouterr().err
    )


@pytest.mark.usefixtures("fake_model")
def test_a_list_that_names_a_file_again_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Before: one record and a note under --verbose alone.
    shutil.copy(PHOTOS / "cow.jpg", tmp_path / "cow.jpg")
    (tmp_path / "fav.jpg").symlink_to(tmp_path / "cow.jpg")
    (tmp_path / "list").write_text(
        f"{tmp_path}/cow.jpg\n{tmp_path}/cow.jpg\n{tmp_path}/fav.jpg\n", encoding="utf-8"
    )

    run(["classify", "--from-file", str(tmp_path / "list"), "--labels", "demo"])

    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1
    assert "2 paths named a picture again" in said.err


def kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """Return the names of the copies that ``dedup`` would keep."""
    run(["dedup", str(folder), "-q", "--format", "tsv"])
    cells = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    return {Path(path).name for _, _, suggestion, path, _ in cells if suggestion == "keep"}


@pytest.mark.usefixtures("fake_model")
def test_the_lossless_master_is_kept_and_not_its_jpeg(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Before: the JPEG, whose artefacts count as detail.
    for name in ("bee", "castle", "cow", "koala"):
        master = Image.open(PHOTOS / f"{name}.jpg").convert("RGB").resize((300, 200))
        master.save(tmp_path / f"{name}_master.png")
        master.save(tmp_path / f"{name}_q90.jpg", quality=90)

    assert kept(tmp_path, capsys) == {f"{n}_master.png" for n in ("bee", "castle", "cow", "koala")}


@pytest.mark.usefixtures("fake_model")
def test_a_large_jpeg_is_kept_and_not_a_small_lossless_copy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = Image.open(PHOTOS / "koala.jpg").convert("RGB").resize((600, 400))
    picture.save(tmp_path / "large.jpg", quality=90)
    picture.resize((300, 200)).save(tmp_path / "preview.png")

    assert kept(tmp_path, capsys) == {"large.jpg"}


@pytest.mark.usefixtures("fake_model")
def test_a_raw_photograph_is_never_called_spare(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Before: the NEF was read as its thumbnail, and spare beside its JPEG.
    shutil.copy(PHOTOS / "cat.jpg", tmp_path / "DSC_1.JPG")
    thumbnail = np.asarray(Image.open(PHOTOS / "cat.jpg").convert("RGB").resize((160, 120)))
    tags = {254: (1,), 256: (160,), 257: (120,), 258: (8, 8, 8), 262: (2,), 271: (1,), 277: (3,)}
    (tmp_path / "DSC_1.NEF").write_bytes(tiff_of(thumbnail.tobytes(), tags))
    monkeypatch.setitem(sys.modules, "rawpy", None)

    run(["dedup", str(tmp_path), "--format", "tsv"])

    said = capsys.readouterr()
    assert said.out == ""
    assert "a raw photograph needs an extra" in said.err


@pytest.mark.usefixtures("fake_model")
def test_an_audit_tells_broken_unread_and_damaged_files_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Before: all three were "broken".
    monkeypatch.setitem(sys.modules, "rawpy", None)
    folder = tmp_path / "ds" / "cat"
    folder.mkdir(parents=True)
    whole = encoded(photo(), "JPEG")
    (folder / "damaged.jpg").write_bytes(whole[:-2])
    (folder / "broken.jpg").write_bytes(whole[:-200])
    (folder / "raw.dng").write_bytes(raw_photographs()["dng"])
    bands = {256: (4,), 257: (4,), 258: (8,) * 5, 262: (1,), 277: (5,)}
    (folder / "bands.tif").write_bytes(tiff_of(bytes(80), bands))
    (tmp_path / "ds" / "cow").mkdir()

    run(["audit", str(tmp_path / "ds"), "-q", "--format", "tsv"])

    cells = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    kinds = {Path(line[1]).name: line[0] for line in cells if line[1]}
    assert kinds == {
        "damaged.jpg": "damaged",
        "broken.jpg": "broken",
        "raw.dng": "unread",
        "bands.tif": "unread",
    }
