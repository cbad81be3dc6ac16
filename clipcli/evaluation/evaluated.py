"""This file knows about one evaluation as a whole: what was judged, and all that came of it."""

from __future__ import annotations

from dataclasses import dataclass

from clipcli.evaluation.answers import Answers, Scores
from clipcli.evaluation.calibrating import Calibrating
from clipcli.evaluation.comparing import Comparison
from clipcli.evaluation.report import Report
from clipcli.results import Provenance, Skipped


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
