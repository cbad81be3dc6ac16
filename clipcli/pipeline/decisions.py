"""How a classifier decides: calibration, thresholds, one question or many."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clipcli.errors import CalibrationError, ModelError, UsageError

if TYPE_CHECKING:
    from clipcli.pipeline.calibration import Calibration, Purpose
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.session import Reporter, Session

FITTED = "fitted"
MIN_PROB = 0.0
INDEPENDENT_MIN_PROB = 0.5  # more likely yes than no


@dataclass(frozen=True, slots=True)
class Decisions:
    """What the options say about deciding."""

    min_prob: float | None = None
    reject_threshold: str | None = None  # a number, or "fitted"
    independent: bool = False
    calibration: Path | None = None
    no_calibration: bool = False

    def __post_init__(self) -> None:
        if self.calibration and self.no_calibration:
            raise UsageError(
                "--calibration and --no-calibration: one excludes the other", hint="drop one"
            )
        if self.reject_threshold not in (None, FITTED):
            _number(self.reject_threshold)

    @property
    def least_probability(self) -> float:
        """The probability below which there is no label."""
        if self.min_prob is not None:
            return self.min_prob
        return INDEPENDENT_MIN_PROB if self.independent else MIN_PROB


def decide(classifier: Classifier, decisions: Decisions, notes: Reporter) -> Classifier:
    """Make the classifier decide as the options say; say which calibration is used, or why not."""
    found, reason = None, "--no-calibration was given"
    if not decisions.no_calibration:
        found, reason = _find(classifier, decisions, notes)
    classifier.reject_threshold = _threshold(decisions, found, reason)
    if found and decisions.independent:
        notes.say("probabilities are not calibrated: --independent asks another question")
    elif found:
        classifier.calibration = found
        notes.say(
            f"probabilities are calibrated: temperature {found.temperature:.3g}, "
            f"fitted on {found.n_pictures:,} pictures"
        )
    return classifier


def purpose_of(classifier: Classifier) -> Purpose:
    """Return what a calibration has to be fitted for to serve this classifier."""
    from clipcli.pipeline.calibration import Purpose
    from clipcli.pipeline.neutral import neutral_hash

    return Purpose(
        fingerprint=classifier.encoder.config.fingerprint,
        label_set_hash=classifier.label_set.hash,
        templates=tuple(classifier.templates),
        neutral_hash=neutral_hash(),
    )


def _find(
    classifier: Classifier, decisions: Decisions, notes: Reporter
) -> tuple[Calibration | None, str]:
    from clipcli.files import is_file
    from clipcli.pipeline.calibration_place import default_path

    path = decisions.calibration or default_path(classifier.label_set)
    if not is_file(path):
        if decisions.calibration:
            raise CalibrationError(
                f"{path}: no such calibration", hint="eval --calibrate --calibration FILE writes it"
            )
        return None, "nothing was fitted for these labels"
    from clipcli.pipeline.calibration import find_calibration

    found, reason = find_calibration(path, purpose_of(classifier))
    if found is None and decisions.calibration:
        raise CalibrationError(
            f"{path}: does not serve here: {reason}", hint="fit it again: clipcli eval --calibrate"
        )
    if found is None:
        notes.say(f"{path} is not used: {reason}")
    return found, reason


def _threshold(decisions: Decisions, found: Calibration | None, reason: str) -> float | None:
    if decisions.reject_threshold is None:
        return None
    if decisions.reject_threshold != FITTED:
        return _number(decisions.reject_threshold)
    if found is None:
        raise CalibrationError(
            f"--reject-threshold fitted: {reason}",
            hint="fit one with clipcli eval --calibrate, or give a number",
        )
    return found.reject_threshold


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise UsageError(
            f"--reject-threshold {text}: neither a number from 0 to 1 nor 'fitted'",
            hint="clipcli eval --out-of-set DIR shows what numbers do",
        )
    return value


def open_probe(session: Session, file: Path, top_k: int, decisions: Decisions) -> Classifier:
    """Make the classifier that a probe's file holds.

    Raises
    ------
    ModelError
        If the file is no probe, or one of another model.
    """
    from clipcli.pipeline.probe import read_probe

    if not file.exists():
        raise ModelError(f"{file}: no such probe", hint="clipcli probe fit makes one")
    probe = read_probe(file)
    return session.classifier(probe=probe, top_k=top_k, min_prob=decisions.least_probability)


def check_uncalibrated(*, calibrate: bool) -> None:
    """Refuse to calibrate a probe, which was fitted to give probabilities as it is.

    Raises
    ------
    UsageError
    """
    if calibrate:
        raise UsageError(
            "--calibrate and --probe: a probe has no temperature to fit",
            hint="drop one of the two",
        )


def check_alone(labels: str | None, templates: str | None, decisions: Decisions) -> None:
    """Refuse options that ask words something, beside a probe that has none.

    Raises
    ------
    UsageError
    """
    given = {
        "--labels": labels is not None,
        "--templates": templates is not None,
        "--independent": decisions.independent,
        "--reject-threshold": decisions.reject_threshold is not None,
        "--calibration": decisions.calibration is not None,
    }
    for name, is_given in given.items():
        if is_given:
            raise UsageError(
                f"{name} and --probe: a probe has classes of its own, and no words for them",
                hint="drop one of the two",
            )
