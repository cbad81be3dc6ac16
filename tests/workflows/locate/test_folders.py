"""Folders of ``clipcli locate``: whether they hold all, and nothing of an earlier run's numbers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clipcli.cli.app import run
from clipcli.pipeline.session import Session

PHOTOS = Path(__file__).parents[3] / "examples" / "photos"
DONE = 2  # pictures before somebody presses Ctrl-C
FOLDERS = ("yolo", "voc", "crops")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "abcd":
        shutil.copy(PHOTOS / "cat.jpg", folder / f"{name}.jpg")
    return folder


def locate(folder: Path, labels: str, *more: object) -> int:
    return run(["locate", str(folder), "--labels", labels, *map(str, more)])


def options(tmp_path: Path) -> list[object]:
    return [option for name in FOLDERS for option in (f"--{name}", tmp_path / name)]


def test_folders_of_an_interrupted_run_say_that_there_is_more(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tally = Session.tally

    def cut_short(self: Session, results: Iterable[Any], **more: Any) -> Iterator[Any]:
        for i, result in enumerate(tally(self, results, **more)):
            if i == DONE:
                raise KeyboardInterrupt
            yield result

    with monkeypatch.context() as patched:
        patched.setattr(Session, "tally", cut_short)
        assert locate(photos, "cat, rocket", *options(tmp_path)) == 130
    marks = [json.loads((tmp_path / name / "incomplete.json").read_bytes()) for name in FOLDERS]

    shutil.rmtree(tmp_path / "crops")  # never written to a second time
    assert locate(photos, "cat, rocket", *options(tmp_path), "--overwrite") == 0

    assert [mark["error"] for mark in marks] == ["interrupted"] * 3
    for name in FOLDERS:
        names = {path.name for path in (tmp_path / name).iterdir()}
        assert "incomplete.json" not in names
        assert {one[0] for one in names} >= set("abcd")


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
def test_folders_of_a_killed_run_say_that_it_did_not_finish(photos: Path, tmp_path: Path) -> None:
    for i in range(200):
        shutil.copy(PHOTOS / "cat.jpg", photos / f"more{i}.jpg")
    mark = tmp_path / "voc" / "incomplete.json"
    asked = ["locate", str(photos), "--labels", "cat, rocket", "--no-cache", "--voc", mark.parent]

    process = subprocess.Popen([sys.executable, "-m", "clipcli", *map(str, asked)])
    until = time.monotonic() + 60
    while not mark.exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)

    assert json.loads(mark.read_bytes())["error"] == "not finished"


@pytest.mark.skipif(os.name == "nt", reason="a shell's pipe")
def test_folders_are_filled_though_the_reader_of_a_pipe_has_enough(
    photos: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "clipcli", "locate", str(photos), "--labels", "cat, rocket"]
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [*command, "--yolo", str(tmp_path / "yolo"), "--format", "tsv"], stdout=writing, check=False
    )
    os.close(writing)

    assert done.returncode == 0
    assert {path.name for path in (tmp_path / "yolo").iterdir()} == {
        *(f"{name}.txt" for name in "abcd"),
        "classes.txt",
        "meta.json",
    }


def test_numbers_of_other_labels_are_not_left_beside_new_classes(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    yolo = tmp_path / "yolo"
    assert locate(photos, "rocket, cat", "--yolo", yolo) == 0
    assert (yolo / "b.txt").read_text("utf-8").startswith("1 ")  # the second label, a cat
    before = {path.name: path.read_bytes() for path in yolo.iterdir()}
    capfd.readouterr()

    code = locate(photos / "a.jpg", "cat, rocket", "--yolo", yolo, "--overwrite")

    assert code == 2
    assert "has boxes of other labels, in b.txt and 2 more" in capfd.readouterr().err
    assert {path.name: path.read_bytes() for path in yolo.iterdir()} == before
    # The same labels, or all pictures anew, are no risk; nor are files without numbers.
    (yolo / "notes.txt").write_text("mine", encoding="utf-8")
    assert locate(photos / "a.jpg", "rocket, cat", "--yolo", yolo, "--overwrite") == 0
    assert locate(photos, "cat, rocket", "--yolo", yolo, "--overwrite") == 0
    assert (yolo / "b.txt").read_text("utf-8").startswith("0 ")
    assert (yolo / "notes.txt").read_text("utf-8") == "mine"


@pytest.mark.skipif(os.name == "nt", reason="ulimit")
def test_a_crop_that_finds_no_room_leaves_no_half_of_it(photos: Path, tmp_path: Path) -> None:
    crops = tmp_path / "crops"
    command = f"{sys.executable} -m clipcli locate {photos} -l 'cat, rocket' --crops {crops}"

    # No file may be larger than 8 kB (16 blocks of 512 bytes); the crop of the cat is.
    done = subprocess.run(
        ["sh", "-c", f"ulimit -f 16; {command} --no-cache"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 3
    assert "a-001-cat.jpg: could not be written" in done.stderr
    assert [path.name for path in crops.iterdir()] == ["incomplete.json"]
    assert "could not be written" in json.loads((crops / "incomplete.json").read_bytes())["error"]
