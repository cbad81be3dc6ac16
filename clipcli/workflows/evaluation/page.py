"""An evaluation as a page: the report's sections, and the whole confusion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clipcli.output.html.contact_sheet import heading, provenance_rows
from clipcli.output.html.gallery import Card, Choice, Gallery, GallerySettings
from clipcli.output.html.line_chart import SIZE, Chart, Plot, chart
from clipcli.output.text import visible
from clipcli.workflows.evaluation.predictions import Predictions
from clipcli.workflows.evaluation.report_text import COVERAGE, RELIABILITY, sections

if TYPE_CHECKING:
    from clipcli.output.formats import Sink
    from clipcli.workflows.evaluation.evaluated import Evaluated
    from clipcli.workflows.evaluation.reliability import Bin

PAIRS_SHOWN = 15
PER_CELL = 30  # pictures of each pair of truth and answer
PICTURES_SHOWN = 3_000
TOP = 5  # labels listed when a picture is opened
SETTINGS = GallerySettings(
    filters=(Choice("truth", "Truth"), Choice("said", "Said"), Choice("outcome", "Outcome")),
    orders=(
        Choice("order", "surest mistakes first"),
        Choice("probability", "most certain first", descending=True),
        Choice("probability", "least certain first"),
    ),
)
MATRIX_LABELS = 60  # more do not fit on a screen; --confusion has them


def write_page(evaluated: Evaluated, sink: Sink, folder: Path | None) -> None:
    """Write the page into a sink; ``folder`` is where it will lie, if that is known."""
    predictions = evaluated.predictions
    assert isinstance(predictions, Predictions)  # rows have no pictures to be shown
    shown = _shown(predictions)
    gallery = Gallery(
        sink,
        SETTINGS,
        folder,
        template="evaluation.html",
        title=f"Evaluation of {visible(evaluated.source)}",
        lead=heading(evaluated.provenance),
        sections=list(sections(evaluated, pairs_shown=PAIRS_SHOWN)),
        charts_of=_charts(evaluated),
        matrix=_matrix(evaluated),
        per_cell=PER_CELL,
        is_all=len(shown) == len(predictions.paths),
        provenance=provenance_rows(evaluated.provenance),
        **SIZE,
    )
    try:
        for i in shown:
            gallery.add(_card(predictions, i))
        gallery.finish()
    finally:
        gallery.close()


def _shown(predictions: Predictions) -> list[int]:
    """Return the places of the pictures that are shown, mistakes first, the surest first."""
    order = np.lexsort((-predictions.first_probabilities, predictions.is_right))
    seen: Counter[tuple[int, int]] = Counter()
    shown: list[int] = []
    for i in order.tolist():
        cell = int(predictions.truth[i]), int(predictions.first[i])
        seen[cell] += 1
        if seen[cell] <= PER_CELL and len(shown) < PICTURES_SHOWN:
            shown.append(i)
    return shown


def _card(predictions: Predictions, i: int) -> Card:
    names, row = predictions.rules.names, predictions.probabilities[i]
    truth, said = names[predictions.truth[i]], names[predictions.first[i]]
    is_right = bool(predictions.is_right[i])
    best = np.argsort(-row, kind="stable")[:TOP]
    share = round(float(row[predictions.first[i]]), 4)
    return Card(
        predictions.paths[i],
        title=said,
        share=share,
        note="" if is_right else f"is {truth}",
        tone="good" if is_right else "bad",
        facets={
            "truth": (truth,),
            "said": (said,),
            "outcome": ("right" if is_right else "wrong",),
        },
        numbers={"probability": share},
        bars=tuple((names[j], round(float(row[j]), 4)) for j in best),
        facts=(("truth", truth),),
    )


def _charts(evaluated: Evaluated) -> dict[str, list[Chart]]:
    """Return the curves, by the title of the section that has their figures."""
    fitted = evaluated.calibration
    before, after = evaluated.figures.bins, fitted.after if fitted else None
    lines = {("before the fit" if fitted else "accuracy"): _points(before)}
    if after:
        lines["fitted"] = _points(after)
    covered = fitted.coverage if fitted else evaluated.figures.coverage
    curve = [(one.coverage, one.accuracy) for one in reversed(covered)]
    return {
        RELIABILITY[fitted is not None]: [
            chart(
                Plot(
                    "Reliability",
                    lines,
                    is_share=True,
                    x_title="probability that was given (mean of a bin)",
                    y_title="share that was right",
                    x_is_share=True,
                    is_unit=True,
                    has_dots=True,
                )
            )
        ],
        COVERAGE: [
            chart(
                Plot(
                    "Accuracy by coverage",
                    {"accuracy of what is answered": curve},
                    is_share=True,
                    x_title="share of pictures that get an answer, the surest first",
                    y_title="share that is right",
                    x_is_share=True,
                    has_dots=True,
                )
            )
        ],
    }


def _points(bins: Sequence[Bin]) -> list[tuple[float, float]]:
    return [(one.mean_probability, one.accuracy) for one in bins]


def _matrix(evaluated: Evaluated) -> list[tuple[str, list[tuple[int, int, str]]]]:
    """Return rows of the confusion matrix: a label, and (count, shade 0..10, title) of each cell.

    Labels that neither occur nor are predicted are left out; empty where too many remain.
    """
    labels = evaluated.figures.labels
    places = [i for i, label in enumerate(labels) if label.n or label.n_predicted]
    if len(places) > MATRIX_LABELS:
        return []
    counts = evaluated.figures.confusion
    return [
        (
            visible(labels[i].label),
            [
                (
                    int(counts[i, j]),
                    round(10 * int(counts[i, j]) / max(1, labels[i].n)),
                    f"{visible(labels[i].label)} taken for {visible(labels[j].label)}",
                )
                for j in places
            ],
        )
        for i in places
    ]
