"""``clipcli describe``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from clipcli.cli.groups import ModelOptions, NoteOptions, OutputOptions, PathOptions
from clipcli.errors import ExitCode

if TYPE_CHECKING:
    from clipcli.output.request import OutputRequest
    from clipcli.pipeline.session import Session


@dataclass(frozen=True)
class DescribeOutput(OutputOptions):
    """Where the sentences go."""

    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="table (with the parts), tsv, json or jsonl on standard output. Left out: a table "
            "on a terminal, tsv in a pipe, nothing beside -o.",
        ),
    ] = None


def describe(
    paths: PathOptions, model: ModelOptions, output: DescribeOutput, notes: NoteOptions
) -> ExitCode:
    """Say in a sentence what was recognised with confidence.

    clipcli describe photo.jpg
    clipcli describe photos/ -o sentences.jsonl
    """
    from clipcli.workflows.asking.report import FORMATS

    request = output.request(FORMATS)
    return _describe(model.session(paths.inputs(), notes), request)


def _describe(session: Session, request: OutputRequest) -> ExitCode:
    from clipcli.cli.conclude import conclude, note_files
    from clipcli.labels.label_set import load_label_set
    from clipcli.output.report import send
    from clipcli.pipeline.provenance import now
    from clipcli.workflows.asking.describing import ASPECTS, MOST_NEUTRAL, SURE
    from clipcli.workflows.asking.describing import describe as described
    from clipcli.workflows.asking.report import DescribeReport

    started = now()
    classifiers = []
    for aspect in ASPECTS:
        labels = load_label_set(aspect.label_set)
        limit = MOST_NEUTRAL if aspect.has_neutral else None
        classifiers.append((aspect, session.classifier(labels, reject_threshold=limit)))
    found, _ = session.find()
    with session.notes.progress(session.total()) as advance:
        entries = []
        for entry in session.tally(described(session.embedded(found), classifiers)):
            entries.append(entry)
            advance()
    if session.n_ok:
        provenance = session.vector_provenance(started)
        provenance |= {"label_sets": [aspect.label_set for aspect in ASPECTS], "sure": SURE}
        send(DescribeReport(tuple(entries), provenance), request)
        note_files(session, request)
    return conclude(session)
