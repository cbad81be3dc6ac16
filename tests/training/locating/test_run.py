"""``train-locator``: goes on exactly, learns pictures by heart, and learns from a teacher."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from clipcli.cli.app import run
from clipcli.encoder.load_locator import load_locator
from clipcli.encoder.locator import Boxes, Question
from clipcli.encoder.torch.locators.glip_text import WordPiece
from clipcli.errors import OutputExistsError, UsageError
from clipcli.models.locators.source import open_locator
from clipcli.training.data.pair import Pair
from clipcli.training.locating import run as runs
from clipcli.training.locating.draw import Drawer
from clipcli.training.locating.examples import Example, read_examples
from clipcli.training.locating.pseudo import kept_examples, pseudo_examples
from tests.training.locating.toys import NAMES, SIDE_PX, WORDS, write_beginning, write_world

pytest.importorskip("tokenizers")
Train = Callable[..., int]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("toys") / "world", 4, seed=1)


@pytest.fixture(scope="module")
def beginning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_beginning(tmp_path_factory.mktemp("toys") / "beginning")


def train(boxes: Path | None, init: Path, out: Path, *options: object) -> int:
    fixed = ("--init", init, "--out", out, "--size", SIDE_PX, "--device", "cpu", "--quiet")
    named = () if boxes is None else (boxes,)
    return run(["train-locator", *map(str, (*named, *fixed, *options))])


def average_precision(boxes: Path, model: Path, out: Path, figure: str = "ap") -> float:
    asked = ["eval", str(boxes.parent), "--boxes", str(boxes), "--model", str(model), "--no-cache"]
    assert run([*asked, "-o", str(out), "--overwrite", "--quiet"]) == 0
    found: float = json.loads(out.read_text(encoding="utf-8"))[figure]
    return found


def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(
    world: Path, beginning: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--steps", 4, "--batch-size", 2, "--lr", 0.001)
    assert train(world, beginning, tmp_path / "whole", *options) == 0
    step, steps = runs.LocatorRun.train_step, []

    def stop_after_two(self: runs.LocatorRun) -> dict[str, float]:
        figures = step(self)
        steps.append(self.step)
        if len(steps) == 2:
            import signal

            signal.raise_signal(signal.SIGINT)
        return figures

    monkeypatch.setattr(runs.LocatorRun, "train_step", stop_after_two)
    assert train(world, beginning, tmp_path / "parts", *options) == 130
    assert train(world, beginning, tmp_path / "parts", *options) == 0

    assert steps == [1, 2, 3, 4]
    one, other = (
        load_file(tmp_path / n / "model" / "model.safetensors") for n in ("whole", "parts")
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    start = load_file(beginning / "model.safetensors")
    assert any(not torch.equal(one[name], start[name]) for name in one)


def test_the_model_it_writes_locates(world: Path, beginning: Path, tmp_path: Path) -> None:
    assert train(world, beginning, tmp_path, "--steps", 1, "--batch-size", 1) == 0

    source = open_locator(tmp_path / "model")
    locator = load_locator(source, "cpu")
    picture = np.asarray(Image.open(world.parent / "0.png"))
    locator.locate(picture, Question.of_names(NAMES), min_score=0.0, nms=0.6)

    assert source.sides == (SIDE_PX, int(SIDE_PX * 5 / 3))
    assert source.fingerprint != open_locator(beginning).fingerprint


def test_both_forms_of_annotations_are_read(tmp_path: Path) -> None:
    Image.new("RGB", (50, 40)).save(tmp_path / "a.png")
    images = [
        {"id": 1, "file_name": "a.png"},
        {"id": 2, "file_name": "a.png", "caption": "a red thing, a blue thing"},
    ]
    annotations = [
        {"image_id": 1, "category_id": 7, "bbox": [1, 2, 10, 20]},
        {"image_id": 1, "category_id": 7, "bbox": [0, 0, 0, 5]},  # has no area
        {"image_id": 1, "category_id": 7, "bbox": [0, 0, 9, 9], "iscrowd": 1},
        {"image_id": 2, "bbox": [3, 4, 5, 6], "tokens_positive": [[13, 25]]},
    ]
    data = {"images": images, "annotations": annotations, "categories": [{"id": 7, "name": "cat"}]}
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(data), encoding="utf-8")

    named, captioned = read_examples(path)

    assert named == Example(tmp_path / "a.png", ("cat",), (((1, 2, 11, 22), 0),))
    assert captioned.phrases == ("a blue thing",)
    assert captioned.boxes == (((3, 4, 8, 10), 0),)


def test_boxes_follow_their_picture_when_it_is_mirrored(tmp_path: Path) -> None:
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[10:20, 5:25] = 255  # white
    Image.fromarray(pixels).save(tmp_path / "a.png")
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    drawer = Drawer(WordPiece(vocabulary, len(WORDS)), 80, 160)
    example = Example(tmp_path / "a.png", ("red",), (((5, 10, 25, 20), 0),))

    seen = set()
    for seed in range(8):
        drawn = drawer.draw(example, np.random.default_rng(seed))
        left, top, right, bottom = (int(v) for v in drawn.boxes[0])
        brightness = drawn.pixels[0].mean(dim=0)[: drawn.size[0], : drawn.size[1]]
        inside = brightness[top + 2 : bottom - 2, left + 2 : right - 2]
        assert inside.min() > 1.5  # the white part, at twice its size
        assert (right - left, bottom - top) == (40, 20)
        assert drawn.words.tolist() == [[0, 1, 0]]  # begin, red, end
        seen.add(left)
    assert seen == {10, 110}


def test_words_that_may_be_anywhere_teach_nothing(tmp_path: Path) -> None:
    Image.new("RGB", (80, 40)).save(tmp_path / "a.png")
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    drawer = Drawer(WordPiece(vocabulary, len(WORDS)), 40, 80)
    box, spans = ((5.0, 10.0, 25.0, 20.0), 0), ((0, 3), (5, 9))
    example = Example(tmp_path / "a.png", ("red", "blue"), (box,), "red, blue", spans, spans[1:])

    drawn = drawer.draw(example, np.random.default_rng(0))

    # begin, red, comma, blue, end
    assert drawn.words.tolist() == [[0, 1, 0, 0, 0]]
    assert drawn.counts.tolist() == [True, True, True, False, True]


def test_a_side_that_is_named_is_not_mirrored(tmp_path: Path) -> None:
    Image.new("RGB", (80, 40)).save(tmp_path / "a.png")
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join([*WORDS, "left"]) + "\n", encoding="utf-8")
    drawer = Drawer(WordPiece(vocabulary, len(WORDS) + 1), 40, 80)
    boxes = (((5.0, 10.0, 25.0, 20.0), 0),)
    example = Example(tmp_path / "a.png", ("left red",), boxes, "left red", ((0, 8),))

    lefts = {float(drawer.draw(example, np.random.default_rng(i)).boxes[0, 0]) for i in range(8)}

    assert lefts == {5.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": []}, "is not in COCO's form"),
        ({"images": [{"id": 0, "file_name": "gone.png"}]}, "1 of 1 pictures are missing"),
        ({"images": 2 * [{"id": 0, "file_name": "0.png"}]}, "two images with the id 0"),
        ({"annotations": [{"image_id": 5, "category_id": 1, "bbox": [0, 0, 1, 1]}]}, "unknown"),
    ],
)
def test_files_that_make_no_sense_are_one_clear_line(
    world: Path,
    beginning: Path,
    tmp_path: Path,
    change: dict[str, Any],
    message: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    data = json.loads(world.read_text(encoding="utf-8")) | {"annotations": []} | change
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(data), encoding="utf-8")

    assert train(path, beginning, tmp_path / "out") == 3
    error = capfd.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_nothing_to_learn_from_is_refused(
    beginning: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert train(None, beginning, tmp_path) == 2
    assert "nothing to learn from" in capfd.readouterr().err


class Teacher:
    """Is sure of the first phrase, whatever the picture."""

    def check(self, question: Question) -> None:
        if len(question.phrases) > 2:
            raise UsageError("too long")

    def locate(self, picture: Any, question: Question, *, min_score: float, nms: float) -> Boxes:
        scores = np.array([0.9, 0.4], np.float32)
        corners = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32)
        keep = scores > min_score
        return Boxes(corners[keep], scores[keep], np.array([0, 1])[keep])


def test_what_a_teacher_is_sure_of_becomes_an_example(tmp_path: Path) -> None:
    Image.new("RGB", (50, 40)).save(tmp_path / "a.png")
    captions = ("a red thing, a blue thing", "one, two, three")
    pairs = [Pair(tmp_path / "a.png", (caption,)) for caption in captions]
    pairs.append(Pair(tmp_path / "gone.png", ("red",)))
    said: list[str] = []

    (found,) = pseudo_examples(Teacher(), pairs, said.append, sure=0.5)  # type: ignore[arg-type]

    assert found.boxes == (((1, 2, 3, 4), 0),)
    assert [found.caption[a:b] for a, b in found.spans] == ["a red thing", "a blue thing"]
    assert found.unsure == ((13, 25),)  # it is there by the caption, and nobody knows where
    assert [line.partition(": ")[2] for line in said] == ["too long", "no such file or folder"]


def test_a_teacher_is_asked_once_for_each_question(tmp_path: Path) -> None:
    Image.new("RGB", (50, 40)).save(tmp_path / "a.png")
    box, spans = ((1, 2, 3, 4), 0), ((0, 3),)
    example = Example(tmp_path / "a.png", ("red",), (box,), "red, blue", spans, ((5, 9),))
    asked = []

    def make() -> list[Example]:
        asked.append(1)
        return [example]

    for facts in ({"score": 0.5}, {"score": 0.5}, {"score": 0.6}):
        assert kept_examples(tmp_path / "pseudo.json", facts, make) == [example]

    assert len(asked) == 2


@pytest.mark.parametrize("content", ["[]", "{}", '{"info": []}', '{"info": {}, "images": []}'])
def test_a_file_that_no_teacher_has_made_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "pseudo.json"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(OutputExistsError, match="not what a teacher has found"):
        kept_examples(path, {"score": 0.5}, list)

    assert path.read_text(encoding="utf-8") == content


def test_a_model_that_is_there_is_refused_before_a_teacher_looks(
    beginning: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out" / "model").mkdir(parents=True)
    Image.new("RGB", (50, 40)).save(tmp_path / "a.png")
    (tmp_path / "captions.csv").write_text("image,caption\na.png,red thing\n", encoding="utf-8")

    code = train(None, beginning, tmp_path / "out", "--captions", tmp_path / "captions.csv")

    assert code == 2
    assert "no checkpoint is there" in capfd.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model"]


def test_a_run_that_goes_on_says_what_is_different(
    world: Path, beginning: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    fixed = ("--init", beginning, "--out", out, "--size", SIDE_PX, "--device", "cpu")
    options = tuple(map(str, (*fixed, "--batch-size", 1)))
    assert run(["train-locator", str(world), *options, "--steps", "1"]) == 0
    data = json.loads(world.read_text(encoding="utf-8"))
    fewer = world.with_name("fewer.json")
    fewer.write_text(json.dumps(data | {"annotations": data["annotations"][1:]}), encoding="utf-8")

    assert run(["train-locator", str(fewer), *options, "--steps", "2"]) == 0
    assert "other pictures or boxes" in capfd.readouterr().err
    shutil.copytree(beginning, other)
    tensors = load_file(other / "model.safetensors")
    name = next(iter(tensors))
    save_file(tensors | {name: tensors[name] + 1}, other / "model.safetensors")

    assert train(world, other, out, "--steps", 3) == 4
    assert "began with another --init" in capfd.readouterr().err


def test_a_full_disk_is_one_clear_line(
    world: Path, beginning: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)

    assert train(world, beginning, tmp_path, "--steps", 1, "--batch-size", 1) == 3

    assert list((tmp_path / "model").iterdir()) == []


@pytest.mark.soak
def test_sixteen_pictures_are_learned_by_heart(beginning: Path, tmp_path: Path) -> None:
    boxes = write_world(tmp_path / "world", 16, seed=0)
    before = average_precision(boxes, beginning, tmp_path / "before.json")

    options = ("--steps", 240, "--batch-size", 4, "--lr", 0.0015)
    assert train(boxes, beginning, tmp_path / "run", *options) == 0

    after = average_precision(boxes, tmp_path / "run" / "model", tmp_path / "after.json")
    assert before < 0.05
    assert after > 0.8


@pytest.mark.soak
def test_pictures_that_only_a_teacher_has_seen_raise_the_score(
    beginning: Path, tmp_path: Path
) -> None:
    few, more, held_out = (
        write_world(tmp_path / name, n, seed)
        for name, n, seed in (("few", 8, 1), ("more", 96, 2), ("held_out", 40, 3))
    )
    captions = tmp_path / "captions.csv"
    data = json.loads(more.read_text(encoding="utf-8"))
    lines = ["image,caption"]
    for image in data["images"]:
        own = [a for a in data["annotations"] if a["image_id"] == image["id"]]
        caption = " . ".join(f"a {NAMES[a['category_id'] - 1]} thing" for a in own)
        lines.append(f"{more.parent / image['file_name']},{caption}")
    captions.write_text("\n".join(lines) + "\n", encoding="utf-8")
    rules = ("--batch-size", 4, "--lr", 0.0015)

    assert train(few, beginning, tmp_path / "teacher", "--steps", 220, *rules) == 0
    teacher = tmp_path / "teacher" / "model"
    taught = ("--captions", captions, "--teacher", teacher, "--teacher-score", 0.5)
    assert train(few, teacher, tmp_path / "student", "--steps", 320, *rules, *taught) == 0

    alone = average_precision(held_out, teacher, tmp_path / "alone.json", "ap50")
    model = tmp_path / "student" / "model"
    student = average_precision(held_out, model, tmp_path / "student.json", "ap50")
    assert student > alone + 0.02  # 0.81 became 0.87
