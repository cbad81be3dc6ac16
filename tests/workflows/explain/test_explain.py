"""``clipcli explain``: where a label is seen, in every format, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipcli import Classifier
from clipcli.cli.app import run
from clipcli.images.decode import decode_image
from clipcli.models.resolve import open_named
from clipcli.pipeline.heat import HeatMaker, peak, smoothed, stretch
from clipcli.workflows.explain.panels import adds
from clipcli.workflows.explain.reasons import Reasons
from tests.images.test_profiles import profile_of

PHOTOS = Path(__file__).parents[3] / "examples" / "photos"
Explain = Callable[..., int]


@pytest.fixture
def explain() -> Explain:
    return lambda *arguments: run(["explain", *map(str, arguments)])


def tile(name: str, size: int = 160) -> Image.Image:
    picture = decode_image(PHOTOS / f"{name}.jpg")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side)).resize((size, size))


def test_each_label_of_a_mosaic_is_seen_in_its_own_tile() -> None:
    names = ["coffee", "panda", "rocket", "mountain"]
    mosaic = Image.new("RGB", (320, 320))
    for i, name in enumerate(names):
        mosaic.paste(tile(name), (160 * (i % 2), 160 * (i // 2)))
    maker = HeatMaker(Classifier(labels=names), open_named("mini"), "cpu")

    grids = maker.grids(mosaic)

    for i, grid in enumerate(grids):
        x, y = peak(grid, 320, 320)
        assert (x // 160, y // 160) == (i % 2, i // 2), names[i]
    assert (grids.sum(axis=0) < 1).all()  # neutral words have their share


def test_a_mirrored_picture_has_a_mirrored_map() -> None:
    picture = decode_image(PHOTOS / "coffee.jpg")
    maker = HeatMaker(Classifier(labels=["coffee", "panda"]), open_named("mini"), "cpu")

    grids = maker.grids(picture)
    mirrored = maker.grids(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))

    assert np.abs(grids - mirrored[:, :, ::-1]).max() < 0.02  # resampling is not symmetric


@pytest.mark.parametrize("size", [(16, 16), (20_000, 300), (1, 700)])
def test_pictures_of_odd_shapes_have_maps(size: tuple[int, int]) -> None:
    maker = HeatMaker(Classifier(labels=["coffee", "panda"]), open_named("mini"), "cpu")

    grids = maker.grids(Image.new("RGB", size, "brown"))

    assert np.isfinite(grids).all()
    assert max(grids.shape[1:]) <= 4 * min(grids.shape[1:])


def test_all_formats(explain: Explain, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    outputs = {name: tmp_path / f"x.{name}" for name in ("json", "jsonl", "npz", "png", "html")}
    options = [option for path in outputs.values() for option in ("-o", path)]

    code = explain(PHOTOS / "coffee.jpg", "--labels", "coffee, panda, rocket", "-k", 2, *options)

    assert code == 0, capfd.readouterr().err
    (told,) = json.loads(outputs["json"].read_text(encoding="utf-8"))["results"]
    assert set(told) == {"path", "status", "label", "width", "height", "heats"}
    assert (told["label"], told["width"], told["height"]) == ("coffee", 600, 400)
    assert next(heat["label"] for heat in told["heats"]) == "coffee"
    assert set(told["heats"][0]) == {
        *("label", "probability", "similarity", "peak", "prompt", "prompt_similarity", "words"),
        "map",
    }
    assert json.loads(outputs["jsonl"].read_text(encoding="utf-8")) == told
    with np.load(outputs["npz"], allow_pickle=False) as arrays:
        assert arrays["labels_0"][0] == "coffee"
        assert np.allclose(arrays["maps_0"][0], told["heats"][0]["map"], atol=1e-4)
    assert Image.open(outputs["png"]).height > 300
    page = outputs["html"].read_text(encoding="utf-8")
    assert 'type="range"' in page
    assert f"<h1>Where labels are seen in {PHOTOS / 'coffee.jpg'}</h1>" in page
    assert "labels of the command line · mini · " in page
    assert "data:image/jpeg" in page


def test_words_that_name_the_label_add_most(
    explain: Explain, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.json"

    explain(PHOTOS / "panda.jpg", "--labels", "panda, rocket", "-t", "a photo of a {}.", "-o", out)

    heat = json.loads(out.read_text(encoding="utf-8"))["results"][0]["heats"][0]
    assert heat["prompt"] == "a photo of a panda."
    changes = {word["word"]: word["change"] for word in heat["words"]}
    assert max(changes, key=lambda word: changes[word]) == "panda."


def test_a_broken_picture_is_skipped_and_the_rest_is_explained(
    explain: Explain, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    out = tmp_path / "x.jsonl"

    code = explain(tmp_path, "--labels", "coffee, panda", "-o", out)

    records = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert code == 5
    assert [record["status"] for record in records] == ["skipped", "ok"]


def test_a_table_shows_the_picture_in_blocks(
    explain: Explain, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")

    code = explain(PHOTOS / "coffee.jpg", "--labels", "coffee, panda", "--format", "table")

    shown = capfd.readouterr().out
    assert code == 0
    assert shown.count("▀") > 200
    assert "coffee" in shown


def test_labels_are_needed(explain: Explain, capfd: pytest.CaptureFixture[str]) -> None:
    assert explain(PHOTOS / "coffee.jpg") == 2
    assert "no labels were given" in capfd.readouterr().err


def test_stretching_keeps_a_flat_map_flat() -> None:
    assert np.allclose(stretch(np.full((3, 5), 0.25, np.float32), 50, 31), 0.25)


def test_places_are_averaged_with_their_neighbours() -> None:
    grid = np.zeros((1, 3, 4), np.float32)
    grid[0, 0, 1] = 16.0

    (mixed,) = smoothed(grid)

    # 1 2 1 across, and down the same, where the row above the edge is the first one again.
    assert mixed.tolist() == [[3, 6, 3, 0], [1, 2, 1, 0], [0, 0, 0, 0]]


def test_averaging_keeps_a_flat_map_flat_down_to_one_place() -> None:
    for shape in ((2, 1, 1), (1, 1, 5), (3, 4, 4)):
        assert np.allclose(smoothed(np.full(shape, 0.25, np.float32)), 0.25)


def test_where_no_label_is_seen_the_neutral_words_have_most() -> None:
    names = ["rocket", "coffee"]
    maker = HeatMaker(Classifier(labels=names), open_named("mini"), "cpu")

    shown = maker.grids(tile("rocket"))[0].max()
    absent = maker.grids(tile("panda")).sum(axis=0).max()

    assert shown > 0.5 > absent


@pytest.mark.parametrize(
    ("change", "is_added"), [("+0.012", True), ("-0.012", False), ("+0.000", False)]
)
def test_only_words_that_add_something_are_shown_as_such(change: str, is_added: bool) -> None:
    assert adds(change) == is_added


def test_a_picture_beyond_the_usual_limit_is_drawn_too(
    explain: Explain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipcli.workflows.explain.run.MAX_PIXELS", 1000)
    usual = {**decode_image.__kwdefaults__, "max_pixels": 1000}
    monkeypatch.setattr(decode_image, "__kwdefaults__", usual)
    outputs = [tmp_path / f"x.{name}" for name in ("png", "html")]
    options = [option for path in outputs for option in ("-o", path)]

    code = explain(PHOTOS / "cat.jpg", "--labels", "cat, rocket", "--max-pixels", 1, *options)

    assert code == 0
    assert Image.open(outputs[0]).height > 300
    assert "data:image/jpeg" in outputs[1].read_text(encoding="utf-8")


def test_maps_are_of_converted_colours(explain: Explain, tmp_path: Path) -> None:
    swapped = profile_of("sRGB").replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ")
    stored = tile("citrus")
    folder = tmp_path / "photos"
    folder.mkdir()
    stored.save(folder / "profile.png", icc_profile=swapped.replace(b"????", b"bXYZ"))
    Image.merge("RGB", stored.split()[::-1]).save(folder / "by-hand.png")
    maps = {}
    for name, options in (("profile", ("--convert-profiles",)), ("by-hand", ()), ("stored", ())):
        path = folder / f"{name}.png" if name != "stored" else folder / "profile.png"
        out = tmp_path / f"{name}.npz"
        assert explain(path, "--labels", "orange, plum", "-o", out, *options) == 0
        with np.load(out) as arrays:
            maps[name] = np.concatenate(
                [arrays[key].ravel() for key in arrays.files if arrays[key].dtype.kind == "f"]
            )

    assert np.abs(maps["profile"] - maps["by-hand"]).max() < 0.03  # rounded differently
    assert np.abs(maps["profile"] - maps["stored"]).max() > 0.1


@pytest.mark.parametrize("size", [(2000, 30), (30, 2000)])
def test_a_strip_is_drawn_so_that_its_maps_can_be_seen(
    explain: Explain, tmp_path: Path, size: tuple[int, int]
) -> None:
    path, out = tmp_path / "strip.png", tmp_path / "x.png"
    Image.new("RGB", size, "brown").save(path)

    assert explain(path, "--labels", "wood, panda", "-o", out) == 0

    with Image.open(out) as sheet:
        assert sheet.height == 320 + 20  # a caption above the row
        assert sheet.width == 3 * (1280 if size[0] > size[1] else 80) + 2 * 6  # panels and gaps


def test_no_more_prompts_are_remembered_than_fit_into_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("clipcli.workflows.explain.reasons.REMEMBERED", 3)
    classifier = Classifier(labels=["panda", "rocket"])
    row = classifier.encode_texts(["a panda"])[0]
    one = Reasons(classifier)

    first = list(one.of(["panda"], row))
    list(one.of(["rocket"], row))

    assert list(one.of(["panda"], row)) == first
    assert len(one._rows) < 30  # seven prompts of a label, and what is left of one of them


def test_prompts_of_many_labels_are_encoded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"thing {i}" for i in range(150)]
    classifier = Classifier(labels=names, templates="plain")
    row = classifier.encode_texts(["thing 7"])[0]
    alone = [reason for name in names[:3] for reason in Reasons(classifier).of([name], row)]
    batches, encode = [], Classifier.encode_texts

    def counted(self: Classifier, texts: Iterable[str]) -> object:
        texts = list(texts)
        batches.append(len(texts))
        return encode(self, texts)

    monkeypatch.setattr(Classifier, "encode_texts", counted)
    together = list(Reasons(classifier).of(names, row))

    # A hundred labels, each the whole prompt of its own; then "thing" and the hundred numbers.
    assert batches == [100, 101, 50, 50]
    assert [reason.prompt for reason in together] == names
    for one, other in zip(alone, together, strict=False):
        assert one.prompt == other.prompt
        assert one.similarity == pytest.approx(other.similarity, abs=1e-6)
        assert [word for word, _ in one.words] == [word for word, _ in other.words]
