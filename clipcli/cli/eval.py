"""``clipcli eval``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clipcli.cli import options
from clipcli.errors import ExitCode

if TYPE_CHECKING:
    from clipcli.pipeline.decisions import Decisions


def eval_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="DIR",
            help="A folder with a folder for each class, or a .csv or .tsv with the columns path "
            "and label.",
        ),
    ],
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels",
            "-l",
            metavar="SET",
            help="A label set whose names or synonyms cover the classes. Left out: the classes' "
            "own names, made readable.",
        ),
    ] = None,
    templates: options.Templates = None,
    probe: options.ProbeFile = None,
    model: options.Model = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Judge a rival on the same pictures: templates=plain, model=NAME, labels=SET, "
            "probe=FILE, or several with ; between. May be given several times. "
            "Left out: no rival.",
        ),
    ] = None,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Fit a temperature and a reject threshold, and store them for classify. Left out: "
            "only look.",
        ),
    ] = False,
    calibration: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where the calibration is or goes. Left out: beside the label file; for other "
            "label sets in your configuration.",
        ),
    ] = None,
    no_calibration: options.NoCalibration = False,
    out_of_set: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Pictures that no label fits: tell how well they are noticed. Left out: not told.",
        ),
    ] = None,
    reject_threshold: options.RejectThreshold = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="table, tsv (the main figures), csv (one line a label), json or html on standard "
            "output. Left out: a table on a terminal, tsv in a pipe, nothing beside -o.",
        ),
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write a report in the format of its ending: .json, .csv, .tsv or .html; may be "
            "given several times.",
        ),
    ] = None,
    confusion: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv", help="Write the whole confusion matrix. Left out: do not."
        ),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Write each picture's true and first label and their probabilities. Left out: do "
            "not.",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    exact: options.Exact = False,
    max_pixels: options.MaxPixels = 200.0,
    no_cache: options.NoCache = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> ExitCode:
    """Tell how good a classifier is on pictures whose classes are known, and calibrate it.

    clipcli eval photos-by-class/
    """
    from clipcli.cli.conclude import conclude
    from clipcli.cli.progress import Notes
    from clipcli.pipeline.decisions import check_alone, check_uncalibrated
    from clipcli.pipeline.session import ModelOptions
    from clipcli.workflows.evaluation.run import Evaluation, Task
    from clipcli.workflows.evaluation.variants import Settings, parse_variant
    from clipcli.workflows.evaluation.write import Reports

    reports = Reports.requested(format_, output, confusion, pictures, overwrite=overwrite)
    first = Settings(model, labels, templates, None if probe is None else str(probe))
    variants = tuple(parse_variant(text, first) for text in compare or ())
    decisions = _decisions(
        reject_threshold,
        None if calibrate else calibration,
        # Rivals have no calibration of their own, so the comparison is made without.
        is_without=no_calibration or calibrate or (bool(variants) and calibration is None),
    )
    if probe is not None:
        check_alone(labels, templates, decisions)
        check_uncalibrated(calibrate=calibrate)
    evaluation = Evaluation(
        Task(source, out_of_set, decisions, calibrate, calibration, variants),
        first,
        ModelOptions(model, device, precision, exact, max_pixels, no_cache),
        Notes(quiet=quiet, verbose=verbose),
    )
    reports.write(evaluation.evaluate())
    return conclude(evaluation.session, evaluation.classifier)


def _decisions(
    reject_threshold: str | None, calibration: Path | None, *, is_without: bool
) -> Decisions:
    from clipcli.pipeline.decisions import Decisions

    return Decisions(
        reject_threshold=reject_threshold, calibration=calibration, no_calibration=is_without
    )
