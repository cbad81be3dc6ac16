"""``clipcli classify``."""

from __future__ import annotations

from dataclasses import dataclass

from clipcli.cli import options
from clipcli.cli.groups import (
    DecisionOptions,
    LabelOptions,
    ModelOptions,
    NoteOptions,
    PathOptions,
    ResultOutput,
)
from clipcli.errors import ExitCode


@dataclass(frozen=True)
class ClassifyOutput(ResultOutput):
    """Where results go, or which pictures were given a label."""

    paths_only: options.PathsOnly = False


def classify(
    paths: PathOptions,
    labels: LabelOptions,
    decision: DecisionOptions,
    model: ModelOptions,
    output: ClassifyOutput,
    notes: NoteOptions,
) -> ExitCode:
    """Say which label fits each picture, with probabilities.

    clipcli classify photos/ --labels animals
    clipcli classify photos/ --labels 'cat, dog' -o results.csv -o sheet.html
    """
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
    session = model.session(paths.inputs(), notes)
    classifier = open_classifier(session, labels, decisions, top_k=decision.top_k or TOP_K)
    return classified(session, classifier, request, n_shown=decision.top_k or 1)
