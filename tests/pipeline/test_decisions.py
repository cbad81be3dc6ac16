"""``classify`` deciding: reject thresholds, labels asked one by one, and how both are told."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from clipcli import Classified, Classifier, LabelSet
from clipcli.cli.app import run
from clipcli.labels.label_set import Label
from clipcli.pipeline.scoring import ScoringRules, score
from clipcli.results import to_record
from tests.fakes import FakeEncoder, fake_config

NEUTRAL = np.log([[2.0, 3.0]])


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


@pytest.fixture
def cli(fake_model: FakeEncoder, capfd: pytest.CaptureFixture[str]) -> Cli:
    fake_model.config = fake_config(templates=("{}",))

    def call(*arguments: object) -> Outcome:
        code = run([str(argument) for argument in arguments])
        return Outcome(code, *capfd.readouterr())

    return call


def score_shares(*shares: float, words: tuple[float, ...] = (), **rules: object) -> Classified:
    """Score a picture for which labels and neutral words have these shares of one softmax."""
    names = tuple("abcdef"[: len(shares)])
    settings: dict[str, Any] = {"logit_scale": 1.0, "top_k": 2} | rules
    both = np.log(np.array([[*shares, *words]]))
    rows = np.eye(both.shape[1])
    neutral = rows[len(shares) :] if words else None
    (result,) = score(["x"], both, rows[: len(shares)], ScoringRules(names, **settings), neutral)
    return result


@pytest.mark.parametrize(("threshold", "label"), [(0.6, None), (0.63, "b")])
def test_a_picture_above_the_reject_threshold_has_no_label(
    threshold: float, label: str | None
) -> None:
    # Labels have 1 and 2 of 8, neutral words 5 of 8, that is 0.625.
    result = score_shares(1, 2, words=(2, 3), reject_threshold=threshold)

    assert result.reject_score == 0.625
    assert result.label == label
    assert result.decision == ("label" if label else "rejected")
    assert [one.label for one in result.top] == ["b", "a"]
    assert result.top[0].probability == pytest.approx(2 / 3, rel=1e-5)  # the labels' own choice


def test_calibration_moves_probabilities_and_not_the_reject_score() -> None:
    plain = score_shares(1, 2, words=(2, 3), reject_threshold=0.5)

    hot = score_shares(1, 2, words=(2, 3), reject_threshold=0.5, logit_scale=3.0)

    assert hot.reject_score == plain.reject_score
    assert hot.probability > plain.probability


def test_labels_asked_one_by_one_may_be_several() -> None:
    # Beside 5 neutral shares: 20/25, 5/10, 15/20 and 1/6.
    result = score_shares(20, 5, 15, 1, words=(2, 3), independent=True, min_prob=0.5)

    assert result.labels is not None
    assert [(one.label, one.probability) for one in result.labels] == [
        ("a", 0.8),
        ("c", 0.75),
        ("b", 0.5),
    ]
    assert len(result.top) == 2  # of --top-k, as ever
    assert to_record(result)["labels"] == [
        {"label": one.label, "probability": one.probability, "similarity": one.similarity}
        for one in result.labels
    ]


def test_no_yes_is_no_label() -> None:
    result = score_shares(1, 2, words=(10, 10), independent=True, min_prob=0.5)

    assert (result.label, result.labels, result.decision) == (None, (), "below_threshold")


def test_a_labels_own_threshold_decides_its_own_question() -> None:
    result = score_shares(4, 2, words=(3,), independent=True, min_prob=0.9, thresholds={"b": 0.3})

    assert (result.label, result.probability) == ("b", 0.4)
    assert result.top[0].label == "a"


def test_sigmoid_models_need_no_neutral_words_to_be_asked_one_by_one() -> None:
    rows = np.eye(2)
    rules = ScoringRules(("a", "b"), 1.0, kind="sigmoid", independent=True, min_prob=0.5)

    (result,) = score(["x"], np.array([[0.1, -0.1]]), rows, rules)

    assert not rules.needs_neutral
    assert [one.label for one in result.labels or ()] == ["a"]
    assert result.probability == pytest.approx(1 / (1 + np.exp(-0.1)), rel=1e-5)


def test_one_label_alone_may_be_asked_for_yes_or_no(pictures: Path) -> None:
    label_set = LabelSet("one", (Label("red"),))
    classifier = Classifier(
        label_set, templates="plain", encoder=FakeEncoder(), independent=True, min_prob=0.5
    )

    (result,) = classifier.classify(pictures / "red.png")

    assert isinstance(result, Classified)
    assert 0 < result.probability < 1


def test_parents_join_answers_as_independent_chances() -> None:
    result = score_shares(5, 5, words=(5,), independent=True, parents={"a": "both", "b": "both"})

    assert result.parents[0].probability == 0.75  # 1 - 0.5 x 0.5


def test_results_without_these_options_have_no_new_keys(cli: Cli, pictures: Path) -> None:
    record = json.loads(cli("classify", pictures / "red.png", "-l", "red,blue", "-f", "jsonl").out)

    assert set(record) == {"path", "status", "label", "probability", "top"}


def test_each_yes_has_a_line(cli: Cli, pictures: Path) -> None:
    options = ("-l", "red,green,blue", "--independent", "--min-prob")

    everything = cli("classify", pictures / "red.png", *options, 0)
    nothing = cli("classify", pictures / "red.png", *options, 1)

    labels = [line.split("\t")[1] for line in everything.out.splitlines()]
    assert labels[0] == "red"
    assert sorted(labels) == ["blue", "green", "red"]
    assert [line.split("\t")[1] for line in nothing.out.splitlines()] == [""]


def test_csv_has_a_column_for_all_of_them(cli: Cli, pictures: Path) -> None:
    out = cli("classify", pictures, "-l", "red,green,blue", "--independent", "--min-prob", 0,
              "-f", "csv").out  # fmt: skip

    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == 3
    assert all(sorted(row["labels"].split(" | ")) == ["blue", "green", "red"] for row in rows)


def test_the_default_threshold_of_a_question_is_a_half(
    cli: Cli, pictures: Path, tmp_path: Path
) -> None:
    cli("classify", pictures, "-l", "red,blue", "--independent", "-o", tmp_path / "a.json")

    told = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert told["provenance"]["min_prob"] == 0.5
    assert told["provenance"]["probability_kind"] == "independent"
    for result in told["results"]:
        assert all(one["probability"] >= 0.5 for one in result["labels"])
        assert (result["label"] is None) == (not result["labels"])


def test_probabilities_of_one_label_do_not_depend_on_the_others(cli: Cli, pictures: Path) -> None:
    def red(labels: str) -> float:
        out = cli("classify", pictures / "red.png", "-l", labels, "--independent",
                  "--min-prob", 0).out  # fmt: skip
        lines = (line.split("\t") for line in out.splitlines())
        return {label: float(p) for _, label, p in lines}["red"]

    assert red("red,blue") == red("red,green,blue,yellow")


@pytest.mark.parametrize("value", ["-0.1", "1.1", "nan", "half", ""])
def test_a_reject_threshold_that_is_none_is_refused(value: str, cli: Cli, pictures: Path) -> None:
    outcome = cli("classify", pictures, "-l", "red,blue", f"--reject-threshold={value}")

    assert outcome.code == 2
    assert "neither a number from 0 to 1 nor 'fitted'" in outcome.err
    assert outcome.out == ""
