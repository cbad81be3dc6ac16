"""Headings of pages: folder, what was asked, model and day, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.session import Session


def heading(session: Session, asked: str, model: str) -> str:
    """Say what a page shows; ``asked`` is the label set or text, in words."""
    from clipcli.output.text import visible
    from clipcli.pipeline.provenance import now

    day = now().partition("T")[0]
    return " · ".join(map(visible, (session.inputs.in_words(), asked, model, day)))


def heading_of(session: Session, classifier: Classifier) -> str:
    """Say what a page of a classifier's answers shows."""
    from clipcli.output.html.contact_sheet import labels_in_words

    labels = labels_in_words(classifier.label_set.name)
    return heading(session, labels, classifier.encoder.config.name)
