"""The classifier that a command's options ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipcli.errors import LabelSetError

if TYPE_CHECKING:
    from clipcli.cli.groups import LabelOptions
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.decisions import Decisions
    from clipcli.pipeline.session import Session

TOP_K = 5  # labels that are listed a picture, where nobody says how many


def open_classifier(
    session: Session, chosen: LabelOptions, decisions: Decisions, *, top_k: int = TOP_K
) -> Classifier:
    """Return the classifier of a label set, or of a probe's file.

    Raises
    ------
    LabelSetError, UsageError, ModelError, CalibrationError
    """
    from clipcli.labels.label_set import builtin_label_sets, load_label_set
    from clipcli.pipeline.decisions import check_alone, decide, open_probe

    if chosen.probe is not None:
        check_alone(chosen.labels, chosen.templates, decisions)
        return open_probe(session, chosen.probe, top_k, decisions)
    if chosen.labels is None:
        raise LabelSetError(
            "no labels were given",
            hint="--labels FILE, --labels 'cat, dog', or a built-in set: "
            + ", ".join(sorted(builtin_label_sets())),
        )
    classifier = session.classifier(
        load_label_set(chosen.labels),
        templates=chosen.templates,
        top_k=top_k,
        min_prob=decisions.least_probability,
        independent=decisions.independent,
        no_rules=chosen.no_rules,
    )
    notes = session.notes
    classifier.report_progress = lambda n_done, n_labels: notes.say(
        f"{n_done:,} of {n_labels:,} labels encoded"
    )
    return decide(classifier, decisions, notes)
