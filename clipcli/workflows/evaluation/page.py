"""An evaluation as a page: the report's sections, and the whole confusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipcli.output.html.contact_sheet import provenance_rows
from clipcli.output.html.page import page
from clipcli.output.text import visible
from clipcli.workflows.evaluation.report_text import sections

if TYPE_CHECKING:
    from clipcli.workflows.evaluation.evaluated import Evaluated

PAIRS_SHOWN = 15
MATRIX_LABELS = 60  # more do not fit on a screen; --confusion has them


def evaluation_page(evaluated: Evaluated) -> str:
    """Return the page."""
    return page(
        "evaluation.html",
        title="Evaluation",
        lead=f"How well the labels are found in {visible(evaluated.source)}",
        sections=list(sections(evaluated, pairs_shown=PAIRS_SHOWN)),
        matrix=_matrix(evaluated),
        provenance=provenance_rows(evaluated.provenance),
    )


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
