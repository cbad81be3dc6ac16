"""One evaluation as a whole: what was judged, and all that came of it."""

from __future__ import annotations

from dataclasses import dataclass

from clipcli.results import Provenance, Skipped
from clipcli.workflows.evaluation.answers import Answers, Scores
from clipcli.workflows.evaluation.calibrating import Calibrating
from clipcli.workflows.evaluation.comparing import Comparison
from clipcli.workflows.evaluation.report import Report


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The report on one classifier, and what was asked for besides."""

    source: str
    answers: Answers
    report: Report
    strangers: Scores | None
    strangers_source: str | None
    calibrating: Calibrating | None
    calibration_file: str | None  # where the calibration was stored
    comparisons: tuple[Comparison, ...]
    skipped: tuple[Skipped, ...]
    provenance: Provenance
