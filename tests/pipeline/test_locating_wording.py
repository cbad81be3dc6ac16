"""Every word of a label counts for it when things are located, and boxes have its name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clipcli import LabelSet, Locator, Skipped
from clipcli.cli.app import run
from clipcli.encoder.boxes import overlaps, suppress_words
from clipcli.encoder.locator import Question
from clipcli.encoder.torch.locators.owl_runner import OwlRunner
from clipcli.labels.label import Label
from clipcli.labels.label_set import builtin_label_sets, load_label_set
from clipcli.labels.templates import TEMPLATE_SETS, prompts_for_label
from clipcli.pipeline.locating.wording import label_set_of, question_of
from tests.encoder.torch.locators.test_owl import build, photo, write

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"


def located(*arguments: object) -> list[dict[str, Any]]:
    out = Path("located.jsonl")
    assert run(["locate", *map(str, arguments), "--overwrite", "-o", str(out)]) == 0
    records = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    return [box for record in records for box in record["boxes"]]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_all_words_and_prompts_are_asked_and_each_knows_its_label() -> None:
    labels = LabelSet(
        "pets",
        (
            Label("dog", ("puppy", "Dog"), ("a hound asleep.",)),
            Label("n02123045", ("tabby",)),
            Label("bird"),
        ),
    )

    question = question_of(labels)

    assert question.phrases == ("dog", "puppy", "a hound asleep.", "tabby", "bird")
    assert question.labels == ("dog", "n02123045", "bird")
    assert [question.label_of(i) for i in range(5)] == [0, 0, 0, 1, 2]
    assert question.written == (False, False, True, False, False)
    assert question.by_label() == Question.of_names(["dog", "n02123045", "bird"])


def test_prompts_alone_are_asked_where_a_set_has_no_templates() -> None:
    labels = LabelSet("quality", (Label("blurry", ("soft",), ("an unsharp photo",)),), templates=())

    assert question_of(labels).phrases == ("an unsharp photo",)


def test_names_alone_are_the_question_that_they_were() -> None:
    assert question_of(LabelSet.from_names(["cat", "dog"])) == Question.of_names(["cat", "dog"])


@pytest.mark.parametrize("name", builtin_label_sets())
def test_a_model_that_classifies_places_reads_the_prompts_of_classify(name: str) -> None:
    labels = load_label_set(name)

    again = label_set_of(question_of(labels))

    templates = TEMPLATE_SETS["photo"] if labels.templates is None else labels.templates
    assert again.templates == labels.templates
    assert again.names == labels.names
    for one, other in zip(labels.labels, again.labels, strict=True):
        # Which of the words is the name makes no difference to their mean.
        assert set(prompts_for_label(one, templates)) == set(prompts_for_label(other, templates))


@pytest.mark.parametrize("how", [(), ("--coarse",)])
def test_a_synonym_finds_what_the_name_does_not(how: tuple[str, ...]) -> None:
    boxes = located(PHOTOS / "cat.jpg", "-l", "felix the third | cat | kitten, rocket", *how)

    assert {box["label"] for box in boxes} == {"felix the third"}


def test_words_of_a_label_compete_as_one_label_and_the_box_tells_which_it_was() -> None:
    write(build("owlvit"), Path("owl"))
    Image.fromarray(photo(200, 150)).save("x.png")
    asked = ("x.png", "--model", "owl", "--min-score", 0, "--precision", "fp32")
    apart = located(*asked, "-l", "cat, ab, xy", "--nms", 1)
    owners = {"cat": "cat", "ab": "cat", "xy": "xy"}

    together = located(*asked, "-l", "cat | ab, xy", "--nms", 0.01)

    # A plain loop over what each word finds by itself.
    kept: list[dict[str, Any]] = []
    for box in apart:
        rivals = [one for one in kept if owners[one["label"]] == owners[box["label"]]]
        corners = np.array([one["box"] for one in rivals], np.float32).reshape(-1, 4)
        shares = overlaps(np.array(box["box"], np.float32), corners)
        if (shares <= 0.01).all():
            kept.append(box)
    told = [(box["phrase"], box["score"], box["box"]) for box in together]
    assert told == [(box["phrase"], box["score"], box["box"]) for box in kept]
    assert {(box["phrase"], box["label"]) for box in together} <= set(owners.items())
    assert {"cat", "ab"} <= {box["phrase"] for box in together}
    assert len(kept) < len(apart)


def test_what_two_words_find_is_one_thing_also_where_all_boxes_are_kept() -> None:
    corners = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 9], [0, 0, 10, 6]], np.float32)
    scores = np.array([0.9, 0.8, 0.7, 0.6], np.float32)
    words = np.array([0, 1, 0, 1])  # the first is told again by another word, and by its own

    kept = suppress_words(corners, scores, words, (0, 0), limit=1.0)
    others = suppress_words(corners, scores, words, (0, 1), limit=1.0)
    alone = suppress_words(corners, scores, words, (), limit=1.0)

    assert kept.tolist() == [0, 2, 3]  # 90 % of the first; its own word's stays, as ever; 60 %
    assert others.tolist() == alone.tolist() == [0, 1, 2, 3]


def test_prompts_are_read_as_they_are_written() -> None:
    labels = LabelSet("pets", (Label("cat", prompts=("a cat asleep",)), Label("dog")))

    texts = OwlRunner._texts(question_of(labels))

    assert texts == ["a photo of a cat", "a cat asleep", "a photo of a dog"]


def test_every_form_calls_a_box_by_its_label() -> None:
    shutil.copy(PHOTOS / "cat.jpg", "cat.jpg")
    forms = ("--coco", "coco.json", "--yolo", "yolo", "--voc", "voc", "--crops", "crops")

    located("cat.jpg", "-l", "felix the third | cat, rocket | spaceship", *forms)

    assert {one["category"] for one in json.loads(Path("coco.json").read_text("utf-8"))} == {
        "felix the third"
    }
    assert Path("yolo/classes.txt").read_text("utf-8") == "felix the third\nrocket\n"
    assert "<name>felix the third</name>" in Path("voc/cat.xml").read_text("utf-8")
    assert all("felix_the_third" in path.name for path in Path("crops").iterdir())


def test_words_that_are_added_are_another_question_to_the_cache() -> None:
    picture = PHOTOS / "cat.jpg"
    labels = Path("pets.txt")

    labels.write_text("felix the third\nrocket\n", "utf-8")
    before = located(picture, "-l", labels)
    labels.write_text("felix the third | cat\nrocket\n", "utf-8")

    assert before == []
    assert located(picture, "-l", labels) != []


def test_a_label_set_from_python_brings_its_words() -> None:
    labels = load_label_set("felix the third | cat, rocket")

    (found,) = Locator(labels).locate([PHOTOS / "cat.jpg"])

    assert not isinstance(found, Skipped)
    assert {box.label for box in found.boxes} == {"felix the third"}
