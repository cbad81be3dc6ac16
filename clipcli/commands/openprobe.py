"""This file knows about ``--probe``: a fitted classifier in place of labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clipcli.errors import ModelError, UsageError

if TYPE_CHECKING:
    from clipcli.classifier import Classifier
    from clipcli.commands.decisions import Decisions
    from clipcli.commands.runs import Run


def open_probe(run: Run, file: Path, top_k: int, decisions: Decisions) -> Classifier:
    """Make the classifier that a probe's file holds.

    Raises
    ------
    ModelError
        If the file is no probe, or one of another model.
    """
    from clipcli.classifier import Classifier
    from clipcli.probefile import read_probe

    if not file.exists():
        raise ModelError(f"{file}: no such probe", hint="clipcli probe fit makes one")
    return Classifier(
        probe=read_probe(file),
        top_k=top_k,
        min_prob=decisions.least_probability,
        options=run.model.decoding(),
        encoder=run.encoder,
        cache=run.model.cache(),
        image_cache=run.image_cache,
    )


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
