"""An evaluation's sections on a terminal: aligned, cut where long, without a trap for terminals."""

from __future__ import annotations

from rich.cells import cell_len

from clipcli.workflows.evaluation.report_text import WORD_CELLS, Section, section_lines
from tests.output.conftest import AWKWARD

HEADER = ("label", "mostly taken for", "pictures")


def lines_of(*rows: tuple[str, ...], header: tuple[str, ...] = HEADER, note: str = "") -> list[str]:
    return [line.plain for line in section_lines(Section("Labels", header, rows, 2, note))]


def test_words_stand_left_and_numbers_right() -> None:
    assert lines_of(("cat", "dog", "7"), ("sea lion", "", "1,234"), note="and so on") == [
        "Labels",
        "  label     mostly taken for  pictures",
        "  cat       dog                      7",
        "  sea lion                       1,234",
        "  and so on",
    ]


def test_columns_without_names_have_no_line_for_them() -> None:
    assert lines_of(("a", "b", "1"), header=("", "", "")) == ["Labels", "  a  b  1"]


def test_wide_characters_keep_the_columns() -> None:
    _, *rows = lines_of(("東京タワー", "dog", "7"), ("cat", "犬", "1"))

    assert len({cell_len(row) for row in rows}) == 1


def test_names_of_all_kinds_stay_on_their_line_and_within_their_column() -> None:
    for name in AWKWARD:
        _, header, row = lines_of((name * 5, "x", "1"))

        assert row.isprintable() or "\u200d" in row
        assert cell_len(row) <= cell_len(header) + WORD_CELLS
