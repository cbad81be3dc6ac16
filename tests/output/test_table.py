"""The terminal's table: ranked lists for a handful, one line an image for many."""

from __future__ import annotations

import io
import sys

import pytest
from rich.cells import cell_len
from rich.console import Console

from clipcli.output.table import Table, bar, percent
from clipcli.results import Classified, LabelScore, Result, Skipped
from tests.output.conftest import AWKWARD, LABELS, classified


def shown(
    *results: Result,
    ranked: bool,
    width: int = 80,
    names: tuple[str, ...] = LABELS,
    **options: object,
) -> str:
    """Return what a terminal of the given width is sent."""
    stream = io.StringIO()
    settings = {"force_terminal": True, "markup": False, "emoji": False, "highlight": False}
    # "dumb" has no colours; the styles are another test's matter.
    settings |= {"soft_wrap": True, "width": width, "color_system": None, "file": stream}
    console = Console(**(settings | options))  # type: ignore[arg-type]
    table = Table(names, ranked=ranked, console=console)
    for result in results:
        table.write(result)
    return stream.getvalue()


CAT = classified("cat.jpg", ("cat", 0.75), ("dog", 0.25), ("teapot", 0.0))


def test_a_ranked_list_has_every_label_with_its_bar() -> None:
    lines = shown(CAT, ranked=True).splitlines()

    # 24 cells are 100 %, so 18 and 6 cells.
    assert lines == [
        "cat.jpg",
        "  cat      75.0 %  " + "█" * 18,
        "  dog      25.0 %  " + "█" * 6,
        "  teapot    0.0 %  ",
        "",
    ]


def test_a_list_of_many_has_one_line_an_image_with_the_path_last() -> None:
    lines = shown(CAT, Skipped("b.jpg", "truncated JPEG"), ranked=False).splitlines()

    assert lines == [
        " 75.0 %  cat            cat.jpg",
        "skipped                 b.jpg: truncated JPEG",
    ]


def test_a_skipped_picture_says_why() -> None:
    assert shown(Skipped("b.jpg", "truncated JPEG"), ranked=True).splitlines() == [
        "b.jpg",
        "  skipped: truncated JPEG",
        "",
    ]


@pytest.mark.parametrize("ranked", [True, False])
@pytest.mark.parametrize(
    ("decision", "verdict"), [("below_threshold", "unsure"), ("rejected", "none of these")]
)
def test_a_picture_without_a_label_says_so(decision: str, verdict: str, ranked: bool) -> None:
    result = classified("cat.jpg", ("cat", 0.4), decision=decision)

    assert verdict in shown(result, ranked=ranked)


def test_groups_follow_the_labels() -> None:
    result = Classified(
        "cat.jpg", (LabelScore("cat", 0.5, 0.2),), parents=(LabelScore("animal", 0.9, 0.2),)
    )

    lines = shown(result, ranked=True, names=("cat", "animal")).splitlines()

    assert [line.split()[:2] for line in lines[1:4]] == [
        ["cat", "50.0"],
        ["in", "groups"],
        ["animal", "90.0"],
    ]


@pytest.mark.parametrize("ranked", [True, False])
@pytest.mark.parametrize("name", AWKWARD)
def test_nothing_in_a_name_reaches_the_terminal_as_a_command(name: str, ranked: bool) -> None:
    result = Classified(name, (LabelScore(name, 1.0, 0.3),))

    text = shown(result, Skipped(name, name), ranked=ranked, names=(name,), width=400)

    assert not set(text) & set("\x1b\r\t\u202e\u2028\udce9")
    per_result = [3, 3] if ranked else [1, 1]  # lines: a line break in a name is none here
    assert text.count("\n") == sum(per_result)
    if name.isascii() and name.isprintable():
        assert name in text


@pytest.mark.parametrize("width", [10, 20, 30, 40, 60, 80, 200])
def test_ranked_lines_fit_the_terminal(width: int) -> None:
    long = "a label that is much longer than any column would be, really"
    result = classified("cat.jpg", (long, 0.9), ("日本語のラベル" * 5, 0.1))

    text = shown(result, ranked=True, width=width, names=(long,))

    # Below 20 columns there is no room for two blanks, a letter, and a probability.
    assert max(map(cell_len, text.splitlines())) <= max(width, 20)


@pytest.mark.parametrize("ranked", [True, False])
def test_columns_line_up_whatever_script_the_labels_are_in(ranked: bool) -> None:
    names = ("猫", "dog", "Ünïcödé", "👩‍🔬")
    results = [classified("x.jpg", *[(name, 0.25) for name in names])]
    results += [classified("x.jpg", (name, 0.25)) for name in names]

    lines = shown(*results, ranked=ranked, names=names).splitlines()

    mark = "25.0 %" if ranked else "x.jpg"
    heads = [line.partition(mark)[0] for line in lines if "25.0 %" in line]
    assert len({cell_len(head) for head in heads}) == 1


def test_colours_on_a_terminal_none_where_they_are_unwanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    coloured = shown(CAT, ranked=True, color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    plain = shown(CAT, ranked=True, color_system="standard")

    green = "\x1b[32m"
    assert green in coloured
    assert green not in plain


def test_a_terminal_without_unicode_gets_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stream, encoding="ascii"))

    Table(["naïve"], ranked=True).write(classified("日本.jpg", ("naïve", 0.5)))

    assert stream.getvalue().decode("ascii").splitlines() == [
        "??.jpg",
        "  na?ve   50.0 %  " + "#" * 12,
        "",
    ]


@pytest.mark.parametrize(
    ("probability", "cells", "expected"),
    [(0.0, 8, ""), (1.0, 8, "████████"), (0.5, 8, "████"), (0.5625, 2, "█▏"), (0.001, 8, "")],
)
def test_bars_have_eighths(probability: float, cells: int, expected: str) -> None:
    assert bar(probability, cells, "utf-8") == expected


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        (0.0, "0.0 %"),
        (1e-9, "0.0 %"),
        (0.0001, "<0.1 %"),
        (0.0005, "0.1 %"),
        (0.123, "12.3 %"),
        (0.9994, "99.9 %"),
        (0.99951, ">99.9 %"),
        (0.99999, ">99.9 %"),
        (1.0, "100.0 %"),
    ],
)
def test_probabilities_as_people_read_them(probability: float, expected: str) -> None:
    assert percent(probability) == expected
