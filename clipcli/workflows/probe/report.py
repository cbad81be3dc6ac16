"""How a probe is printed, and written to its file."""

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
    probe, settings = outcome.probe, outcome.settings
    facts = _facts(probe) | {
        "log_loss": settings.verdict.log_loss if settings.verdict else None,
        "zero_shot_log_loss": outcome.zero_shot.log_loss if outcome.zero_shot else None,
    }
    _print(facts, as_json=as_json)


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


def _print(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(facts)
        return
    print_rows([(name, _text(value)) for name, value in facts.items() if value is not None])


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return digits(value) if isinstance(value, float) else str(value)
