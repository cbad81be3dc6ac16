"""``clipcli describe --locator``: what is located is said, counted and has its boxes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from clipcli.cli.app import run
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
