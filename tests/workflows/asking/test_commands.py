"""``clipcli ask`` and ``clipcli describe`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clipcli.cli.app import run

PHOTOS = Path(__file__).parents[3] / "examples" / "photos"


def test_yes_or_no(capfd: pytest.CaptureFixture[str]) -> None:
    code = run(["ask", str(PHOTOS / "cat.jpg"), str(PHOTOS / "coffee.jpg"), "is there a cat?"])

    answers = [line.split("\t")[1] for line in capfd.readouterr().out.splitlines()]
    assert code == 0
    assert answers == ["yes", "no"]


def test_verbose_shows_the_statements(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "x.json"
    question = "what kind of animal is this?"

    code = run(
        [
            "ask",
            str(PHOTOS / "panda.jpg"),
            question,
            "--answers",
            "panda, fish",
            "-v",
            "-o",
            str(out),
        ]
    )

    (told,) = json.loads(out.read_text(encoding="utf-8"))["results"]
    assert code == 0
    assert told["label"] == "panda"
    assert "panda: a photo of a panda, a kind of animal" in capfd.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["is there a cat?"], [], [str(PHOTOS / "cat.jpg"), "why not?"]]
)
def test_what_cannot_be_answered_is_a_line(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["ask", *arguments]) == 2
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["is there a cat?", str(PHOTOS / "cat.jpg")], "cat.jpg: is there, so it is no question"),
        ([str(PHOTOS / "cat.jpg"), "--statement", "a {} cat", "--answers", "a, b"], "which car?"),
    ],
)
def test_where_the_question_goes_is_said(
    arguments: list[str], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["ask", *arguments]) == 2
    assert words in capfd.readouterr().err


def test_answers_that_are_no_choice_are_named_by_their_option(
    capfd: pytest.CaptureFixture[str],
) -> None:
    question = "what colour is the cat?"

    assert run(["ask", str(PHOTOS / "cat.jpg"), question, "--answers", "red, red"]) == 2
    assert "--answers: label 'red' appears twice" in capfd.readouterr().err


def test_a_least_score_wants_a_locator(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["describe", str(PHOTOS / "cat.jpg"), "--min-score", "0.2"]) == 2
    assert "nothing is located" in capfd.readouterr().err


def test_a_description_shows_its_parts(tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"

    code = run(["describe", str(PHOTOS / "cat.jpg"), "-o", str(out)])

    told = json.loads(out.read_text(encoding="utf-8"))
    assert code == 0
    assert set(told) == {"path", "status", "sentence", "parts"}
    assert [part["aspect"] for part in told["parts"]] == [
        "thing",
        "animal",
        "place",
        "weather",
    ]
    said = {part["label"] for part in told["parts"] if part["said"]}
    assert said
    assert told["sentence"] == f"a photo of: {'; '.join(said)}."
