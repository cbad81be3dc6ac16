"""Rules of labels: what a file tells decides, with a stated probability; figures by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipcli import Classified, Classifier, LabelSet
from clipcli.cache.image_cache import ImageCache
from clipcli.images.origin import DOCUMENT, PHOTOGRAPH, SCREENSHOT
from clipcli.labels.label import Label
from clipcli.pipeline.embed import Embedded
from clipcli.pipeline.file_rules import apply_rules
from clipcli.pipeline.scoring import ScoringRules, score
from clipcli.results import to_record
from tests.fakes import FakeEncoder
from tests.images.test_origin import CAMERA, screen

NAMES = ("cat", "chat", "page")
RULES = {"chat": "screenshot", "page": "screenshot"}


def applied(
    row: list[float], origin: int, rules: dict[str, str] | None = None, **how: bool
) -> tuple[list[float], str]:
    settings = {"is_one_choice": True} | how
    scores, fired = apply_rules(np.array([row]), [origin], NAMES, rules or RULES, **settings)
    return scores[0].tolist(), fired[0]


def test_labels_of_the_rule_share_what_is_stated_as_the_model_would() -> None:
    # 0.99 in the proportion of 0.1 to 0.3; the rest of 0.01 goes to the only other label.
    shares, fired = applied([0.6, 0.1, 0.3], SCREENSHOT)

    assert shares == pytest.approx([0.01, 0.2475, 0.7425])
    assert fired == "screenshot"


def test_without_evidence_or_a_rule_nothing_changes() -> None:
    assert applied([0.6, 0.1, 0.3], 0) == ([0.6, 0.1, 0.3], "")
    assert applied([0.6, 0.1, 0.3], DOCUMENT) == ([0.6, 0.1, 0.3], "")
    assert applied([0.6, 0.1, 0.3], PHOTOGRAPH, {"cat": "document"}) == ([0.6, 0.1, 0.3], "")


def test_reject_prompts_get_a_share_of_the_rest_only() -> None:
    # A fourth column is a reject prompt's: 0.01 in the proportion of 0.1 to 0.5.
    shares, _ = applied([0.1, 0.1, 0.3, 0.5], SCREENSHOT)

    assert shares == pytest.approx([0.01 / 6, 0.2475, 0.7425, 0.05 / 6])


def test_labels_that_the_model_gives_nothing_share_alike() -> None:
    assert applied([1.0, 0.0, 0.0], SCREENSHOT)[0] == pytest.approx([0.01, 0.495, 0.495])


def test_a_camera_leaves_a_screenshot_what_its_word_may_be_wrong() -> None:
    shares, fired = applied([0.2, 0.6, 0.2], PHOTOGRAPH)

    assert shares == pytest.approx([0.99, 0.0075, 0.0025])
    assert fired == "photograph"
    assert applied([0.992, 0.004, 0.004], PHOTOGRAPH) == ([0.992, 0.004, 0.004], "")


def test_questions_one_by_one_take_nothing_from_each_other() -> None:
    shares, _ = applied([0.6, 0.1, 0.3], SCREENSHOT, is_one_choice=False, is_independent=True)

    assert shares == pytest.approx([0.6, 0.1, 0.99])


def test_sigmoids_of_one_choice_let_the_rule_win() -> None:
    shares, _ = applied([0.999, 0.1, 0.3], SCREENSHOT, is_one_choice=False)

    assert shares == pytest.approx([0.00999, 0.1, 0.99])


def test_every_row_is_changed_by_its_own_file() -> None:
    rows = np.array([[0.6, 0.1, 0.3]] * 2)

    scores, fired = apply_rules(rows, [0, SCREENSHOT], NAMES, RULES, is_one_choice=True)

    assert scores[0].tolist() == [0.6, 0.1, 0.3]
    assert scores.sum(axis=1) == pytest.approx([1, 1])
    assert fired == ["", "screenshot"]


def test_a_rule_stands_before_rejection_and_not_before_a_threshold() -> None:
    # "cat" and the reject prompt look alike: only the rule speaks for the screenshot.
    row, classifier = np.array([[1.0, 0.0, 0.0]]), np.eye(3)
    settings = {"logit_scale": 10.0, "file_rules": {"shot": "screenshot"}, "top_k": 2}
    rules = ScoringRules(("cat", "shot"), **settings, reject_threshold=0.0)  # type: ignore[arg-type]
    strict = ScoringRules(("cat", "shot"), **settings, min_prob=0.995)  # type: ignore[arg-type]

    (told,) = score(["a"], row, classifier, rules, np.eye(3), [SCREENSHOT])
    (untold,) = score(["a"], row, classifier, rules, np.eye(3), [0])
    (below,) = score(["a"], row, classifier, strict, None, [SCREENSHOT])

    assert (told.label, told.rule, told.probability) == ("shot", "screenshot", 0.99)
    assert untold.decision == "rejected"
    assert below.decision == "below_threshold"


def classifier(**options: object) -> Classifier:
    labels = LabelSet.from_names([Label("red"), Label("blue", rule="screenshot")])
    settings: dict[str, object] = {"templates": "plain", "encoder": FakeEncoder()}
    return Classifier(labels, **(settings | options))  # type: ignore[arg-type]


def test_cold_warm_without_cache_and_from_memory_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "shot.png"
    screen().save(path)
    answers = []

    for cache in (ImageCache(tmp_path / "c"), ImageCache(tmp_path / "c"), ImageCache(None)):
        answers += list(classifier(image_cache=cache).classify([path]))
    (from_memory,) = classifier().classify_bytes([(str(path), path.read_bytes())])

    assert isinstance(from_memory, Classified)
    assert from_memory.label == "blue"
    assert from_memory.probability == 0.99
    assert to_record(from_memory)["rule"] == "screenshot"
    assert answers == [from_memory] * 3


def test_rules_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "shot.png"
    screen().save(path)

    (told,) = classifier().classify([path])
    (asked,) = classifier(no_rules=True).classify([path])

    assert isinstance(asked, Classified)
    assert "rule" not in to_record(asked)
    assert asked != told
    assert sum(one.probability for one in asked.top) == pytest.approx(1, abs=1e-5)


def test_what_a_camera_took_is_no_screenshot_whatever_the_model_says(tmp_path: Path) -> None:
    path = tmp_path / "blue.jpg"
    Image.new("RGB", (64, 64), "blue").save(path, exif=CAMERA)

    (asked,) = classifier(no_rules=True).classify([path])
    (told,) = classifier().classify([path])

    assert isinstance(asked, Classified)
    assert isinstance(told, Classified)
    assert asked.label == "blue"
    assert (told.label, told.rule) == ("red", "photograph")


def test_an_evaluation_says_what_classify_says(tmp_path: Path) -> None:
    from clipcli.workflows.evaluation.predictions import predict

    row = FakeEncoder().encode_texts(["red"])[0]
    pictures = [Embedded("a.png", row), Embedded("b.png", row, SCREENSHOT << 4)]
    asked = classifier()

    judged = predict(asked, pictures, [0, 1])
    classified = asked.score(pictures)

    assert [asked.label_set.names[i] for i in judged.first] == [one.label for one in classified]
    assert judged.first_probabilities == pytest.approx([x.probability for x in classified], 1e-5)
    assert judged.is_right.tolist() == [True, True]
    assert judged.by_the_model().paths == ("a.png",)
