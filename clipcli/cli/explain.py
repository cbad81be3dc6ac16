"""``clipcli explain``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from clipcli.cli import options
from clipcli.cli.groups import LabelOptions, ModelOptions, NoteOptions, OutputOptions, PathOptions
from clipcli.errors import ExitCode

if TYPE_CHECKING:
    from clipcli.output.request import OutputRequest
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.session import Session


@dataclass
class ExplainLabels:
    """What is looked for."""

    HEADING: ClassVar = "Labels"
    labels: options.Labels = None
    templates: options.Templates = None
    top_k: Annotated[
        int,
        typer.Option(
            "--top-k", "-k", min=1, metavar="N", help="How many labels to map, the best first."
        ),
    ] = 3


@dataclass
class ExplainOutput(OutputOptions):
    """Where the maps go."""

    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="table (pictures), tsv, json, jsonl, npz, png or html on standard output. Left "
            "out: pictures on a terminal, tsv in a pipe, nothing beside -o.",
        ),
    ] = None


def explain(
    paths: PathOptions,
    labels: ExplainLabels,
    model: ModelOptions,
    output: ExplainOutput,
    notes: NoteOptions,
) -> ExitCode:
    """Show where in each picture a label is seen, and why.

    clipcli explain cat.jpg --labels 'cat, sofa'
    clipcli explain photos/ --labels animals -o maps.html
    """
    from clipcli.cli.open_classifier import open_classifier
    from clipcli.pipeline.decisions import Decisions
    from clipcli.workflows.explain.writers import FORMATS

    request = output.request(FORMATS)
    session = model.session(paths.inputs(), notes)
    chosen = LabelOptions(labels.labels, labels.templates, no_rules=True)
    classifier = open_classifier(
        session, chosen, Decisions(None, None, False, None, False), top_k=labels.top_k
    )
    return _explain(session, classifier, request)


def _explain(session: Session, classifier: Classifier, request: OutputRequest) -> ExitCode:
    from clipcli.cli.conclude import conclude, note_files
    from clipcli.cli.headings import heading_of
    from clipcli.cli.sending import send_all
    from clipcli.models.resolve import open_named
    from clipcli.output.drawing.limits import MOST_DRAWN, check_drawable
    from clipcli.output.streams import Streams
    from clipcli.pipeline.heat import HeatMaker
    from clipcli.pipeline.provenance import now
    from clipcli.workflows.explain.run import explain as explained
    from clipcli.workflows.explain.writers import open_writer

    started = now()
    found, is_handful = session.find_files(MOST_DRAWN)
    check_drawable(request, is_handful=is_handful, is_counted=session.inputs.can_be_walked_twice)
    model, settings = open_named(session.model.model), session.model
    maker = HeatMaker(classifier, model, settings.device, settings.backend)
    opener = partial(open_writer, heading=heading_of(session, classifier))
    outputs = Streams(request, opener, dict)
    send_all(
        session,
        outputs,
        explained(session, classifier, maker, found),
        lambda: session.vector_provenance(started) | {"templates": list(classifier.templates)},
    )
    note_files(session, request)
    return conclude(session, classifier)
