"""Rules and patterns: the folder and the name of a picture."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from clipcli.errors import UsageError
from clipcli.results import Classified, LabelScore
from clipcli.workflows.sorting.pattern import read_pattern
from clipcli.workflows.sorting.rules import Goal, Rules, check_by
from tests.workflows.sorting.trees import classified

WHEN = datetime(2023, 7, 4, 8, 5, 9)  # noqa: DTZ001 - EXIF has no zone


def never() -> datetime | None:
    raise AssertionError("nobody asked for a date")


def folder_of(rules: Rules, first: float, second: float, decision: str = "label") -> str | None:
    top = (LabelScore("cat", first, 0.3), LabelScore("dog", second, 0.3))
    goal = rules.goal(str(Path("a", "x.jpg")), Classified("x", top, decision), never)  # type: ignore[arg-type]
    return goal.folder if goal else None


def test_what_no_label_is_sure_for_stays() -> None:
    rules = Rules({"cat": "cat"}, margin=0.15)

    assert folder_of(rules, 0.5, 0.3) == "cat"
    assert folder_of(rules, 0.5, 0.4) is None
    assert folder_of(rules, 0.5, 0.3, "below_threshold") is None
    assert folder_of(rules, 0.5, 0.3, "rejected") is None


def test_what_no_label_is_sure_for_keeps_its_folders_and_its_name_in_a_folder_of_its_own() -> None:
    rules = Rules({"cat": "cat"}, "later", by="year/label", pattern=read_pattern("{date}_{name}"))

    goal = rules.goal(str(Path("a", "b", "x.jpg")), classified("x", "cat", sure=False), never)

    assert goal == Goal("later", str(Path("later", "a", "b")), "x")


def test_one_label_alone_has_nothing_to_be_close_to() -> None:
    rules = Rules({"cat": "cat"}, margin=0.5)
    result = Classified("x", (LabelScore("cat", 1.0, 0.3),))

    assert rules.goal("x.jpg", result, never) == Goal("cat", "cat", "x")


@pytest.mark.parametrize(
    ("by", "dated", "undated"),
    [
        ("label", "cat", "cat"),
        ("label/year", "cat/2023", "cat/undated"),
        ("year/label", "2023/cat", "undated/cat"),
    ],
)
def test_years_and_labels_lie_in_each_other_as_asked(by: str, dated: str, undated: str) -> None:
    rules = Rules({"cat": "cat"}, by=check_by(by), keep_folders=True)

    goals = [rules.goal("a/x.jpg", classified("x", "cat"), lambda d=d: d) for d in (WHEN, None)]

    assert [Path(goal.heading).as_posix() for goal in goals if goal] == [dated, undated]
    assert [Path(goal.folder).as_posix() for goal in goals if goal] == [
        f"{dated}/a",
        f"{undated}/a",
    ]
    assert [goal.undated for goal in goals if goal] == [
        "",
        "into 'undated'" if "year" in by else "",
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("{date}_{label}_{name}", "2023-07-04_red car_IMG_1"),
        ("{year}{month}{day} {time}", "20230704 08-05-09"),
        ("{{{name}}}", "{IMG_1}"),
        ("été {name}", "été IMG_1"),
    ],
)
def test_a_pattern_is_filled_with_what_is_known(pattern: str, expected: str) -> None:
    rules = Rules({"red car": "red car"}, pattern=read_pattern(pattern))

    goal = rules.goal("IMG_1.jpg", classified("x", "red car"), lambda: WHEN)

    assert goal == Goal("red car", "red car", expected, is_renamed=True)


def test_a_picture_without_a_date_keeps_its_name_if_the_pattern_wants_one() -> None:
    wants = Rules({"cat": "cat"}, pattern=read_pattern("{date}_{name}"))
    does_not = Rules({"cat": "cat"}, pattern=read_pattern("{label}_{name}"))

    kept = wants.goal("x.jpg", classified("x", "cat"), lambda: None)
    renamed = does_not.goal("x.jpg", classified("x", "cat"), never)

    assert kept == Goal("cat", "cat", "x", undated="named as before")
    assert renamed == Goal("cat", "cat", "cat_x", is_renamed=True)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("", "all pictures would get one name"),
        ("holiday", "all pictures would get one name"),
        ("{dat}_{name}", "there is no field {dat}"),
        ("{}", "there is no field {}"),
        ("{name.real}", "there is no field {name.real}"),
        ("{name[0]}", "there is no field {name[0]}"),
        ("{date:%Y}", "there is no field {date:%Y}"),
        ("{name!r}", "there is no field {name!r}"),
        ("{name", "a brace is left open"),
        ("name}", "a brace is left open"),
        ("{label}/{name}", "'/' cannot be in a file's name"),
        ("..\\{name}", "cannot be in a file's name"),
        ("{time}:{name}", "':' cannot be in a file's name"),
        ("{name}\n", "cannot be in a file's name"),
        ("\u202e{name}", "cannot be in a file's name"),
        (".{name}", "begin with a dot"),
        (" {name}", "begin with a dot or a space"),
        ("{name}.jpg", "each file keeps its own ending"),
        ("x" * 130 + "{name}", "is too long"),
    ],
)
def test_a_bad_pattern_is_one_clear_line(text: str, fact: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_pattern(text)

    assert fact in caught.value.message
    assert "\n" not in caught.value.message


def test_an_order_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no such order"):
        check_by("year")
