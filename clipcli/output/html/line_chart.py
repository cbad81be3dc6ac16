"""Learning curves as a page: lines, axes and round numbers, drawn as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipcli.output.html.page import page
from clipcli.output.text import visible

WIDTH, HEIGHT = 720, 240  # of a chart, in its own units
LEFT, RIGHT, TOP, BOTTOM = 60, 10, 10, 28  # margins
POINTS = 400  # a line has no more: neighbours are averaged
COLOURS = ("#3b78c9", "#c8553d", "#3c9d5d", "#9467bd", "#b8901f", "#2aa7b5")  # on light and dark


@dataclass(frozen=True, slots=True)
class Line:
    """A line, placed on its chart."""

    name: str
    colour: str
    points: str  # as SVG wants them: "x,y x,y"
    last: str  # its last value, in words


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart whose numbers are places on it."""

    title: str
    lines: Sequence[Line]
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]


def curves_page(
    title: str, charts: Sequence[tuple[str, Mapping[str, Sequence[tuple[float, float]]], bool]]
) -> str:
    """Return the page; a chart is a title, lines by name, and whether values are shares of 1."""
    drawn = [_chart(*chart) for chart in charts]
    size: dict[str, Any] = {"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": WIDTH - RIGHT}
    size |= {"top": TOP, "bottom": HEIGHT - BOTTOM}
    return page(
        "curves.html",
        title=visible(title),
        lead="Learning curves",
        charts=drawn,
        provenance=[],
        **size,
    )


def _chart(title: str, lines: Mapping[str, Sequence[tuple[float, float]]], is_share: bool) -> Chart:
    thin = {name: _thinned(points) for name, points in lines.items()}
    every = [point for points in thin.values() for point in points]
    x_low, x_high = min(x for x, _ in every), max(x for x, _ in every)
    y_low, y_high = min(y for _, y in every), max(y for _, y in every)
    y_low = min(y_low, 0.0) if y_low < 0.5 * y_high or is_share else y_low
    x_high, y_high = max(x_high, x_low + 1), y_high if y_high > y_low else y_low + (y_low or 1.0)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / (x_high - x_low)
        up = (y - y_low) / (y_high - y_low)
        return LEFT + across * (WIDTH - LEFT - RIGHT), TOP + (1 - up) * (HEIGHT - TOP - BOTTOM)

    def label(y: float) -> str:
        return f"{100 * y:.3g} %" if is_share else f"{y:.4g}"

    return Chart(
        title,
        [
            Line(
                visible(name),
                COLOURS[i % len(COLOURS)],
                " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points)),
                label(points[-1][1]),
            )
            for i, (name, points) in enumerate(thin.items())
        ],
        [(round(place(x, y_low)[0], 1), f"{x:,.0f}") for x in round_numbers(x_low, x_high)],
        [(round(place(x_low, y)[1], 1), label(y)) for y in round_numbers(y_low, y_high)],
    )


def round_numbers(low: float, high: float, about: int = 5) -> list[float]:
    """Return some numbers from ``low`` to ``high`` that are multiples of 1, 2 or 5 x 10^k."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Average neighbours, so that a page of a week's training stays small."""
    every = max(1, math.ceil(len(points) / POINTS))
    if every == 1:
        return list(points)
    groups = (points[i : i + every] for i in range(0, len(points), every))
    return [(own[-1][0], sum(y for _, y in own) / len(own)) for own in groups]
