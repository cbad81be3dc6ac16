from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from clipcli.output.html.line_chart import POINTS, curves_page, round_numbers, smoothed


def lines_of(text: str) -> list[list[tuple[float, float]]]:
    found = re.findall(r'<polyline points="([^"]*)"', text)
    return [[tuple(map(float, p.split(","))) for p in points.split()] for points in found]  # type: ignore[misc]


def test_a_line_runs_from_corner_to_corner() -> None:
    text = curves_page("run", [("Loss", {"loss": [(0, 0.0), (50, 1.0), (100, 4.0)]}, False)])

    (line,) = lines_of(text)

    # The margins are 64, 26, 10 and 44 of 720 x 240; y grows downwards.
    assert line == [(64.0, 196.0), (379.0, 149.5), (694.0, 10.0)]


def test_charts_are_whole_xml_and_names_are_only_text() -> None:
    text = curves_page("<run>", [("Right", {"<b>\u202e": [(1, 0.25), (2, 0.5)]}, True)])

    (svg,) = re.findall(r"<svg viewBox.*?</svg>", text, re.DOTALL)
    ET.fromstring(svg)
    assert "<b>" not in text
    assert "\u202e" not in text
    assert "50 %" in text
    assert "&lt;run&gt;" in text


def test_long_lines_are_thinned() -> None:
    points = [(float(i), 1.0) for i in range(10 * POINTS)]

    (line,) = lines_of(curves_page("run", [("Loss", {"loss": points}, False)]))

    assert len(line) == POINTS


def test_a_smoothed_line_is_a_running_mean_that_begins_with_the_first_value() -> None:
    # Of 10 points the window is the least, 2: each value counts half of all before.
    points = [(0.0, 4.0), (1.0, 0.0), (2.0, 0.0)] + [(float(i), 0.0) for i in range(3, 10)]

    found = smoothed(points)

    # (4/4 + 0/2) / (1/4 + 1/2), then (4/8 + 0 + 0) / (1/8 + 1/4 + 1/2)
    assert [y for _, y in found[:3]] == pytest.approx([4.0, 4 / 3, 4 / 7])


def test_long_lines_are_drawn_smoothed_and_axes_have_titles() -> None:
    points = [(float(i), float(i % 2)) for i in range(200)]

    text = curves_page("run", [("Loss", {"loss": points}, False)])

    assert text.count('<polyline class="smooth"') == 1
    assert ">step</text>" in text


def test_without_figures_there_is_a_sentence() -> None:
    assert "no two figures" in curves_page("run", [])


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (1, 7, [2, 4, 6]),
        (0, 1e-4, [0, 2e-5, 4e-5, 6e-5, 8e-5, 1e-4]),
        (12, 1012, [200, 400, 600, 800, 1000]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert round_numbers(low, high) == pytest.approx(expected)
