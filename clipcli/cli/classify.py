"""``clipcli classify``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from clipcli.cli import options
from clipcli.cli.groups import (
    DecisionOptions,
    LabelOptions,
    ModelOptions,
    NoteOptions,
    PathOptions,
    ResultOutput,
)
from clipcli.cli.known import KnownOptions
from clipcli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from clipcli.output.html.heat_views import HeatViews
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.session import Session


@dataclass
class ClassifyOutput(ResultOutput):
    """Where results go, or which pictures were given a label."""

    paths_only: options.PathsOnly = False
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Put heat maps of the three best labels into the contact sheet (-o FILE.html). "
            "Left out: none.",
        ),
    ] = False


def classify(
    paths: PathOptions,
    labels: LabelOptions,
    decision: DecisionOptions,
    reviewed: KnownOptions,
    model: ModelOptions,
    output: ClassifyOutput,
    notes: NoteOptions,
) -> ExitCode:
    """Say which label fits each picture, with probabilities.

    clipcli classify photos/ --labels animals
    clipcli classify photos/ --labels 'cat, dog' -o results.csv -o sheet.html
    """
    begun = model.begin(paths.paths)

    from clipcli.cli.classified import classified
    from clipcli.cli.open_classifier import TOP_K, open_classifier
    from clipcli.output.results import FORMATS

    decisions = decision.decisions()
    request = output.paths_request(
        FORMATS,
        paths_only=output.paths_only,
        null=paths.null,
        is_guarded=output.guard_formulas,
    )
    if output.explain and not request.wants("html"):
        raise UsageError(
            "--explain: puts heat maps into a contact sheet, and none is written",
            hint="add -o FILE.html, or ask `clipcli explain`",
        )
    known = reviewed.known()
    session = model.session(paths.inputs(), notes, begun=begun)
    classifier = open_classifier(session, labels, decisions, top_k=decision.top_k or TOP_K)
    if known is not None:
        known.check_labels(classifier.label_set.names)
    if output.explain:
        request = replace(request, heats=_heats(session, classifier))
    return classified(session, classifier, request, n_shown=decision.top_k or 1, known=known)


def _heats(session: Session, classifier: Classifier) -> HeatViews:
    """Return what draws heat maps with a session's model.

    Raises
    ------
    UsageError
        If a probe answers: it knows no words that places could be compared with.
    """
    from clipcli.models.resolve import open_named
    from clipcli.output.html.heat_views import HeatViews
    from clipcli.pipeline.heat import HeatMaker

    if classifier.probe is not None:
        raise UsageError("--explain and --probe: a probe's answers have no heat maps")
    model, settings = open_named(session.model.model), session.model
    maker = HeatMaker(classifier, model, settings.device, settings.backend)
    how = session.model.decoding()
    return HeatViews(maker, classifier.label_set.names, how.max_pixels, how.convert_profiles)
