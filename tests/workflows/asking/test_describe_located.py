"""``clipcli describe --locator``: what is located is said, counted and has its boxes."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from clipcli.cache.store import Store
from clipcli.cli.app import run
from clipcli.errors import ImageError
from clipcli.models.folder import builtin_model_folder
from clipcli.workflows.asking.describing import Part, Thing, sentence_of
from tests.encoder.torch.locators.glip_weights import architecture, released, weights
from tests.encoder.torch.locators.test_glip_runner import WORDS

if TYPE_CHECKING:
    import pytest
import numpy as np
import torch
from PIL import Image

PHOTOS = Path(__file__).parents[3] / "examples" / "photos"
BOX = (0.0, 0.0, 1.0, 1.0)


def test_located_things_are_counted_the_best_first() -> None:
    parts = [Part("thing", "park", 0.9, 0.0, True)]
    things = [Thing("dog", 0.9, BOX), Thing("ball", 0.8, BOX), Thing("dog", 0.7, BOX)]

    assert sentence_of(parts, things) == "a photo of: park; located: dog (2), ball."
    assert sentence_of([], things[1:2]) == "a photo of: located: ball."


def test_its_boxes_are_those_that_locate_finds(tmp_path: Path) -> None:
    glip = tmp_path / "glip"
    glip.mkdir()
    torch.save(released(weights(architecture(is_fused=True))), glip / "glip_small.pth")
    (glip / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    rng = np.random.default_rng(0)  # a strip, which such models look at quickly
    strip = tmp_path / "strip.png"
    Image.fromarray(rng.integers(0, 256, (24, 400, 3), dtype=np.uint8)).save(strip)
    located, described = tmp_path / "located.jsonl", tmp_path / "described.jsonl"
    rules = ["--min-score", "0.1", "-o"]

    asked = ["locate", str(strip), "-l", "everyday", "--top", "20", "--model", str(glip)]
    looked = run([*asked, *rules, str(located)])
    said = run(["describe", str(strip), "--locator", str(glip), *rules, str(described)])

    (found,), (told,) = (
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in (located, described)
    )
    assert (looked, said) == (0, 0)
    assert len(told["boxes"]) > 1
    for one, other in zip(told["boxes"], found["boxes"], strict=True):
        assert (one["label"], one["score"], one["box"]) == (
            other["label"],
            other["score"],
            other["box"],
        )
        assert one["label"] in told["sentence"]


def test_the_small_locator_of_the_bundled_model_may_be_asked(tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    asked = ["--locator", "mini", "--min-score", "0.05", "-o", str(out)]

    assert run(["describe", str(PHOTOS / "cat.jpg"), *asked]) == 0

    told = json.loads(out.read_text(encoding="utf-8"))
    assert "cat" in {thing["label"] for thing in told["boxes"]}


def test_a_model_that_finds_no_boxes_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = Path(shutil.copytree(builtin_model_folder(), tmp_path / "copy"))
    (model / "locator.safetensors").unlink()

    assert run(["describe", str(PHOTOS / "cat.jpg"), "--locator", str(model)]) == 2
    assert f"--locator {model}: finds no boxes" in capfd.readouterr().err


def test_a_picture_that_cannot_be_located_in_is_not_said_to_hold_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise ImageError("the file is gone")

    monkeypatch.setattr("clipcli.pipeline.locating.run.open_upright", gone)
    out = tmp_path / "x.jsonl"
    asked = ["--locator", "mini", "--no-cache", "-o", str(out), "--format", "tsv"]

    code = run(["describe", str(PHOTOS / "cat.jpg"), *asked])

    told, shown = json.loads(out.read_text(encoding="utf-8")), capfd.readouterr()
    assert code == 5
    assert told["boxes"] is None
    assert told["not_located"] == "the file is gone"
    assert told["sentence"] == "a photo of: cat; not located (the file is gone)."
    assert shown.out == f"{PHOTOS / 'cat.jpg'}\ta photo of: cat; not located (the file is gone).\n"
    assert f"{PHOTOS / 'cat.jpg'}: not located: the file is gone" in shown.err


def test_pictures_in_archives_cannot_be_located_in_and_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "x.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(PHOTOS / "cat.jpg", "cat.jpg")

    assert run(["describe", str(archive), "--locator", "mini"]) == 2

    assert f"{archive}: is no file or folder of pictures" in capfd.readouterr().err


def test_the_cache_is_opened_as_often_for_many_pictures_as_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []
    connect = Store.__init__

    def counted(self: Store, *arguments: object, **options: object) -> None:
        opened.append(arguments)
        connect(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "__init__", counted)
    folder = tmp_path / "photos"
    folder.mkdir()

    def opens(n_pictures: int) -> int:
        for i in range(n_pictures):
            shutil.copy(PHOTOS / "cat.jpg", folder / f"{i}.jpg")
        opened.clear()
        assert run(["describe", str(folder), "--locator", "mini", "--format", "jsonl"]) == 0
        return len(opened)

    assert opens(1) == opens(4)
