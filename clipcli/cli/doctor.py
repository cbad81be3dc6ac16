"""``clipcli doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from clipcli.cli import options
from clipcli.errors import ExitCode

if TYPE_CHECKING:
    from clipcli.workflows.engine_bench import EngineMeasurement


def doctor(
    model: options.Model = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON. Left out: text.")] = False,
    bench: Annotated[
        bool,
        typer.Option(
            "--bench",
            help="Measure how fast each engine runs the model on this processor, and how near it "
            "is to PyTorch. Left out: check the numbers.",
        ),
    ] = False,
    save: Annotated[
        bool,
        typer.Option("--save", help="With --bench: use the best for this model from now on."),
    ] = False,
) -> ExitCode:
    """Show versions and devices, and check a model's numbers.

    clipcli doctor
    clipcli doctor --model ViT-B/32 --device cuda
    clipcli doctor --model ViT-B/32 --bench

    Exit code 4 if there is a fault.
    """
    if bench or save:
        return _bench(model, as_json=as_json, save=save)
    from clipcli.workflows.doctor import Patient, diagnose, print_findings

    findings = diagnose(Patient(model, device, precision))
    has_fault = print_findings(findings, as_json=as_json)
    return ExitCode.MODEL if has_fault else ExitCode.DONE


def _bench(model: str | None, *, as_json: bool, save: bool) -> ExitCode:
    from dataclasses import asdict

    from clipcli.cli.progress import Notes
    from clipcli.output import text
    from clipcli.workflows.engine_bench import EngineBench

    notes, bench = Notes(), EngineBench(model)
    engines = list(bench.run(notes.say))
    best = bench.best
    if save:
        bench.store(best)
    if as_json:
        text.print_json(
            {
                "model": bench.model,
                "engines": [asdict(engine) for engine in engines],
                "best": best.name,
                "saved": save,
            }
        )
        return ExitCode.DONE
    for engine in engines:
        text.print_line(_line(engine))
    text.print_line(f"best for {bench.model}: {best.name}{', kept' if save else ''}")
    if not save:
        named = f" --model {model}" if model else ""
        notes.say(f"to use it from now on: clipcli doctor{named} --bench --save")
    return ExitCode.DONE


def _line(engine: EngineMeasurement) -> str:
    if engine.fault:
        return f"{engine.name:16} {engine.fault}"
    return f"{engine.name:16} {engine.images_per_s:8.1f} pictures/s  cosine {engine.cosine:.5f}"
