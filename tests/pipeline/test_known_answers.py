"""Known answers: found by content, kept apart by path, told where they match nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from clipcli.errors import InputError
from clipcli.pipeline.known_answers import KnownAnswers, open_known
from clipcli.pipeline.reviewed import DecisionsError
from clipcli.results import Classified, LabelScore, Skipped
from tests.decisions import record, write


def known_of(path: Path) -> KnownAnswers:
    known = open_known(path)
    assert known is not None
    return known


@pytest.fixture
def known(tmp_path: Path, pictures: Path) -> KnownAnswers:
    records = [
        record(pictures / "red.png", "green", "red", "relabel"),
        record(pictures / "blue.png", "blue", None, "reject"),
    ]
    return known_of(write(tmp_path / "d.jsonl", records))


def test_finds_a_picture_that_was_moved(known: KnownAnswers, pictures: Path) -> None:
    (pictures / "red.png").rename(pictures / "other.png")

    found = known.of(str(pictures / "other.png"))

    assert found is not None
    assert found.new == "red"
    assert known.of(str(pictures / "green.png")) is None
    assert known.of(str(pictures / "gone.png")) is None
    assert known.of("archive.tar::red.png") is None


def test_answers_in_place_of_the_model(known: KnownAnswers, pictures: Path) -> None:
    top = (LabelScore("green", 0.6, 0.3), LabelScore("red", 0.4, 0.2))
    results = [Classified(str(pictures / f"{name}.png"), top) for name in ("red", "green", "blue")]

    red, green, blue = map(known.answered, results)

    assert isinstance(red, Classified)
    assert isinstance(blue, Classified)
    assert (red.label, red.probability, red.decision, red.top) == ("red", 1.0, "reviewed", top)
    assert green == results[1]
    assert (blue.label, blue.decision) == (None, "reviewed")
    assert known.answered(Skipped("a", "b")) == Skipped("a", "b")


def test_answers_where_several_labels_could_be_given(known: KnownAnswers, pictures: Path) -> None:
    top = (LabelScore("green", 0.6, 0.3), LabelScore("red", 0.4, 0.2))
    names = ("red", "blue")
    results = [Classified(str(pictures / f"{n}.png"), top, labels=top[:1]) for n in names]

    red, blue = map(known.answered, results)

    assert isinstance(red, Classified)
    assert isinstance(blue, Classified)
    assert red.labels == (LabelScore("red", 1.0, 0.2),)
    assert blue.labels == ()


def test_tells_what_matches_nothing(known: KnownAnswers, pictures: Path) -> None:
    (pictures / "blue.png").write_bytes(b"something else")

    known.of(str(pictures / "red.png"))
    known.of(str(pictures / "blue.png"))

    (line,) = known.left_over()
    assert line == (
        f"{known.source}: 1 of 2 decisions match no picture here, 1 of them changed since: "
        f"{pictures / 'blue.png'}"
    )


def test_refuses_decisions_of_another_data_set(known: KnownAnswers, pictures: Path) -> None:
    known.of(str(pictures / "green.png"))

    with pytest.raises(InputError, match="none of its 2 decisions is about a picture here"):
        known.check_found()


def test_refuses_labels_that_nobody_asked_for(known: KnownAnswers) -> None:
    known.check_labels(["red", "blue"])

    with pytest.raises(DecisionsError, match="'red' is not among the labels"):
        known.check_labels(["cat", "dog"])


def test_of_two_copies_the_path_says_which_is_wanted(tmp_path: Path, pictures: Path) -> None:
    for folder in ("a", "b"):
        (pictures / folder).mkdir()
        shutil.copy(pictures / "red.png", pictures / folder / "red.png")
    records = [
        record(pictures / "a" / "red.png", "red", "red", "accept"),
        record(pictures / "b" / "red.png", "red", None, "reject"),
    ]
    known = known_of(write(tmp_path / "d.jsonl", records))
    moved = pictures.rename(tmp_path / "moved")

    kept, rejected = known.of(str(moved / "a" / "red.png")), known.of(str(moved / "b" / "red.png"))
    unclear = known.of(str(moved / "red.png"))

    assert kept is not None
    assert rejected is not None
    assert (kept.verdict, rejected.verdict, unclear) == ("accept", "reject", None)
