"""``clipcli eval``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from clipcli.cli import options
from clipcli.cli.groups import ClassLabelOptions, ModelOptions, NoteOptions, OutputOptions
from clipcli.cli.known import DecidedOptions
from clipcli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from clipcli.pipeline.decisions import Decisions


@dataclass
class EvaluationLabels(ClassLabelOptions):
    """Words for the classes, or a probe that knows them."""

    probe: options.ProbeFile = None
    no_rules: options.NoRules = False


@dataclass
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


@dataclass
class DataOptions:
    """The pictures whose classes are known."""

    HEADING: ClassVar = "Inputs"
    source: Annotated[
        str,
        typer.Argument(
            metavar="DIR",
            help="A folder with a folder for each class, or with train, val or test above those, "
            "or a .csv or .tsv with the columns path and label; or answers: what batch classify "
            "has written, a folder or a URL, or a .parquet of classify.",
        ),
    ]
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="The true classes of answers, with the columns key and label. Left out: the "
            "folder that each lies in.",
        ),
    ] = None
    splits: options.Splits = None
    out_of_set: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Pictures that no label fits: say how well they are recognised. Left out: do not.",
        ),
    ] = None
    boxes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="Judge boxes (see: clipcli locate) on the pictures in DIR by COCO's annotations. "
            "Left out: judge labels.",
        ),
    ] = None
    coarse: Annotated[
        bool,
        typer.Option(
            "--coarse",
            help="With --boxes: judge coarse boxes, also where the model has a small locator.",
        ),
    ] = False


@dataclass
class JudgingOptions:
    """What is judged, and against what."""

    HEADING: ClassVar = "Decision"
    compare: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Judge a rival on the same pictures: templates=plain, model=NAME, labels=SET, "
            "probe=FILE, or several with ; between. May be given several times. "
            "Left out: no rival.",
        ),
    ] = None
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Fit a temperature and a reject threshold, and store them for classify. Left out: "
            "only look.",
        ),
    ] = False
    calibration: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where the calibration is or goes. Left out: beside the label file; for other "
            "label sets in your configuration.",
        ),
    ] = None
    no_calibration: options.NoCalibration = False
    reject_threshold: options.RejectThreshold = None

    def decisions(self) -> Decisions:
        """Return the rules that labels are given by.

        Rivals have no calibration of their own, so a comparison is made without, unless one is
        named.
        """
        from clipcli.pipeline.decisions import Decisions

        is_without = self.no_calibration or self.calibrate
        return Decisions(
            reject_threshold=self.reject_threshold,
            calibration=None if self.calibrate else self.calibration,
            no_calibration=is_without or (bool(self.compare) and self.calibration is None),
        )


def eval_(
    data: DataOptions,
    labels: EvaluationLabels,
    reviewed: DecidedOptions,
    judging: JudgingOptions,
    model: ModelOptions,
    output: EvaluationOutput,
    notes: NoteOptions,
) -> ExitCode:
    """Measure accuracy on pictures of known classes; calibrate.

    clipcli eval photos-by-class/
    clipcli eval photos-by-class/ --compare model=ViT-B/32 -o report.html
    """
    from clipcli.cli.eval_rows import are_rows, eval_rows

    if are_rows(data.source) and data.boxes is None:
        asks = (labels.templates, labels.probe, labels.no_rules, data.splits, data.out_of_set)
        is_alone = not any((*asks, reviewed.decisions, output.pictures))
        is_alone = is_alone and judging == JudgingOptions()
        told = (labels.labels, output, output.confusion, notes)
        return eval_rows(data.source, data.truth, *told, is_alone=is_alone)
    if data.truth is not None:
        raise UsageError(
            f"--truth {data.truth}: belongs to answers, and {data.source} holds pictures",
            hint="name the table itself, with the columns path and label",
        )
    if data.boxes is None:
        if data.coarse:
            raise UsageError("--coarse: belongs to --boxes", hint="name annotations with --boxes")
        return _eval_labels(data, labels, reviewed, judging, model, output, notes)
    from clipcli.cli.eval_boxes import eval_boxes

    is_alone = not any((labels.labels, labels.templates, labels.probe, data.splits))
    is_alone = is_alone and not (
        labels.no_rules or data.out_of_set or output.confusion or output.pictures
    )
    is_alone = is_alone and reviewed.decisions is None
    is_alone = is_alone and judging == JudgingOptions()
    return eval_boxes(
        Path(data.source),
        data.boxes,
        model,
        output,
        notes,
        is_alone=is_alone,
        coarse=data.coarse,
    )


def _eval_labels(
    data: DataOptions,
    labels: EvaluationLabels,
    reviewed: DecidedOptions,
    judging: JudgingOptions,
    model: ModelOptions,
    output: EvaluationOutput,
    notes: NoteOptions,
) -> ExitCode:
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
    variants = tuple(parse_variant(text, first) for text in judging.compare or ())
    decisions = judging.decisions()
    if probe is not None:
        check_alone(labels.labels, labels.templates, decisions)
        check_uncalibrated(calibrate=judging.calibrate)
    task = Task(
        data.source,
        data.out_of_set,
        decisions,
        judging.calibrate,
        judging.calibration,
        variants,
        split_names(data.splits),
        labels.no_rules,
        reviewed.decided(data.splits),
    )
    evaluation = Evaluation(task, first, model.options(), notes.notes())
    send(EvaluationReport(evaluation.evaluate()), request)
    note_files(evaluation.session, request)
    return conclude(evaluation.session, evaluation.classifier)
