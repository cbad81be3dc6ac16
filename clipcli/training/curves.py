"""This file knows about learning curves: what a run's log says, as lines over its steps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

Points: TypeAlias = list[tuple[float, float]]  # step and value

LOSSES = ("loss", "targets_loss", "classifier_loss")
ALONE = (  # each on a chart of its own
    ("lr", "Learning rate"),
    ("scale", "Logit scale"),
    ("pictures_per_s", "Pictures a second"),
)
NO_SCORES = {"event", "step", "size_px", "seconds", "progress"}


@dataclass(frozen=True, slots=True)
class Curves:
    """Lines that belong on one chart, by name."""

    title: str
    lines: Mapping[str, Points] = field(default_factory=dict)
    is_share: bool = False  # values are shares of 1


def read_curves(log: Path) -> list[Curves]:
    """Read the charts that a log has figures for.

    Steps that a kill has lost count as they were taken again.
    """
    lines = _lines(_records(log))
    scores = {name: points for (event, name), points in lines.items() if event == "score"}
    steps = {name: points for (event, name), points in lines.items() if event == "step"}
    held_out = {name: scores[name] for name in scores if name not in NO_SCORES}
    share = {"training batches": steps["accuracy"]} if "accuracy" in steps else {}
    charts = [
        Curves("Loss", {name: steps[name] for name in LOSSES if name in steps}),
        Curves("Right first, in training and held out", share | held_out, is_share=True),
        *(Curves(title, {title: steps[name]}) for name, title in ALONE if name in steps),
    ]
    return [chart for chart in charts if any(len(points) > 1 for points in chart.lines.values())]


def _records(log: Path) -> Iterable[dict[str, Any]]:
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            try:
                record = json.loads(line)
            except json.JSONDecodeError:  # the last line of a machine that lost its power
                continue
            if isinstance(record, dict):
                yield record


def _lines(records: Iterable[dict[str, Any]]) -> dict[tuple[str, str], Points]:
    lines: dict[tuple[str, str], Points] = {}
    for record in records:
        event, step = record.get("event"), record.get("step")
        if not isinstance(step, int):
            continue
        if event == "resume":
            for points in lines.values():
                points[:] = [point for point in points if point[0] <= step]
        elif event in {"step", "score"}:
            for name, value in record.items():
                if isinstance(value, int | float) and not isinstance(value, bool):
                    points = lines.setdefault((event, name), [])
                    if points and points[-1][0] == step:
                        points.pop()  # a finished run that was finished again
                    points.append((step, value))
    return lines
