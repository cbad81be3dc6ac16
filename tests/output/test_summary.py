"""A run in a few lines: labels with counts, files that were written."""

from __future__ import annotations

from pathlib import Path

from clipcli.output.summary import LABELS_SHOWN, Summary, written
from clipcli.results import Skipped
from tests.output.conftest import classified


def summary_of(**counts: int) -> Summary:
    summary = Summary()
    results = [classified("x.jpg", (label, 0.9)) for label, n in counts.items() for _ in range(n)]
    assert list(summary.count(results)) == results
    return summary


def test_counts_labels_verdicts_and_skips_in_words() -> None:
    summary = summary_of(cat=30, dog=12, cow=2, horse=1)
    others = [
        classified("u.jpg", ("cat", 0.2), decision="below_threshold"),
        classified("r.jpg", ("cat", 0.2), decision="rejected"),
        Skipped("s.jpg", "truncated JPEG"),
    ]

    list(summary.count(others))

    assert summary.in_words() == (
        "47 pictures, 30 cat, 12 dog, 2 cow, 1 more label, 1 unsure, 1 none of these, 1 skipped"
    )


def test_lists_the_most_frequent_first_with_bars_in_proportion() -> None:
    lines = list(summary_of(dog=10, **{"a cat": 20}).lines("ascii"))

    assert lines == [
        "30 pictures, 2 labels",
        "  a cat       20  ########################",
        "  dog         10  ############",
    ]


def test_many_labels_are_cut_with_a_count_of_the_rest() -> None:
    lines = list(summary_of(**{f"label {i:02}": 2 for i in range(LABELS_SHOWN + 3)}).lines("utf-8"))

    assert len(lines) == LABELS_SHOWN + 2
    assert lines[-1] == "  and 3 more labels, 6 pictures"


def test_nothing_is_listed_where_nothing_could_be_read() -> None:
    assert list(summary_of().lines("utf-8")) == []


def test_control_characters_of_labels_and_files_are_made_visible() -> None:
    assert list(summary_of(**{"a\x1b[31m": 1}).lines("ascii"))[1].startswith("  a\\x1b[31m")
    assert list(written([(Path("a\nb.csv"), "csv")], "2 pictures")) == [
        "wrote a\\x0ab.csv: 2 pictures"
    ]


def test_long_labels_are_shortened_in_the_middle() -> None:
    lines = list(summary_of(**{"a photograph of a small dog on a red sofa": 1}).lines("ascii"))

    # 14 characters, the sign, 13 characters: 28 in all
    assert lines[1].startswith("  a photograph o…on a red sofa  ")
