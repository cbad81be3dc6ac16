"""``clipcli eval``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clipcli.cli import options
from clipcli.cli.groups import ClassLabelOptions, ModelOptions, NoteOptions, OutputOptions
from clipcli.errors import ExitCode

if TYPE_CHECKING:
    from clipcli.pipeline.decisions import Decisions


@dataclass(frozen=True)
class EvaluationLabels(ClassLabelOptions):
    """Words for the classes, or a probe that knows them."""

    probe: options.ProbeFile = None


@dataclass(frozen=True)
class EvaluationOutput(OutputOptions):
    """Where the evaluation goes."""

    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="table, tsv (the main figures), csv (one line a label), json or html on standard "
            "output. Left out: a table on a terminal, tsv in a pipe, nothing beside -o.",
        ),
    ] = None
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write a report in the format of its ending: .json, .csv, .tsv or .html; may be "
            "given several times.",
        ),
    ] = None
    confusion: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv", help="Write the whole confusion matrix. Left out: do not."
        ),
    ] = None
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Write each picture's true and first label and their probabilities. Left out: do "
            "not.",
        ),
    ] = None


def eval_(
    labels: EvaluationLabels,
    model: ModelOptions,
    output: EvaluationOutput,
    notes: NoteOptions,
    source: Annotated[
        str,
        typer.Argument(
            metavar="DIR",
            help="A folder with a folder for each class, or with train, val or test above those, "
            "or a .csv or .tsv with the columns path and label.",
        ),
    ],
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
            help="Pictures that no label fits: say how well they are recognised. Left out: do not.",
        ),
    ] = None,
    reject_threshold: options.RejectThreshold = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="Judge boxes (see: clipcli locate) on the pictures in DIR by COCO's annotations. "
            "Left out: judge labels.",
        ),
    ] = None,
    splits: options.Splits = None,
) -> ExitCode:
    """Measure accuracy on pictures of known classes; calibrate.

    clipcli eval photos-by-class/
    clipcli eval photos-by-class/ --compare model=ViT-B/32 -o report.html
    """
    if boxes is not None:
        from clipcli.cli.eval_boxes import eval_boxes

        others = (labels.labels, labels.templates, labels.probe, compare, calibration, out_of_set)
        more = (
            splits,
            reject_threshold,
            output.confusion,
            output.pictures,
            calibrate,
            no_calibration,
        )
        return eval_boxes(
            Path(source), boxes, model, output, notes, is_alone=not any(others + more)
        )
    from clipcli.cli.conclude import conclude, note_files
    from clipcli.images.class_tree import split_names
    from clipcli.output.report import send
    from clipcli.pipeline.decisions import check_alone, check_uncalibrated
    from clipcli.workflows.evaluation.report import FORMATS, EvaluationReport, csv_tables
    from clipcli.workflows.evaluation.run import Evaluation, Task
    from clipcli.workflows.evaluation.variants import ClassifierSettings, parse_variant

    request = output.request(FORMATS, tables=csv_tables(output.confusion, output.pictures))
    probe = labels.probe
    first = ClassifierSettings(
        model.model, labels.labels, labels.templates, None if probe is None else str(probe)
    )
    variants = tuple(parse_variant(text, first) for text in compare or ())
    decisions = _decisions(
        reject_threshold,
        None if calibrate else calibration,
        # Rivals have no calibration of their own, so the comparison is made without.
        is_without=no_calibration or calibrate or (bool(variants) and calibration is None),
    )
    if probe is not None:
        check_alone(labels.labels, labels.templates, decisions)
        check_uncalibrated(calibrate=calibrate)
    evaluation = Evaluation(
        Task(source, out_of_set, decisions, calibrate, calibration, variants, split_names(splits)),
        first,
        model.options(),
        notes.notes(),
    )
    send(EvaluationReport(evaluation.evaluate()), request)
    note_files(evaluation.session, request)
    return conclude(evaluation.session, evaluation.classifier)


def _decisions(
    reject_threshold: str | None, calibration: Path | None, *, is_without: bool
) -> Decisions:
    from clipcli.pipeline.decisions import Decisions

    return Decisions(
        reject_threshold=reject_threshold, calibration=calibration, no_calibration=is_without
    )
