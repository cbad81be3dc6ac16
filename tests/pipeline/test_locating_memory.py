"""What ``locate`` remembers: boxes by question, sights of models that do not fuse, and resuming."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clipcli import Locator, Skipped
from clipcli.cli.app import run
from clipcli.encoder import load_locator
from clipcli.encoder.locator import Boxes, Sight
from clipcli.encoder.torch.locators.owl_runner import OwlRunner
from clipcli.pipeline.locating import opened
from clipcli.pipeline.locating.memory import (
    Answer,
    Seen,
    pack_answer,
    pack_seen,
    unpack_answer,
    unpack_seen,
)
from tests.encoder.torch.locators.test_owl import build, photo, write
from tests.images.test_profiles import profile_of

Locate = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def owl(tmp_path: Path) -> Path:
    folder = tmp_path / "owl"
    write(build("owlvit"), folder)
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, size in enumerate([(60, 90), (80, 40), (50, 50)]):
        Image.fromarray(photo(*size)).save(folder / f"{i}.png")
    return folder


@pytest.fixture
def locate(owl: Path, photos: Path, tmp_path: Path) -> Locate:
    def locate(*options: str) -> list[dict[str, Any]]:
        out = tmp_path / "x.jsonl"
        fixed = ("--model", str(owl), "--min-score", "0.3", "--overwrite", "-o", str(out))
        assert run(["locate", str(photos), *fixed, *options]) == 0
        return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]

    return locate


def fail(*_: object) -> Any:
    raise AssertionError("this was to be remembered")


def test_a_second_run_neither_loads_the_model_nor_says_anything_else(
    locate: Locate, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = locate("--labels", "cat, dog", "--no-cache")
    cold = locate("--labels", "cat, dog")
    monkeypatch.setattr(opened, "load_locator", fail)

    warm = locate("--labels", "cat, dog")

    assert alone == cold == warm
    assert sum(len(record["boxes"]) for record in cold) > 3


def test_another_question_does_not_look_at_the_pictures_again(
    locate: Locate, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = locate("--labels", "thing, cat", "--no-cache")
    locate("--labels", "cat, dog")
    monkeypatch.setattr(OwlRunner, "see", fail)

    assert locate("--labels", "thing, cat") == fresh


def test_a_run_that_broke_off_goes_on_where_it_was(
    locate: Locate, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, n_seen, see = locate("--labels", "cat, dog", "--no-cache"), [0], OwlRunner.see

    def see_two(self: OwlRunner, picture: Any) -> Sight:
        n_seen[0] += 1
        if n_seen[0] == 3:
            raise KeyboardInterrupt
        return see(self, picture)

    monkeypatch.setattr(OwlRunner, "see", see_two)
    with pytest.raises(AssertionError):  # exit code 130
        locate("--labels", "cat, dog")

    assert locate("--labels", "cat, dog") == whole
    assert n_seen == [4]  # two, the one that broke off, and that one again


def test_a_changed_picture_is_looked_at_again(locate: Locate, photos: Path) -> None:
    before = locate("--labels", "cat, dog")
    Image.fromarray(photo(70, 70)).save(photos / "1.png")

    after = locate("--labels", "cat, dog")

    assert (after[1]["width"], after[1]["height"]) == (70, 70)
    assert [after[0], after[2]] == [before[0], before[2]]


def test_cache_info_names_the_model_whose_boxes_are_kept(
    locate: Locate, capfd: pytest.CaptureFixture[str]
) -> None:
    locate("--labels", "cat, dog", "--precision", "fp32")

    assert run(["cache", "info", "--json"]) == 0
    held = json.loads(capfd.readouterr().out)["pictures"]["held"]
    assert {(one["model"], one["precision"], one["entries"]) for one in held} == {
        ("owl", "fp32", 3)
    }
    assert len(held) == 2  # boxes, and what was seen


@pytest.mark.parametrize(("feature", "meant"), [("avx512_bf16", "bf16"), ("avx2", "fp32")])
def test_what_was_left_to_the_processor_is_kept_under_the_precision_that_it_chose(
    locate: Locate, monkeypatch: pytest.MonkeyPatch, feature: str, meant: str
) -> None:
    monkeypatch.setattr(load_locator, "processor_features", lambda: frozenset([feature]))
    monkeypatch.setattr(load_locator, "may_have_card", lambda: False)
    before = locate("--labels", "cat, dog")
    monkeypatch.setattr(OwlRunner, "load", fail)

    assert locate("--labels", "cat, dog", "--precision", meant) == before


def test_sights_leave_half_of_the_cache_alone(
    locate: Locate, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLIPCLI_CACHE_LIMIT", "300KB")  # an empty store takes more than its half

    locate("--labels", "cat, dog")

    run(["cache", "info", "--json"])
    held = json.loads(capfd.readouterr().out)["pictures"]["held"]
    assert [one["entries"] for one in held] == [3]  # boxes alone


def test_bytes_and_files_have_the_same_boxes(owl: Path, photos: Path) -> None:
    locator = Locator(["cat", "dog"], str(owl), min_score=0.3, no_cache=True)
    data = [(path.name, path.read_bytes()) for path in sorted(photos.iterdir())]

    from_bytes = list(locator.locate_bytes([*data, ("broken.jpg", b"\xff\xd8\xff no picture")]))
    from_files = list(locator.locate([photos]))

    assert isinstance(from_bytes.pop(), Skipped)
    assert len(from_bytes) == 3
    for one, other in zip(from_bytes, from_files, strict=True):
        assert not isinstance(one, Skipped)
        assert not isinstance(other, Skipped)
        assert (one.boxes, one.width, one.height) == (other.boxes, other.width, other.height)
        assert other.path.endswith(one.path)


def test_boxes_come_back_as_they_were() -> None:
    rng = np.random.default_rng(0)
    corners, scores = rng.random((5, 4), np.float32) * 900, rng.random(5, np.float32)

    answer = unpack_answer(pack_answer(Answer(7, 9, Boxes(corners, scores, np.arange(5)))))

    assert (answer.width, answer.height) == (7, 9)
    assert (answer.boxes.corners == corners).all()
    assert (answer.boxes.scores == scores).all()
    assert answer.boxes.phrases.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("exact", "largest"), [(True, 0.0), (False, 2**-11)])
def test_sights_come_back_rounded_unless_exact(exact: bool, largest: float) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(8, 512)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    sight = Sight(rows, rng.random((8, 6), np.float32), 40, 30)

    seen = unpack_seen(pack_seen(Seen(400, 300, sight), exact=exact))

    assert (seen.width, seen.height, seen.sight.width, seen.sight.height) == (400, 300, 40, 30)
    assert (seen.sight.places == sight.places).all()
    assert np.abs(seen.sight.rows - rows).max() <= largest * np.abs(rows).max()


def test_converted_colours_are_looked_at_and_kept_apart(locate: Locate, photos: Path) -> None:
    swapped = profile_of("sRGB").replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ")
    pixels = photo(90, 70)
    pixels[..., 0] //= 3  # so that red and blue are not alike
    by_profile = {"icc_profile": swapped.replace(b"????", b"bXYZ")}
    for old in photos.iterdir():
        old.unlink()
    Image.fromarray(pixels).save(photos / "0.png", **by_profile)
    as_stored = locate("--labels", "cat, dog")

    converted = locate("--labels", "cat, dog", "--convert-profiles")

    Image.fromarray(np.ascontiguousarray(pixels[..., ::-1])).save(photos / "0.png")
    by_hand = locate("--labels", "cat, dog")
    assert len(converted[0]["boxes"]) == len(by_hand[0]["boxes"]) > 0
    for ours, theirs in zip(converted[0]["boxes"], by_hand[0]["boxes"], strict=True):
        assert ours["score"] == pytest.approx(theirs["score"], abs=0.01)  # rounded differently
    assert converted != as_stored
