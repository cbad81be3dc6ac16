"""``clipcli eval --boxes``: one command from annotations and pictures to figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clipcli.cli.app import run
from clipcli.images.decode import decode_image

PHOTOS = Path(__file__).parents[3] / "examples" / "photos"
Judge = Callable[..., int]
# What lies in the example photographs, measured by eye: left, top, right, bottom.
BY_HAND = {
    "panda": (178, 55, 665, 455),
    "bison": (179, 73, 648, 425),
    "koala": (160, 196, 503, 680),
    "parrot": (182, 79, 724, 592),
    "flower": (171, 84, 448, 359),
    "bee": (108, 143, 410, 486),
}


@pytest.fixture
def judge() -> Judge:
    return lambda *arguments: run(["eval", *map(str, arguments)])


@pytest.fixture
def annotated(tmp_path: Path) -> tuple[Path, Path]:
    """Return a folder of two pictures, each with one thing on one of its sides, and annotations."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    annotations = []
    for i, (name, left) in enumerate({"panda": 0, "coffee": 300}.items()):
        sheet = Image.new("RGB", (600, 300), (120, 130, 120))
        sheet.paste(decode_image(PHOTOS / f"{name}.jpg").resize((300, 300)), (left, 0))
        sheet.save(folder / f"{name}.png")
        annotations.append(
            {"id": i + 1, "image_id": i, "category_id": 5 + i, "bbox": [left, 0, 300, 300]}
        )
    told: dict[str, Any] = {
        "images": [{"id": i, "file_name": f"{n}.png"} for i, n in enumerate(["panda", "coffee"])],
        "categories": [{"id": 5, "name": "panda"}, {"id": 6, "name": "coffee"}],
        "annotations": annotations,
    }
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(told), encoding="utf-8")
    return folder, path


def twice(**lists: list[dict[str, Any]]) -> str:
    """Return a file that names something twice."""
    usual = {"images": [{"id": 0, "file_name": "a"}], "categories": [{"id": 0, "name": "a"}]}
    return json.dumps({**usual, "annotations": [], **lists})


def test_coarse_boxes_point_at_the_right_side(
    judge: Judge, annotated: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, path = annotated
    out = tmp_path / "figures.json"

    code = judge(folder, "--boxes", path, "--coarse", "-o", out)

    told = json.loads(out.read_text(encoding="utf-8"))
    assert code == 0
    assert told["method"] == "coarse"
    assert (told["pointing_hits"], told["pointing_pairs"]) == (2, 2)
    assert 0 <= told["ap"] <= told["ap50"] <= 1
    assert told["ap_small"] is None  # nothing small is annotated
    assert [one["category"] for one in told["categories"]] == ["panda", "coffee"]


def test_the_small_locator_draws_boxes_that_heat_maps_cannot(judge: Judge, tmp_path: Path) -> None:
    told: dict[str, Any] = {"images": [], "categories": [], "annotations": []}
    for i, (name, (left, top, right, bottom)) in enumerate(BY_HAND.items()):
        told["images"].append({"id": i, "file_name": f"{name}.jpg"})
        told["categories"].append({"id": i, "name": name})
        box = [left, top, right - left, bottom - top]
        told["annotations"].append({"id": i, "image_id": i, "category_id": i, "bbox": box})
    path, out = tmp_path / "boxes.json", tmp_path / "figures.json"
    path.write_text(json.dumps(told), encoding="utf-8")

    figures = {}
    for options in ((), ("--coarse",)):
        assert judge(PHOTOS, "--boxes", path, "-o", out, "--overwrite", *options) == 0
        data = json.loads(out.read_text(encoding="utf-8"))
        figures[data["method"]] = data["ap50"]

    assert figures["small"] >= 0.6
    assert figures["small"] > figures["coarse"] + 0.1


def test_coarse_belongs_to_boxes(judge: Judge, capfd: pytest.CaptureFixture[str]) -> None:
    assert judge(PHOTOS, "--coarse") == 2
    assert "--coarse: belongs to --boxes" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "is not in COCO's form"),
        ('{"images": [], "categories": [], "annotations": []}', "no images or no categories"),
        (twice(images=[{"id": 0, "file_name": "a"}, {"id": 0, "file_name": "b"}]), "the id 0"),
        (twice(images=[{"id": 0, "file_name": "a"}, {"id": 1, "file_name": "a"}]), "two images"),
        (twice(categories=[{"id": 0, "name": "a"}, {"id": 0, "name": "b"}]), "the id 0"),
        (twice(categories=[{"id": 0, "name": "a"}, {"id": 1, "name": "a"}]), "the name 'a'"),
    ],
)
def test_other_files_are_refused(
    judge: Judge,
    annotated: tuple[Path, Path],
    content: str,
    message: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder, path = annotated
    path.write_text(content, encoding="utf-8")

    assert judge(folder, "--boxes", path) == 3
    assert message in capfd.readouterr().err


def test_missing_pictures_are_named(
    judge: Judge, annotated: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    folder, path = annotated
    (folder / "panda.png").unlink()

    assert judge(folder, "--boxes", path) == 3
    assert "1 of 2 annotated pictures are missing" in capfd.readouterr().err


def test_options_about_labels_do_not_go_with_it(
    judge: Judge, annotated: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    folder, path = annotated

    assert judge(folder, "--boxes", path, "--calibrate") == 2
    assert "do not go with it" in capfd.readouterr().err


def test_two_names_of_one_file_are_two_pictures(
    judge: Judge, annotated: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, path = annotated
    (folder / "again.png").symlink_to("panda.png")
    told = json.loads(path.read_text(encoding="utf-8"))
    told["images"].append({"id": 7, "file_name": "again.png"})
    told["annotations"].append({"id": 7, "image_id": 7, "category_id": 5, "bbox": [0, 0, 300, 300]})
    path.write_text(json.dumps(told), encoding="utf-8")
    out = tmp_path / "figures.json"

    assert judge(folder, "--boxes", path, "-o", out) == 0

    figures = json.loads(out.read_text(encoding="utf-8"))
    assert (figures["pointing_hits"], figures["pointing_pairs"]) == (3, 3)
