from __future__ import annotations

import json
from pathlib import Path

from clipcli.training.log import read_curves


def write_log(folder: Path, *records: dict[str, object]) -> Path:
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def step(number: int, **figures: float) -> dict[str, object]:
    return {"event": "step", "step": number, "progress": 0.1, **figures}


def test_figures_become_lines_over_the_steps(tmp_path: Path) -> None:
    log = write_log(
        tmp_path,
        {"event": "start", "config": {}},
        step(1, loss=3.0, accuracy=0.1, lr=0.01),
        {"event": "score", "step": 5, "size_px": 32, "held out": 0.2},
        step(9, loss=1.0, accuracy=0.7, lr=0.02),
        {"event": "score", "step": 10, "size_px": 32, "held out": 0.5},
    )

    charts = {chart.title: chart for chart in read_curves(log)}

    assert charts["Loss"].lines == {"loss": [(1, 3.0), (9, 1.0)]}
    assert charts["Right first, in training and held out"].lines == {
        "training batches": [(1, 0.1), (9, 0.7)],
        "held out": [(5, 0.2), (10, 0.5)],
    }
    assert charts["Learning rate"].lines == {"Learning rate": [(1, 0.01), (9, 0.02)]}
    assert "Logit scale" not in charts


def test_steps_that_were_lost_are_drawn_as_they_were_taken_again(tmp_path: Path) -> None:
    log = write_log(
        tmp_path,
        step(1, loss=3.0),
        step(2, loss=2.0),
        step(3, loss=9.0),
        {"event": "resume", "step": 2},
        step(3, loss=1.0),
    )

    (chart,) = read_curves(log)

    assert chart.lines["loss"] == [(1, 3.0), (2, 2.0), (3, 1.0)]


def test_a_line_that_was_cut_is_left_out(tmp_path: Path) -> None:
    log = write_log(tmp_path, step(1, loss=3.0), step(2, loss=2.0))
    with log.open("a", encoding="utf-8") as file:
        file.write('{"event": "step", "st')

    (chart,) = read_curves(log)

    assert chart.lines["loss"] == [(1, 3.0), (2, 2.0)]
