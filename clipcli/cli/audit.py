"""``clipcli audit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clipcli.cli import options
from clipcli.cli.applying import ApplyOptions
from clipcli.cli.groups import ClassLabelOptions, FindingsOutput, ModelOptions, NoteOptions
from clipcli.errors import ExitCode, InputError, UsageError

if TYPE_CHECKING:
    from clipcli.images.class_tree import ClassTree
    from clipcli.output.html.thumbnails import ThumbnailSpool
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.session import Session
    from clipcli.workflows.audit.audit import Audit
    from clipcli.workflows.audit.dataset import Dataset

Source = Annotated[
    str,
    typer.Argument(
        metavar="DIR",
        help="A folder with a folder for each class, or with train, val or test above those, or a "
        ".csv or .tsv with the columns path, label and, if there are any, split; or a tar, a "
        ".parquet, a URL, or what batch embed has written.",
    ),
]
Truth = Annotated[
    Path | None,
    typer.Option(
        "--truth",
        metavar="FILE.csv",
        help="The classes of pictures in archives, with the columns key and label. Left out: the "
        "folder that each lies in.",
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
    truth: Truth = None,
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
    from clipcli.pipeline.source_names import is_source
    from clipcli.workflows.audit.findings import check_selectors, selected
    from clipcli.workflows.audit.report import FORMATS, AuditReport

    selectors = check_selectors(fail_on)
    request = output.guarded_request(FORMATS)
    is_alone = labels == ClassLabelOptions() and output == FindingsOutput() and fail_on is None
    if is_source(source):
        check_archived(source, actions, splits)
        tree = None
    else:
        check_no_truth(source, truth)
        tree = read_class_tree(source, split_names(splits))
        actions.check(tree, is_alone=is_alone)
        if actions.apply is not None:
            return apply_decisions(tree, actions, notes.notes())
    session = model.session(Inputs((source,)), notes, begun=model.begin((source,)))
    with spooled(is_wanted=request.wants("html")) as spool:
        audited = (
            _audit_archived(session, source, truth, labels, spool)
            if tree is None
            else _audit(session, tree, labels, spool)
        )
        report = AuditReport(source, *audited, spool, output.guard_formulas)
        send(report, request)
        note_files(session, request)
    ending = conclude(session)
    return ExitCode.FINDINGS if selected(report.audit.findings, selectors) else ending


def check_archived(source: str, actions: ApplyOptions, splits: str | None) -> None:
    """Refuse what is done to files, and what folders decide.

    Raises
    ------
    UsageError
    """
    if actions != ApplyOptions():
        raise UsageError(
            f"{source}: pictures in an archive cannot be moved, so --apply does not go with it",
            hint="unpack it first",
        )
    if splits is not None:
        raise UsageError(
            "--splits: names folders, and in an archive those called train, val, test or the like "
            "are splits",
            hint="give a column split in --truth FILE.csv",
        )


def check_no_truth(source: str, truth: Path | None) -> None:
    """Refuse a table of truth where folders tell.

    Raises
    ------
    UsageError
    """
    if truth is not None:
        raise UsageError(
            f"--truth {truth}: belongs to archives, and {source} is none",
            hint="name the table itself, with the columns path and label",
        )


def _audit_archived(
    session: Session,
    source: str,
    truth: Path | None,
    labels: ClassLabelOptions,
    spool: ThumbnailSpool | None,
) -> tuple[Audit, dict[str, Any]]:
    from clipcli.images.key_truth import read_key_truth
    from clipcli.pipeline.provenance import now
    from clipcli.workflows.audit.archived import gather_archived
    from clipcli.workflows.audit.gather import class_classifier

    started = now()
    tree, dataset = gather_archived(session, source, read_key_truth(truth), spool)
    session.notes.say(tree.in_words())
    classifier, places = class_classifier(session, tree, labels.labels, labels.templates)
    return _audited(session, dataset, classifier, places, started)


def _audit(
    session: Session, tree: ClassTree, labels: ClassLabelOptions, spool: ThumbnailSpool | None
) -> tuple[Audit, dict[str, Any]]:
    from clipcli.pipeline.inputs import fetched
    from clipcli.pipeline.provenance import now
    from clipcli.pipeline.source_names import URL
    from clipcli.workflows.audit.gather import Gathering, class_classifier

    started = now()
    session.notes.say(tree.in_words())
    classifier, places = class_classifier(session, tree, labels.labels, labels.templates)
    found = list(tree.find(session.report))
    if not found:
        raise InputError(f"{tree.source}: no pictures found")
    gathering = Gathering(session, tree.classes, tree.place_of, spool)
    if any(URL.match(entry.path) for entry in found):
        dataset = gathering.gather_passing(map(fetched, found))
    else:
        dataset = gathering.gather(found)
    return _audited(session, dataset, classifier, places, started)


def _audited(
    session: Session, dataset: Dataset, classifier: Classifier, places: list[int], started: str
) -> tuple[Audit, dict[str, Any]]:
    from clipcli.cli.conclude import note_labels
    from clipcli.output.formats import provenance_fields
    from clipcli.workflows.audit.audit import audit as audit_dataset
    from clipcli.workflows.audit.gather import zero_shot

    outcome = audit_dataset(dataset, zero_shot(classifier, places, dataset.vectors))
    note_labels(session, classifier)
    return outcome, provenance_fields(session.provenance(classifier, started))
