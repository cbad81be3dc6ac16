"""``clipcli doctor``."""

from __future__ import annotations

from typing import Annotated

import typer

from clipcli.cli import options
from clipcli.errors import ExitCode


def doctor(
    model: options.Model = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON. Left out: text.")] = False,
) -> ExitCode:
    """Show versions and devices, and check a model's numbers.

    clipcli doctor
    clipcli doctor --model ViT-B/32 --device cuda

    Exit code 4 if there is a fault.
    """
    from clipcli.workflows.doctor import Patient, diagnose, print_findings

    findings = diagnose(Patient(model, device, precision))
    has_fault = print_findings(findings, as_json=as_json)
    return ExitCode.MODEL if has_fault else ExitCode.DONE
