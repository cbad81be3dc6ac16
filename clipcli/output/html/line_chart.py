"""Charts of lines on a page: axes with titles, round numbers, smoothed lines, drawn as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from clipcli.output.html.page import page
from clipcli.output.text import visible

WIDTH, HEIGHT = 720, 240  # of a chart, in its own units
LEFT, RIGHT, TOP, BOTTOM = 64, 26, 10, 44  # margins
POINTS = 400  # a line has no more: neighbours are averaged
SMOOTHED_FROM = 40  # points; shorter lines are drawn as they are
WINDOW = 0.02  # of a line, which smoothing looks back over
COLOURS = ("#3b78c9", "#c8553d", "#3c9d5d", "#9467bd", "#b8901f", "#2aa7b5")  # on light and dark
SIZE: dict[str, Any] = {
    "width": WIDTH,
    "height": HEIGHT,
    "left": LEFT,
    "right": WIDTH - RIGHT,
    "top": TOP,
    "bottom": HEIGHT - BOTTOM,
}

Points: TypeAlias = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Plot:
    """What a chart shows; shares of 1 are written as per cent."""

    title: str
    lines: Mapping[str, Points]  # by name
    is_share: bool = False
    x_title: str = "step"
    y_title: str = ""
    x_is_share: bool = False  # then the axis runs from 0 to 1
    is_unit: bool = False  # both axes run from 0 to 1, and the diagonal is drawn
    has_dots: bool = False  # at each point


@dataclass(frozen=True, slots=True)
class Line:
    """A line, placed on its chart."""

    name: str
    colour: str
    points: str  # as SVG wants them: "x,y x,y"
    smooth: str  # the same, smoothed; empty where there are too few
    dots: Sequence[tuple[float, float, str]]  # places, and the values in words
    last: str  # its last value, in words


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart whose numbers are places on it."""

    title: str
    x_title: str
    y_title: str
    lines: Sequence[Line]
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    diagonal: str  # what is ideal; empty: nothing is


def curves_page(title: str, charts: Sequence[tuple[str, Mapping[str, Points], bool]]) -> str:
    """Return the page; a chart is a title, lines by name, and whether values are shares of 1."""
    drawn = [chart(Plot(name, lines, is_share)) for name, lines, is_share in charts]
    return page(
        "curves.html",
        title=f"Learning curves of {visible(title)}",
        lead="Each value is drawn thin, their running mean bold.",
        charts=drawn,
        provenance=[],
        **SIZE,
    )


def chart(plot: Plot) -> Chart:
    """Place a plot's lines, of which there is one at least, on a chart."""
    thin = {name: _thinned(points) for name, points in plot.lines.items()}
    every = [point for points in thin.values() for point in points]
    x_low, x_high = min(x for x, _ in every), max(x for x, _ in every)
    y_low, y_high = min(y for _, y in every), max(y for _, y in every)
    y_low = min(y_low, 0.0) if y_low < 0.5 * y_high or plot.is_share else y_low
    x_high, y_high = max(x_high, x_low + 1), y_high if y_high > y_low else y_low + (y_low or 1.0)
    if plot.x_is_share:
        x_low, x_high = 0.0, 1.0
    if plot.is_unit:
        y_low, y_high = 0.0, 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / (x_high - x_low)
        up = (y - y_low) / (y_high - y_low)
        return LEFT + across * (WIDTH - LEFT - RIGHT), TOP + (1 - up) * (HEIGHT - TOP - BOTTOM)

    def placed(points: Points) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))

    def x_label(x: float) -> str:
        return f"{100 * x:.3g} %" if plot.x_is_share else f"{x:,.0f}"

    def y_label(y: float) -> str:
        return f"{100 * y:.3g} %" if plot.is_share else f"{y:.4g}"

    def dots(points: Points) -> list[tuple[float, float, str]]:
        return [(*place(x, y), f"{x_label(x)}: {y_label(y)}") for x, y in points]

    return Chart(
        plot.title,
        plot.x_title,
        plot.y_title,
        [
            Line(
                visible(name),
                COLOURS[i % len(COLOURS)],
                placed(points),
                placed(smoothed(points)) if len(points) >= SMOOTHED_FROM else "",
                dots(points) if plot.has_dots else (),
                y_label(points[-1][1]),
            )
            for i, (name, points) in enumerate(thin.items())
        ],
        [(round(place(x, y_low)[0], 1), x_label(x)) for x in round_numbers(x_low, x_high)],
        [(round(place(x_low, y)[1], 1), y_label(y)) for y in round_numbers(y_low, y_high)],
        placed([(0.0, 0.0), (1.0, 1.0)]) if plot.is_unit else "",
    )


def smoothed(points: Points) -> list[tuple[float, float]]:
    """Return the exponentially weighted running mean, its beginning no nearer to zero (Adam's)."""
    decay = 1 - 1 / max(2.0, WINDOW * len(points))
    found, mean, weight = [], 0.0, 0.0
    for x, y in points:
        mean = decay * mean + (1 - decay) * y
        weight = decay * weight + (1 - decay)
        found.append((x, mean / weight))
    return found


def round_numbers(low: float, high: float, about: int = 5) -> list[float]:
    """Return some numbers from ``low`` to ``high`` that are multiples of 1, 2 or 5 x 10^k."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _thinned(points: Points) -> list[tuple[float, float]]:
    """Average neighbours, so that a page of a week's training stays small."""
    every = max(1, math.ceil(len(points) / POINTS))
    if every == 1:
        return list(points)
    groups = (points[i : i + every] for i in range(0, len(points), every))
    return [(own[-1][0], sum(y for _, y in own) / len(own)) for own in groups]
