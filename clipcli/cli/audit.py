"""``clipcli audit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clipcli.cli import options
from clipcli.errors import ExitCode, InputError

if TYPE_CHECKING:
    from clipcli.images.class_tree import ClassTree
    from clipcli.output.html.thumbnails import ThumbnailSpool
    from clipcli.pipeline.session import Session
    from clipcli.workflows.audit.report import AuditReport

Source = Annotated[
    str,
    typer.Argument(
        metavar="DIR",
        help="A folder with a folder for each class, or with train, val or test above those, or a "
        ".csv or .tsv with the columns path, label and, if there are any, split.",
    ),
]
ClassLabels = Annotated[
    str | None,
    typer.Option(
        "--labels",
        "-l",
        metavar="SET",
        help="A label set whose names or synonyms cover the classes. Left out: the classes' own "
        "names, made readable.",
    ),
]
Splits = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Top folders that are splits, with commas between them. Left out: recognised if all "
        "of them are called train, val, test or the like.",
    ),
]
FailOn = Annotated[
    str | None,
    typer.Option(
        metavar="KINDS",
        help="End with exit code 6 if there are such findings: any, duplicate, leak, conflict, "
        "or kinds such as broken,wrong-label. Left out: findings are no failure.",
    ),
]
FindingsFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        metavar="FORMAT",
        help="table (a summary), tsv, csv, json, jsonl or html on standard output. Left out: the "
        "summary on a terminal, tsv in a pipe, nothing beside -o.",
    ),
]
FindingsFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write all findings in the format of the ending; .html is a report to look at. May "
        "be given several times.",
    ),
]


def audit(
    source: Source,
    labels: ClassLabels = None,
    splits: Splits = None,
    fail_on: FailOn = None,
    templates: options.Templates = None,
    model: options.Model = None,
    format_: FindingsFormat = None,
    output: FindingsFiles = None,
    overwrite: options.Overwrite = False,
    guard_formulas: options.GuardFormulas = False,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    exact: options.Exact = False,
    max_pixels: options.MaxPixels = 200.0,
    no_cache: options.NoCache = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> ExitCode:
    """Find what is worth a second look in a data set: labels, copies, odd and broken pictures.

    clipcli audit photos-by-class/ -o report.html
    """
    from clipcli.cli.conclude import conclude
    from clipcli.cli.progress import Notes
    from clipcli.images.class_tree import read_class_tree
    from clipcli.output.html.thumbnails import spooled
    from clipcli.output.report import requested_report
    from clipcli.pipeline.inputs import Inputs
    from clipcli.pipeline.session import ModelOptions, Session
    from clipcli.workflows.audit.findings import check_selectors, selected
    from clipcli.workflows.audit.report import FORMATS

    selectors = check_selectors(fail_on)
    request = requested_report(format_, output, FORMATS, overwrite=overwrite)
    tree = read_class_tree(source, splits.split(",") if splits else None)
    session = Session(
        inputs=Inputs((source,)),
        model=ModelOptions(model, device, precision, exact, max_pixels, no_cache),
        notes=Notes(quiet=quiet, verbose=verbose),
    )
    with spooled(is_wanted=request.wants("html")) as spool:
        report = _audit(session, tree, labels, templates, spool, is_guarded=guard_formulas)
        request.send(report)
    ending = conclude(session)
    return ExitCode.FINDINGS if selected(report.audit.findings, selectors) else ending


def _audit(
    session: Session,
    tree: ClassTree,
    labels: str | None,
    templates: str | None,
    spool: ThumbnailSpool | None,
    *,
    is_guarded: bool,
) -> AuditReport:
    from clipcli.cli.conclude import note_labels
    from clipcli.output.formats import provenance_fields
    from clipcli.pipeline.provenance import now
    from clipcli.workflows.audit.audit import audit as audit_dataset
    from clipcli.workflows.audit.gather import Gathering, class_classifier, zero_shot
    from clipcli.workflows.audit.report import AuditReport

    started = now()
    classifier, places = class_classifier(session, tree, labels, templates)
    found = list(tree.find(session.report))
    if not found:
        raise InputError(f"{tree.source}: no pictures found")
    dataset = Gathering(session, tree.classes, tree.place_of, spool).gather(found)
    told = audit_dataset(dataset, zero_shot(classifier, places, dataset.vectors))
    note_labels(session, classifier)
    provenance = provenance_fields(session.provenance(classifier, started))
    return AuditReport(tree.source, told, provenance, spool, is_guarded)
