"""One evaluation as a whole, and classifiers side by side on the same pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipcli.results import Provenance, Skipped
from clipcli.workflows.evaluation.calibrate import CalibrationOutcome
from clipcli.workflows.evaluation.chance import PairedDifference, compare, holm
from clipcli.workflows.evaluation.figures import Figures, Judgeable, compute_figures
from clipcli.workflows.evaluation.predictions import Predictions, Scores


@dataclass(frozen=True, slots=True)
class Rival:
    """Another classifier's predictions, and the classes behind its labels."""

    name: str  # how it differs, as it was asked for
    predictions: Predictions
    classes: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class RivalComparison:
    """A rival's figures, and how it differs from the first classifier."""

    name: str
    figures: Figures
    difference: PairedDifference
    p_adjusted: float  # for having been compared several times


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The figures of one classifier, and what was asked for besides."""

    source: str
    predictions: Judgeable
    figures: Figures
    ood: Scores | None  # of pictures that no label fits
    ood_source: str | None
    calibration: CalibrationOutcome | None
    calibration_file: str | None  # where the calibration was stored
    comparisons: tuple[RivalComparison, ...]
    skipped: tuple[Skipped, ...]
    provenance: Provenance


def compare_all(first: Predictions, rivals: Sequence[Rival]) -> list[RivalComparison]:
    """Compare each rival with the first classifier, on the pictures that both have read."""
    compared = []
    for rival in rivals:
        mine, theirs = _shared(first, rival.predictions)
        compared.append((rival, compare(first.is_right[mine], rival.predictions.is_right[theirs])))
    adjusted = holm([difference.p_value for _, difference in compared])
    return [
        RivalComparison(
            rival.name, compute_figures(rival.predictions, rival.classes), difference, p
        )
        for (rival, difference), p in zip(compared, adjusted, strict=True)
    ]


def _shared(first: Predictions, second: Predictions) -> tuple[list[int], list[int]]:
    """Return the places of the pictures that both have, in one order."""
    places = {path: i for i, path in enumerate(second.paths)}
    mine = [i for i, path in enumerate(first.paths) if path in places]
    assert mine, "what one model reads, another reads as well"
    return mine, [places[first.paths[i]] for i in mine]
