"""Calibrations: a fitted temperature and reject threshold, and their files.

A calibration holds for one model, one label set and one set of templates. A file may hold several,
so that two models can be calibrated for the same labels.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

from clipcli.errors import CalibrationError, OutputError
from clipcli.files import is_file, read_bytes, write_atomically
from clipcli.strict_json import JsonError, parse_json, short
from clipcli.strict_records import Between, ReadingRules, read_record

FORMAT = 1
Positive: TypeAlias = Annotated[float, Between(1e-9, 1e9)]


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a calibration is fitted for; with anything else its numbers mean nothing."""

    fingerprint: str
    label_set_hash: str
    templates: tuple[str, ...]
    neutral_hash: str  # of the neutral words, which the reject threshold depends on

    def difference(self, other: Purpose) -> str | None:
        """Say in what the other one differs, or return None where it does not."""
        if self.fingerprint != other.fingerprint:
            return "it was fitted for another model"
        if self.label_set_hash != other.label_set_hash:
            return "the label set is not the one it was fitted for"
        if self.templates != other.templates:
            return "it was fitted for other templates"
        if self.neutral_hash != other.neutral_hash:
            return "the neutral words have changed since"
        return None


@dataclass(frozen=True, slots=True)
class Calibration:
    """Numbers in place of the model's own, what they are for, and how well they did."""

    purpose: Purpose
    model: str
    label_set: str
    logit_scale: Positive  # in place of the model's
    logit_bias: float  # the same; only sigmoid models have one
    temperature: Positive  # the model's logit scale, divided by this one
    reject_threshold: float
    n_pictures: Annotated[int, Between(0, 2**53)]
    error_before: float  # expected calibration error, 0..1
    error_after: float  # on pictures that were not used for fitting
    made: str  # ISO 8601 with offset


def find_calibration(path: Path, purpose: Purpose) -> tuple[Calibration | None, str]:
    """Return the calibration for a purpose, or None and the reason why there is none.

    The reason is empty where nothing was ever fitted.
    """
    if not is_file(path):
        return None, ""
    try:
        stored = read_calibrations(path)
    except CalibrationError as error:
        return None, error.message.removeprefix(f"{path}: ")
    reasons = []
    for calibration in stored:
        reason = calibration.purpose.difference(purpose)
        if reason is None:
            return calibration, ""
        reasons.append((calibration.purpose.fingerprint == purpose.fingerprint, reason))
    return None, max(reasons, default=(False, "it holds none"))[1]


def read_calibrations(path: Path) -> list[Calibration]:
    """Read all calibrations of a file.

    Raises
    ------
    CalibrationError
        If it cannot be read or is not what clipcli writes.
    """
    fault = CalibrationError(
        f"{path}: is not a calibration that clipcli wrote", hint="name another file, or none"
    )
    try:
        data = parse_json(read_bytes(path, CalibrationError))
    except JsonError as error:
        raise fault from error
    if not isinstance(data, dict) or not isinstance(data.get("calibrations"), list):
        raise fault
    if data.get("format") != FORMAT:
        raise CalibrationError(
            f"{path}: is of format {short(data.get('format'))}, which this clipcli does not know",
            hint="fit it anew, into another file: clipcli eval --calibrate",
        )
    rules = ReadingRules(str(path), CalibrationError)
    try:
        return [read_record(one, Calibration, rules) for one in data["calibrations"]]
    except CalibrationError as error:
        raise fault from error


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Add a calibration to a file, in place of one for the same purpose; the others stay.

    Raises
    ------
    CalibrationError
        If the file is something else than calibrations.
    OutputError
        If it cannot be written.
    """
    kept = read_calibrations(path) if is_file(path) else []
    kept = [one for one in kept if one.purpose.difference(calibration.purpose) is not None]
    data = {"format": FORMAT, "calibrations": [asdict(one) for one in [*kept, calibration]]}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(data, indent=2) + "\n", is_shared=True)
    except OSError as error:
        raise OutputError(
            f"{path}: could not be written ({error.strerror or error})",
            hint="name another place with --calibration FILE",
        ) from error
