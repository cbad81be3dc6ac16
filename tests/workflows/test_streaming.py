"""``explain``, ``locate`` and ``describe`` write as pictures are done, and keep what was done."""

from __future__ import annotations

import gc
import io
import json
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clipcli.cli.app import run
from clipcli.pipeline.session import Session
from clipcli.workflows.explain import run as explaining

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"
ASKED = {
    "explain": ("--labels", "cat, rocket"),
    "locate": ("--labels", "cat, rocket", "--min-score", "0"),
    "describe": (),
}
DONE = 2  # pictures before somebody presses Ctrl-C


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "abcd":
        shutil.copy(PHOTOS / "cat.jpg", folder / f"{name}.jpg")
    return folder


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every run be interrupted when so many pictures are done."""
    tally = Session.tally

    def cut_short(self: Session, results: Iterable[Any], **options: Any) -> Iterator[Any]:
        for i, result in enumerate(tally(self, results, **options)):
            if i == DONE:
                raise KeyboardInterrupt
            yield result

    monkeypatch.setattr(Session, "tally", cut_short)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.usefixtures("interrupted")
@pytest.mark.parametrize("command", ASKED)
def test_an_interrupted_run_leaves_what_is_done_and_says_so(
    command: str, photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = [tmp_path / name for name in ("x.json", "x.jsonl", "x.tsv")]
    files = [option for path in out for option in ("-o", str(path))]

    code = run([command, str(photos), *ASKED[command], *files, "--format", "jsonl"])

    shown = capfd.readouterr()
    records = [json.loads(line) for line in shown.out.splitlines()]
    assert code == 130
    assert shown.err.splitlines()[-1] == "clipcli: interrupted"
    assert [Path(record["path"]).name for record in records] == ["a.jpg", "b.jpg"]
    document = json.loads(out[0].read_bytes())
    assert (document["results"], document["error"]) == (records, "interrupted")
    assert [json.loads(line) for line in out[1].read_text("utf-8").splitlines()] == records
    assert {line.split("\t")[0] for line in out[2].read_text("utf-8").splitlines()} == {
        str(photos / "a.jpg"),
        str(photos / "b.jpg"),
    }
    for path in out[1:]:
        meta = json.loads(path.with_name(f"{path.name}.meta.json").read_bytes())
        assert meta["error"] == "interrupted"
    assert names_in(tmp_path) == {
        *("photos", "x.json", "x.jsonl", "x.tsv", "x.jsonl.meta.json", "x.tsv.meta.json")
    }


@pytest.mark.usefixtures("interrupted")
def test_pages_maps_and_drawings_hold_what_was_done(photos: Path, tmp_path: Path) -> None:
    out = {name: tmp_path / f"x.{name}" for name in ("html", "npz", "png")}
    files = [option for path in out.values() for option in ("-o", str(path))]

    assert run(["explain", str(photos), *ASKED["explain"], *files]) == 130

    page = out["html"].read_text("utf-8")
    assert page.count("<figure") == DONE
    assert "This page is not complete: interrupted." in page
    assert page.rstrip().endswith("</html>")
    with np.load(out["npz"]) as arrays:
        assert list(arrays["paths"]) == [str(photos / "a.jpg"), str(photos / "b.jpg")]
        assert {"maps_0", "labels_0", "maps_1", "labels_1"} < set(arrays.files)
        assert "maps_2" not in arrays.files
    with Image.open(out["png"]) as sheet:
        assert sheet.height == 2 * (320 + 20) + 6  # two rows with their captions, and a gap


@pytest.mark.usefixtures("interrupted")
def test_forms_for_training_tools_hold_what_was_done(photos: Path, tmp_path: Path) -> None:
    places = {name: tmp_path / name for name in ("yolo", "voc")}
    options = [option for name, path in places.items() for option in (f"--{name}", str(path))]
    coco = tmp_path / "coco.json"

    code = run(["locate", str(photos), *ASKED["locate"], *options, "--coco", str(coco)])

    assert code == 130
    assert {result["image_id"] for result in json.loads(coco.read_bytes())} == {"a.jpg", "b.jpg"}
    assert {"a.txt", "b.txt", "classes.txt", "meta.json"} <= names_in(places["yolo"])
    assert "d.txt" not in names_in(places["yolo"])
    assert {"a.xml", "b.xml"} <= names_in(places["voc"])


def test_maps_are_let_go_once_they_are_written(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once: list[int] = []
    real = explaining._explained

    def counted(*arguments: Any) -> explaining.Explained:
        kept = [each for each in gc.get_objects() if type(each) is explaining.Explained]
        at_once.append(len(kept))
        return real(*arguments)

    monkeypatch.setattr(explaining, "_explained", counted)
    files = [part for name in ("jsonl", "tsv", "npz", "html") for part in ("-o", f"x.{name}")]
    monkeypatch.chdir(tmp_path)

    assert run(["explain", str(photos), *ASKED["explain"], *files]) == 0

    assert len(at_once) == 4
    assert max(at_once) <= 1


def test_a_reader_that_has_enough_does_not_keep_files_from_being_whole(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closed(io.BytesIO):
        def write(self, content: Any) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Closed(), "utf-8", write_through=True))
    out = tmp_path / "x.jsonl"

    run(["explain", str(photos), *ASKED["explain"], "-o", str(out), "--format", "tsv"])

    assert len(out.read_text("utf-8").splitlines()) == 4


@pytest.mark.parametrize("command", ["explain", "locate"])
@pytest.mark.parametrize("ending", ["png", "jsonl"])
def test_too_many_pictures_for_a_png_are_refused_before_any_is_looked_at(
    command: str,
    ending: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(51):
        Image.new("RGB", (8, 8)).save(folder / f"{i:02}.png")
    monkeypatch.setattr(Session, "tally", lambda *_, **__: pytest.fail("a picture was looked at"))
    out, more = tmp_path / f"x.{ending}", ("--format", "png") if ending != "png" else ()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)

    code = run([command, str(folder), *ASKED[command], "-o", str(out), *more])

    shown = capfd.readouterr()
    assert code == 2
    assert "a PNG holds 50 pictures, and there are more" in shown.err
    assert "-o FILE.html" in shown.err
    assert shown.out == ""
    assert names_in(tmp_path) == {"many"}


def test_a_list_from_a_pipe_is_refused_at_the_picture_that_is_too_many(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("clipcli.output.drawing.limits.MOST_DRAWN", 3)
    paths = "".join(f"{path}\n" for path in sorted(photos.iterdir()))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(paths.encode())))
    files = ["-o", str(tmp_path / "x.png"), "-o", str(tmp_path / "x.jsonl")]

    code = run(["explain", "-", *ASKED["explain"], *files])

    assert code == 2
    assert "a PNG holds 3 pictures, and there are more" in capfd.readouterr().err
    assert len((tmp_path / "x.jsonl").read_text("utf-8").splitlines()) == 3
    assert not (tmp_path / "x.png").exists()
