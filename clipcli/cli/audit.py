"""``clipcli audit``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from clipcli.cli import options
from clipcli.cli.applying import ApplyOptions
from clipcli.cli.groups import ClassLabelOptions, FindingsOutput, ModelOptions, NoteOptions
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
FailOn = Annotated[
    str | None,
    typer.Option(
        metavar="KINDS",
        help="End with exit code 6 if there are such findings: any, duplicate, leak, conflict, "
        "or kinds such as broken,wrong-label. Left out: findings are no failure.",
    ),
]


def audit(
    source: Source,
    labels: ClassLabelOptions,
    actions: ApplyOptions,
    model: ModelOptions,
    output: FindingsOutput,
    notes: NoteOptions,
    splits: options.Splits = None,
    fail_on: FailOn = None,
) -> ExitCode:
    """Find wrong labels, copies and broken files in a data set.

    clipcli audit photos-by-class/ -o report.html
    clipcli audit dataset/ --fail-on leak,broken
    clipcli audit photos-by-class/ --apply decisions.jsonl
    """
    from clipcli.cli.applying import apply_decisions
    from clipcli.cli.conclude import conclude, note_files
    from clipcli.images.class_tree import read_class_tree, split_names
    from clipcli.output.html.thumbnails import spooled
    from clipcli.output.report import send
    from clipcli.pipeline.inputs import Inputs
    from clipcli.workflows.audit.findings import check_selectors, selected
    from clipcli.workflows.audit.report import FORMATS

    selectors = check_selectors(fail_on)
    request = output.guarded_request(FORMATS)
    tree = read_class_tree(source, split_names(splits))
    is_alone = labels == ClassLabelOptions() and output == FindingsOutput() and fail_on is None
    actions.check(tree, is_alone=is_alone)
    if actions.apply is not None:
        return apply_decisions(tree, actions, notes.notes())
    session = model.session(Inputs((source,)), notes)
    session.start_early()
    session.notes.say(tree.in_words())
    with spooled(is_wanted=request.wants("html")) as spool:
        report = _audit(session, tree, labels, spool, is_guarded=output.guard_formulas)
        send(report, request)
        note_files(session, request)
    ending = conclude(session)
    return ExitCode.FINDINGS if selected(report.audit.findings, selectors) else ending


def _audit(
    session: Session,
    tree: ClassTree,
    labels: ClassLabelOptions,
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
    classifier, places = class_classifier(session, tree, labels.labels, labels.templates)
    found = list(tree.find(session.report))
    if not found:
        raise InputError(f"{tree.source}: no pictures found")
    dataset = Gathering(session, tree.classes, tree.place_of, spool).gather(found)
    outcome = audit_dataset(dataset, zero_shot(classifier, places, dataset.vectors))
    note_labels(session, classifier)
    provenance = provenance_fields(session.provenance(classifier, started))
    return AuditReport(tree.source, outcome, provenance, spool, is_guarded)
