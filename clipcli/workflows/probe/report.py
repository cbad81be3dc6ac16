"""Probes as people and programs read them, and about saving one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clipcli.output.files import NewFile
from clipcli.output.text import digits, print_json, print_rows
from clipcli.pipeline.probe import Probe
from clipcli.workflows.probe.outcome import Outcome


def save(probe: Probe, path: Path, *, overwrite: bool) -> None:
    """Write a probe's file, whole or not at all."""
    file = NewFile(path, overwrite=overwrite)
    for piece in probe.pieces():
        file.write(bytes(piece))
    file.commit()


def print_fit(outcome: Outcome, *, as_json: bool) -> None:
    """Print how a fit went: names and values."""
    probe, choice = outcome.probe, outcome.choice
    told = _facts(probe) | {
        "log_loss": choice.verdict.log_loss if choice.verdict else None,
        "zero_shot_log_loss": outcome.zero_shot.log_loss if outcome.zero_shot else None,
    }
    _print(told, as_json=as_json)


def print_probe(probe: Probe, *, as_json: bool) -> None:
    """Print what a probe's file says."""
    _print(_facts(probe) | {"hash": probe.hash}, as_json=as_json)


def _facts(probe: Probe) -> dict[str, Any]:
    return {
        "model": probe.model,
        "fingerprint": probe.fingerprint,
        "precision": probe.precision,
        "labels": list(probe.labels),
        **probe.settings,
    }


def _print(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    print_rows([(name, _text(value)) for name, value in told.items() if value is not None])


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return digits(value) if isinstance(value, float) else str(value)
