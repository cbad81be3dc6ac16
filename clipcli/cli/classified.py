"""Sending a classifier's results to the outputs, whoever asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from clipcli.errors import ExitCode

if TYPE_CHECKING:
    from clipcli.output.request import OutputRequest
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.known_answers import KnownAnswers
    from clipcli.pipeline.session import Session
    from clipcli.results import Result


def classified(
    session: Session,
    classifier: Classifier,
    request: OutputRequest,
    *,
    n_shown: int,
    change: Callable[[Result], Result] = lambda result: result,
    known: KnownAnswers | None = None,
) -> ExitCode:
    """Send each result to the outputs; however the run ends, what is written is whole.

    ``change`` is done to each of them before, and what is ``known`` wins.
    """
    from clipcli.cli.conclude import conclude, note_files
    from clipcli.cli.sending import send_all
    from clipcli.output.results import Outputs
    from clipcli.output.summary import Summary, stderr_encoding
    from clipcli.output.table import RANKED_IMAGES
    from clipcli.pipeline.provenance import now

    found, is_handful = session.find(RANKED_IMAGES)
    if request.wants("html"):
        request = _for_page(request, session, classifier)
        classifier.keeps_vectors = True
    outputs = Outputs(
        request,
        classifier.label_set,
        top_k=classifier.top_k,
        ranked=is_handful,
        n_shown=n_shown,
        independent=classifier.independent,
    )
    started, summary = now(), Summary()
    results: Iterable[Result] = map(change, classifier.classify_found(found))
    results = summary.count(results if known is None else map(known.answered, results))
    send_all(session, outputs, results, lambda: session.provenance(classifier, started))
    if known is not None:
        from clipcli.pipeline.known_answers import tell_left_over

        tell_left_over(known, session.notes.say)
    if not is_handful:
        session.notes.summary(summary.lines(stderr_encoding()))
    note_files(session, request, summary.in_words())
    return conclude(session, classifier)


def _for_page(request: OutputRequest, session: Session, classifier: Classifier) -> OutputRequest:
    """Say what a page shows, and which labels it offers for its review."""
    from clipcli.cli.headings import heading_of
    from clipcli.output.html.reviewing import Review

    review = replace(request.review or Review(), labels=classifier.label_set.names)
    return replace(request, heading=heading_of(session, classifier), review=review)
