"""Making a calibration, and what it does on pictures it was not fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipcli.errors import InputError
from clipcli.pipeline.calibration import Calibration, Purpose
from clipcli.workflows.evaluation.answers import Answers, Scores
from clipcli.workflows.evaluation.detection import RECALL, threshold_at
from clipcli.workflows.evaluation.fitting import cross_fitted, fit, folds
from clipcli.workflows.evaluation.reliability import (
    Bin,
    Coverage,
    calibration_error,
    coverage,
    reliability,
)

LEAST_PICTURES = 10  # with fewer a temperature is noise


@dataclass(frozen=True, slots=True)
class Calibrating:
    """A calibration fitted on all pictures, and figures of fits that left the judged ones out."""

    calibration: Calibration
    before: tuple[Bin, ...]
    after: tuple[Bin, ...]
    coverage: tuple[Coverage, ...]  # after
    kept: float  # share of the set's pictures at or below a threshold fitted without them
    turned_away: float | None  # share of strangers above the fitted threshold


@dataclass(frozen=True, slots=True)
class Maker:
    """What a calibration says of itself besides its numbers."""

    purpose: Purpose
    model: str
    label_set: str
    made: str  # ISO 8601 with offset


def calibrate(answers: Answers, strangers: Scores | None, maker: Maker) -> Calibrating:
    """Fit temperature and reject threshold; ``answers`` are under the model's own rules.

    Raises
    ------
    InputError
        If there are too few pictures.
    """
    n, rules = len(answers.truth), answers.rules
    if n < LEAST_PICTURES:
        raise InputError(
            f"{n} pictures are too few to calibrate", hint=f"use {LEAST_PICTURES} at least"
        )
    before = reliability(answers.first_probabilities, answers.is_right)
    fair = cross_fitted(answers.cosines, answers.truth, rules)[:, : len(rules.names)]  # (n, c)
    after = reliability(fair.max(axis=1), answers.is_right)
    covered = coverage(fair.max(axis=1), answers.is_right)
    fitted = fit(answers.cosines, answers.truth, rules)
    threshold = threshold_at(answers.reject_scores, RECALL)
    calibration = Calibration(
        purpose=maker.purpose,
        model=maker.model,
        label_set=maker.label_set,
        logit_scale=fitted.logit_scale,
        logit_bias=fitted.logit_bias,
        temperature=rules.logit_scale / fitted.logit_scale,
        reject_threshold=threshold,
        n_pictures=n,
        error_before=calibration_error(before),
        error_after=calibration_error(after),
        made=maker.made,
    )
    return Calibrating(
        calibration=calibration,
        before=tuple(before),
        after=tuple(after),
        coverage=tuple(covered),
        kept=_kept(answers),
        turned_away=None if strangers is None else _share_above(strangers, threshold),
    )


def _kept(answers: Answers) -> float:
    """Return the share of pictures that pass a threshold fitted on the others."""
    scores = answers.reject_scores
    passes = np.empty(len(scores), dtype=bool)
    for inside, outside in folds(answers.truth):
        passes[outside] = scores[outside] <= threshold_at(scores[inside], RECALL)
    return float(passes.mean())


def _share_above(strangers: Scores, threshold: float) -> float:
    return float((strangers.reject_scores > threshold).mean())
