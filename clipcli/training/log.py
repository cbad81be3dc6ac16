"""A run's log: writing it, and reading learning curves from it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from clipcli.errors import OutputError
from clipcli.files import bounded_lines
from clipcli.strict_json import LINE, JsonError, parse_json

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
    with log.open(encoding="utf-8", errors="replace") as file:
        for line in bounded_lines(file):
            try:
                record = parse_json(line, LINE)
            except JsonError:  # the last line of a machine that lost its power
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


Say: TypeAlias = Callable[[str], None]
Advance: TypeAlias = Callable[[float, str], None]  # share of the run (0..1), latest figures

EVERY = 1 / 400  # share of a run after which figures are written, for the curves
SHOWN = ("step", "loss", "accuracy", "lr", "scale", "pictures_per_s", "size_px")


class RunLog:
    """Appends records to a file; says figures every so many seconds, or moves a bar with them."""

    def __init__(
        self, path: Path, say: Say, every_s: float = 10.0, advance: Advance | None = None
    ) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: TextIO | None = path.open("a", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{path}: {error.strerror or error}") from error
        self._path = path
        self._every_s = every_s
        self._advance = advance
        self._last_s = -float("inf")
        self._figures = ""
        self._noted = -1.0  # progress at the last record
        self.say = say

    def record(self, **fields: Any) -> None:
        """Write one record at once, so that a killed run's log is whole."""
        plain = {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in fields.items()}
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(plain, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            # What is learned is worth more than what is said of it.
            self.close()
            self.say(f"{self._path}: {error.strerror or error}; training goes on without a log")

    def step(self, progress: float, fields: Callable[[], dict[str, Any]]) -> None:
        """Note that a step is done; its figures are asked for only when they are due."""
        is_due = time.monotonic() - self._last_s >= self._every_s or progress >= 1
        if is_due or progress - self._noted >= EVERY:
            found = fields()
            self.record(event="step", progress=progress, **found)
            self._noted = progress
        if is_due:
            self._last_s = time.monotonic()
            self._figures = " · ".join(_shown(name, found[name]) for name in SHOWN if name in found)
        if self._advance is not None:
            self._advance(progress, self._figures)
        elif is_due:
            self.say(f"{progress:4.0%} · {self._figures}")

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # it flushes once more, on a disk that is full
                file.close()


class SilentLog(RunLog):
    """Tells nobody: for the processes beside the first."""

    def __init__(self) -> None:
        self.say = _say_nothing

    def record(self, **fields: Any) -> None:
        """Write nothing."""

    def step(self, progress: float, fields: Callable[[], dict[str, Any]]) -> None:
        """Ask for no figures."""

    def close(self) -> None:
        """Nothing is open."""


def _say_nothing(line: str) -> None:
    del line


def _shown(name: str, value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return f"{name.replace('_per_', '/')} {text}"
