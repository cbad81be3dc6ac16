"""``clipcli locate``: boxes with and without a locating model, in every form."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import torch
from PIL import Image

from clipcli import Locator
from clipcli.cli.app import run
from clipcli.images.upright import open_upright
from clipcli.models.folder import builtin_model_folder
from clipcli.pipeline.locating.run import Located
from tests.encoder.torch.locators.glip_weights import architecture, released, weights
from tests.encoder.torch.locators.test_glip_runner import WORDS

PHOTOS = Path(__file__).parents[3] / "examples" / "photos"
Locate = Callable[..., int]


@pytest.fixture
def locate() -> Locate:
    return lambda *arguments: run(["locate", *map(str, arguments)])


@pytest.fixture
def glip(tmp_path: Path) -> Path:
    """Return the folder of a small model that locates, badly."""
    folder = tmp_path / "glip"
    folder.mkdir()
    torch.save(released(weights(architecture(is_fused=True))), folder / "glip_small.pth")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def strip(tmp_path: Path) -> Path:
    """Return a long picture, which a model that looks closely looks at quickly."""
    rng = np.random.default_rng(0)
    path = tmp_path / "000000000139.png"
    Image.fromarray(rng.integers(0, 256, (24, 400, 3), dtype=np.uint8)).save(path)
    return path


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_coarse_boxes_are_called_coarse_everywhere(
    locate: Locate, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outputs = {name: tmp_path / f"x.{name}" for name in ("jsonl", "json", "tsv", "html", "png")}
    options = [option for path in outputs.values() for option in ("-o", path)]
    more = ("--coco", tmp_path / "coco.json", "--voc", tmp_path / "voc", "--format", "table")

    code = locate(PHOTOS / "panda.jpg", "--labels", "panda, rocket", "--coarse", *options, *more)

    shown = capfd.readouterr()
    (told,) = lines(outputs["jsonl"])
    (box,) = told["boxes"][:1]  # type: ignore[index]
    assert code == 0
    assert {key: told[key] for key in ("status", "width", "height", "method")} == {
        "status": "ok",
        "width": 800,
        "height": 532,
        "method": "coarse",
    }
    assert set(box) == {"label", "score", "box", "phrase"}
    assert box["label"] == "panda"
    assert "coarse" in shown.out
    assert "coarse boxes, from heat maps" in shown.err
    assert json.loads(outputs["json"].read_text(encoding="utf-8"))["results"] == [told]
    assert outputs["tsv"].read_text(encoding="utf-8").splitlines()[0].endswith("\tcoarse")
    page = outputs["html"].read_text(encoding="utf-8")
    assert "panda, rocket · mini · " in page  # what was asked, the model, the day
    assert f"<h1>Located in {PHOTOS / 'panda.jpg'}</h1>" in page
    assert "coarse boxes, from heat maps, not from a locating model" in page
    assert json.loads((tmp_path / "coco.json").read_text(encoding="utf-8"))[0]["method"] == "coarse"
    assert "coarse" in (tmp_path / "voc" / "panda.xml").read_text(encoding="utf-8")
    assert Image.open(outputs["png"]).size == (800, 532)


def test_the_small_locator_is_named_everywhere(
    locate: Locate, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outputs = {name: tmp_path / f"x.{name}" for name in ("jsonl", "json", "tsv", "html", "png")}
    options = [option for path in outputs.values() for option in ("-o", path)]
    folders = {name: tmp_path / name for name in ("voc", "yolo")}
    options += [option for name, path in folders.items() for option in (f"--{name}", path)]
    coco = tmp_path / "coco.json"
    asked = ("--labels", "panda, rocket", "--min-score", 0.2, "--coco", coco, "--format", "table")

    code = locate(PHOTOS / "panda.jpg", *asked, *options)

    shown = capfd.readouterr()
    (told,) = lines(outputs["jsonl"])
    assert code == 0
    assert told["method"] == "small"
    assert told["boxes"][0]["label"] == "panda"  # type: ignore[index]
    assert "small locator" in shown.out
    assert "small locator" in shown.err
    assert "coarse" not in shown.out + shown.err
    data = json.loads(outputs["json"].read_text(encoding="utf-8"))
    assert data["results"] == [told]
    assert data["provenance"]["method"] == "small"
    assert outputs["tsv"].read_text(encoding="utf-8").splitlines()[0].endswith("\tsmall")
    page = outputs["html"].read_text(encoding="utf-8")
    assert "boxes of the model&#39;s small locator" in page
    assert "box, small locator" in page or "boxes, small locator" in page
    assert json.loads(coco.read_text(encoding="utf-8"))[0]["method"] == "small"
    assert "clipcli, small" in (folders["voc"] / "panda.xml").read_text(encoding="utf-8")
    meta = json.loads((folders["yolo"] / "meta.json").read_text(encoding="utf-8"))
    assert meta["method"] == "small"
    # The corner of the picture that says it is black.
    with Image.open(outputs["png"]) as drawn:
        assert drawn.getpixel((799, 531)) == (0, 0, 0)


def test_what_the_small_locator_saw_answers_other_questions(
    locate: Locate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture, runs = tmp_path / "panda.jpg", {}
    picture.write_bytes((PHOTOS / "panda.jpg").read_bytes())

    def boxes(*options: object) -> object:
        out = tmp_path / f"{len(runs)}.jsonl"
        assert locate(picture, "--min-score", 0.1, "-o", out, *options) == 0
        runs[out] = lines(out)
        return runs[out]

    cold = boxes("--labels", "panda, rocket")
    warm = boxes("--labels", "panda, rocket")
    uncached = boxes("--labels", "panda, rocket", "--no-cache")
    monkeypatch.setattr(
        "clipcli.encoder.onnx.places.OnnxPlaces.maps",
        lambda *_: pytest.fail("the picture was looked at again"),
    )
    other = boxes("--labels", "panda, tree")

    assert cold == warm == uncached
    assert other[0]["boxes"]  # type: ignore[index]


def test_coarse_boxes_cannot_be_asked_of_a_locating_model(
    locate: Locate, glip: Path, strip: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = locate(strip, "--labels", "dog, cat", "--model", glip, "--coarse")

    assert code == 2
    assert "is a model that locates" in capfd.readouterr().err


def test_a_locator_of_another_trunk_is_refused_in_a_line(
    locate: Locate, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = Path(shutil.copytree(builtin_model_folder(), tmp_path / "copy"))
    path = model / "locator.safetensors"
    path.write_bytes(path.read_bytes().replace(b'"trunk":"', b'"trunk":"x', 1)[:-1])
    asked = (PHOTOS / "panda.jpg", "--labels", "panda, rocket", "--model", model)

    assert locate(*asked) == 4

    error = capfd.readouterr().err
    assert error.count(str(path)) == 1
    assert "Traceback" not in error
    path.unlink()
    assert locate(*asked) == 0
    assert "coarse boxes" in capfd.readouterr().err


def test_a_locating_model_finds_phrases_with_their_spans(
    locate: Locate, glip: Path, strip: Path, tmp_path: Path
) -> None:
    out = tmp_path / "x.jsonl"

    code = locate(strip, "a dog. red grass", "--model", glip, "--min-score", 0.2, "-o", out)

    (told,) = lines(out)
    boxes = told["boxes"]
    assert code == 0
    assert told["method"] == "model"
    assert {(box["phrase"], tuple(box["span"])) for box in boxes} <= {  # type: ignore[attr-defined]
        ("a dog", (0, 5)),
        ("red grass", (7, 16)),
    }
    for box in boxes:  # type: ignore[attr-defined]
        left, top, right, bottom = box["box"]
        assert 0 <= left <= right <= 400
        assert 0 <= top <= bottom <= 24


def test_training_forms_agree_with_the_records(
    locate: Locate, glip: Path, strip: Path, tmp_path: Path
) -> None:
    places = {name: tmp_path / name for name in ("yolo", "voc", "crops")}
    options = [option for name, path in places.items() for option in (f"--{name}", path)]
    coco, out = tmp_path / "coco.json", tmp_path / "x.jsonl"

    code = locate(
        *(strip, "-l", "dog, cat", "-m", glip, "--min-score", 0.1, "--top", 3),
        *("-o", out, "--coco", coco),
        *options,
    )

    boxes = lines(out)[0]["boxes"]
    assert code == 0
    assert len(boxes) == 3  # type: ignore[arg-type]
    for box, result in zip(boxes, json.loads(coco.read_text(encoding="utf-8")), strict=True):  # type: ignore[call-overload]
        left, top, right, bottom = box["box"]
        assert result["image_id"] == 139
        assert result["bbox"] == pytest.approx([left, top, right - left, bottom - top], abs=0.02)
    assert (places["yolo"] / "classes.txt").read_text(encoding="utf-8") == "dog\ncat\n"
    rows = (places["yolo"] / "000000000139.txt").read_text(encoding="utf-8").splitlines()
    for row, box in zip(rows, boxes, strict=True):  # type: ignore[call-overload]
        number, x, y, width, height = map(float, row.split())
        left, top, right, bottom = box["box"]
        assert ["dog", "cat"][int(number)] == box["label"]
        assert (x - width / 2) * 400 == pytest.approx(left, abs=0.02)
        assert (y + height / 2) * 24 == pytest.approx(bottom, abs=0.02)
    things = ET.parse(places["voc"] / "000000000139.xml").getroot().findall("object")
    assert [thing.findtext("name") for thing in things] == [box["label"] for box in boxes]  # type: ignore[attr-defined]
    crops = sorted(places["crops"].iterdir())
    assert len(crops) == 3
    left, top, right, bottom = boxes[0]["box"]  # type: ignore[index]
    assert Image.open(crops[0]).width == pytest.approx(right - left, abs=1.01)


def test_two_pictures_of_one_name_cannot_be_yolo(
    locate: Locate, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (30, 30), "red").save(tmp_path / folder / "x.png")

    code = locate(tmp_path, "--labels", "panda, rocket", "--yolo", tmp_path / "out")

    assert code == 2
    assert "have the same name" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--yolo", "--voc", "--crops"])
def test_a_folder_that_holds_something_is_left_alone(
    locate: Locate, tmp_path: Path, option: str, capfd: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "mine.txt"
    kept.write_text("mine", encoding="utf-8")

    code = locate(PHOTOS / "panda.jpg", "--labels", "panda, rocket", option, tmp_path)

    said = capfd.readouterr().err
    assert code == 2
    assert "is not empty" in said
    assert ("--overwrite" in said) == (option != "--crops")
    assert kept.read_text(encoding="utf-8") == "mine"


def test_broken_pictures_are_skipped(locate: Locate, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    Image.new("RGB", (16, 16), "red").save(tmp_path / "red.png")
    out = tmp_path / "x.jsonl"

    code = locate(tmp_path, "--labels", "panda, rocket", "-o", out)

    assert code == 5
    assert [record["status"] for record in lines(out)] == ["skipped", "ok"]


@pytest.mark.parametrize("size", [(16, 16), (20_000, 300)])
def test_pictures_of_odd_shapes_have_boxes_inside(
    locate: Locate, tmp_path: Path, size: tuple[int, int]
) -> None:
    path, out = tmp_path / "odd.png", tmp_path / "x.jsonl"
    Image.new("RGB", size, "brown").save(path)

    assert locate(path, "--labels", "panda, wood", "--min-score", 0, "-o", out) == 0

    (told,) = lines(out)
    assert (told["width"], told["height"]) == size
    assert told["boxes"]
    for box in told["boxes"]:  # type: ignore[attr-defined]
        left, top, right, bottom = box["box"]
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]


@pytest.mark.parametrize("n", [500, pytest.param(5000, marks=pytest.mark.soak)])
def test_many_labels_are_one_question(locate: Locate, n: int, tmp_path: Path) -> None:
    labels, out = tmp_path / "many.txt", tmp_path / "x.jsonl"
    labels.write_text("".join(f"thing {i}\n" for i in range(n)), encoding="utf-8")

    code = locate(PHOTOS / "coffee.jpg", "--labels", labels, "--min-score", 0.9, "-o", out)

    assert code == 0
    assert lines(out)[0]["status"] == "ok"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing was named to be located"),
        (("--text", " . , "), "no phrase in it"),
        (("--labels", "cat, dog", "--model", "nowhere"), "nowhere"),
        (("--labels", "cat, dog", "--min-score", "2"), "less than or equal to 1"),
    ],
)
def test_bad_questions_are_one_clear_line(
    locate: Locate,
    arguments: tuple[str, ...],
    message: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    code = locate(PHOTOS / "panda.jpg", *arguments)

    error = capfd.readouterr().err
    assert code in (2, 4)
    assert message in error
    assert "Traceback" not in error


def test_a_name_that_the_model_cannot_read_is_refused_before_any_picture(
    locate: Locate, glip: Path, strip: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = locate(strip, "--text", "dog " * 400, "--model", glip)

    assert code == 2
    assert "tokens, and GLIP reads 256" in capfd.readouterr().err


def test_a_phrase_that_comes_again_does_not_take_the_place_of_another(
    locate: Locate, tmp_path: Path
) -> None:
    out = tmp_path / "x.jsonl"

    code = locate(PHOTOS / "cat.jpg", "a panda. a panda. a cat", "-o", out)

    assert code == 0
    assert {box["label"] for box in lines(out)[0]["boxes"]} == {"a cat"}  # type: ignore[attr-defined]


def test_a_name_given_twice_from_python_is_one() -> None:
    (located,) = Locator(["panda", "panda", "cat"]).locate([PHOTOS / "cat.jpg"])

    assert isinstance(located, Located)
    assert {box.label for box in located.boxes} == {"cat"}


def test_pictures_of_one_name_have_crops_of_different_names(locate: Locate, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(PHOTOS / "cat.jpg", tmp_path / folder / "x.jpg")
    places = (tmp_path / "a", tmp_path / "b")

    code = locate(*places, "-l", "cat, rocket", "--top", 1, "--crops", tmp_path / "crops")

    assert code == 0
    names = sorted(path.name for path in (tmp_path / "crops").iterdir())
    assert names == ["x-001-cat.jpg", "x~2-001-cat.jpg"]


def test_names_of_crops_are_short_enough_for_a_disk(locate: Locate, tmp_path: Path) -> None:
    picture = tmp_path / f"{'猫' * 80}.jpg"
    shutil.copy(PHOTOS / "cat.jpg", picture)

    code = locate(
        picture, "--labels", f"cat, {'猫' * 60}", "--min-score", 0, "--crops", tmp_path / "c"
    )

    assert code == 0
    assert all(len(path.name.encode("utf-8")) < 255 for path in (tmp_path / "c").iterdir())


@pytest.mark.parametrize(("option", "code"), [("--yolo", 2), ("--voc", 0)])
def test_a_picture_called_classes_does_not_lose_its_boxes_to_the_labels(
    locate: Locate, tmp_path: Path, option: str, code: int
) -> None:
    shutil.copy(PHOTOS / "cat.jpg", tmp_path / "classes.jpg")

    assert locate(tmp_path, "--labels", "cat, rocket", option, tmp_path / "out") == code

    assert (tmp_path / "out").exists() == (code == 0)


def test_names_are_compared_before_any_picture_is_looked_at(
    locate: Locate, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("x.png", "X.jpg"):  # one file, where a disk knows no case
        Image.new("RGB", (30, 30), "red").save(tmp_path / name)

    code = locate(
        tmp_path, "-l", "panda, rocket", "--voc", tmp_path / "v", "-f", "jsonl", "--min-score", 0
    )

    said = capfd.readouterr()
    assert code == 2
    assert "have the same name" in said.err
    assert said.out == ""


def test_xml_has_no_characters_that_it_may_not_have(locate: Locate, tmp_path: Path) -> None:
    shutil.copy(PHOTOS / "cat.jpg", tmp_path / "a\x01b.jpg")

    assert locate(tmp_path, "--labels", "cat, rocket", "--voc", tmp_path / "voc") == 0

    (path,) = (tmp_path / "voc").iterdir()
    assert ET.parse(path).getroot().findtext("filename") == "a\ufffdb.jpg"


def test_no_png_is_made_where_no_picture_could_be_read(locate: Locate, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")

    code = locate(tmp_path, "--labels", "cat, rocket", "-o", tmp_path / "x.png")

    assert code == 3
    assert [path.name for path in tmp_path.iterdir()] == ["broken.jpg"]


def test_a_picture_beyond_the_usual_limit_is_drawn_too(
    locate: Locate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipcli.workflows.locate.datasets.MAX_PIXELS", 1000)
    monkeypatch.setattr("clipcli.images.upright.MAX_PIXELS", 1000)
    usual = open_upright.__kwdefaults__ | {"max_pixels": 1000}
    monkeypatch.setattr(open_upright, "__kwdefaults__", usual)
    outputs = [tmp_path / f"x.{name}" for name in ("png", "html")]
    options = [option for path in outputs for option in ("-o", path)]

    code = locate(
        *(PHOTOS / "cat.jpg", "--labels", "cat, rocket", "--top", 1, "--max-pixels", 1),
        *(*options, "--crops", tmp_path / "crops"),
    )

    assert code == 0
    assert all(path.exists() for path in outputs)
    assert "data:image/jpeg" in outputs[1].read_text(encoding="utf-8")
    assert len(list((tmp_path / "crops").iterdir())) == 1


def test_one_file_for_two_outputs_is_refused(
    locate: Locate, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.json"

    code = locate(PHOTOS / "cat.jpg", "--labels", "cat, rocket", "-o", out, "--coco", out)

    assert code == 2
    assert "named twice" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_label_that_is_cut_is_told_where_a_model_classifies_places(
    locate: Locate, capfd: pytest.CaptureFixture[str]
) -> None:
    code = locate(PHOTOS / "cat.jpg", "--labels", f"cat, {'word ' * 60}", "--no-cache")

    assert code == 0
    assert "tokens; the model reads the first 32" in capfd.readouterr().err


def test_each_picture_of_a_png_tells_its_name(
    locate: Locate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = []

    def annotated(picture: Image.Image, *arguments: object) -> Image.Image:
        notes.append(arguments[-1])
        return picture

    monkeypatch.setattr("clipcli.workflows.locate.writers.annotated", annotated)
    pictures = (PHOTOS / "panda.jpg", PHOTOS / "cat.jpg")

    assert locate(*pictures, "--labels", "panda, rocket", "-o", tmp_path / "x.png") == 0

    assert notes == ["panda.jpg · small locator", "cat.jpg · small locator"]
