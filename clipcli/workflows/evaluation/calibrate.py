"""Making a calibration, and what it does on pictures it was not fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipcli.errors import InputError
from clipcli.pipeline.calibration import Calibration, Purpose
from clipcli.workflows.evaluation.fitting import cross_fitted, fit, folds
from clipcli.workflows.evaluation.out_of_distribution import RECALL, threshold_at
from clipcli.workflows.evaluation.predictions import Predictions, Scores
from clipcli.workflows.evaluation.reliability import (
    Bin,
    Coverage,
    calibration_error,
    coverage,
    reliability,
)

LEAST_PICTURES = 10  # with fewer a temperature is noise


@dataclass(frozen=True, slots=True)
class CalibrationOutcome:
    """A calibration fitted on all pictures, and figures of fits that left the judged ones out."""

    calibration: Calibration
    before: tuple[Bin, ...]
    after: tuple[Bin, ...]
    coverage: tuple[Coverage, ...]  # after
    kept: float  # share of the set's pictures at or below a threshold fitted without them
    rejected: float | None  # share of out-of-distribution pictures above the fitted threshold


@dataclass(frozen=True, slots=True)
class CalibrationOrigin:
    """Where a calibration comes from."""

    purpose: Purpose
    model: str
    label_set: str
    made: str  # ISO 8601 with offset


def calibrate(
    predictions: Predictions, ood: Scores | None, origin: CalibrationOrigin
) -> CalibrationOutcome:
    """Fit temperature and reject threshold; ``predictions`` are under the model's own rules.

    Pictures that a file's own word decides have no part in it: their probability is stated.

    Raises
    ------
    InputError
        If there are too few pictures.
    """
    predictions = predictions.by_the_model()
    n, rules = len(predictions.truth), predictions.rules
    if n < LEAST_PICTURES:
        raise InputError(
            f"{n} pictures are too few to calibrate", hint=f"use {LEAST_PICTURES} at least"
        )
    before = reliability(predictions.first_probabilities, predictions.is_right)
    fair = cross_fitted(predictions.cosines, predictions.truth, rules)[
        :, : len(rules.names)
    ]  # (n, c)
    after = reliability(fair.max(axis=1), predictions.is_right)
    covered = coverage(fair.max(axis=1), predictions.is_right)
    fitted = fit(predictions.cosines, predictions.truth, rules)
    threshold = threshold_at(predictions.reject_scores, RECALL)
    calibration = Calibration(
        purpose=origin.purpose,
        model=origin.model,
        label_set=origin.label_set,
        logit_scale=fitted.logit_scale,
        logit_bias=fitted.logit_bias,
        temperature=rules.logit_scale / fitted.logit_scale,
        reject_threshold=threshold,
        n_pictures=n,
        error_before=calibration_error(before),
        error_after=calibration_error(after),
        made=origin.made,
    )
    return CalibrationOutcome(
        calibration=calibration,
        before=tuple(before),
        after=tuple(after),
        coverage=tuple(covered),
        kept=_kept(predictions),
        rejected=None if ood is None else _share_above(ood, threshold),
    )


def _kept(predictions: Predictions) -> float:
    """Return the share of pictures that pass a threshold fitted on the others."""
    scores = predictions.reject_scores
    passes = np.empty(len(scores), dtype=bool)
    for inside, outside in folds(predictions.truth):
        passes[outside] = scores[outside] <= threshold_at(scores[inside], RECALL)
    return float(passes.mean())


def _share_above(ood: Scores, threshold: float) -> float:
    return float((ood.reject_scores > threshold).mean())
