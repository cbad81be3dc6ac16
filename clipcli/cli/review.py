"""``clipcli review``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clipcli.cli import options
from clipcli.cli.groups import DecisionOptions, LabelOptions, ModelOptions, NoteOptions, PathOptions
from clipcli.cli.known import KnownOptions
from clipcli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from clipcli.cli.progress import Notes

LEAST_SURE_FIRST = 2  # among the orders of a contact sheet


def review(
    paths: PathOptions,
    labels: LabelOptions,
    decision: DecisionOptions,
    reviewed: KnownOptions,
    model: ModelOptions,
    notes: NoteOptions,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.html", help="The page.")
    ] = Path("review.html"),
    overwrite: options.Overwrite = False,
    no_open: Annotated[
        bool,
        typer.Option("--no-open", help="Only write the page. Left out: open it in the browser."),
    ] = False,
) -> ExitCode:
    """Classify pictures, and correct the answers on a page.

    clipcli review photos/ --labels animals
    clipcli review photos/ -l animals --decisions decisions.jsonl -o again.html

    The page shows the least sure pictures first; its decisions (decisions.jsonl) are what
    --decisions takes, and audit --apply.
    """
    from clipcli.cli.classified import classified
    from clipcli.cli.open_classifier import TOP_K, open_classifier
    from clipcli.output.html.reviewing import Review
    from clipcli.output.request import OutputRequest, requested

    if output.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{output}: a page ends with .html", hint="name it so")
    asked = requested(None, [output], ("html",), overwrite=overwrite)
    request = OutputRequest(
        None,
        asked.files,
        overwrite,
        review=Review(first_order=LEAST_SURE_FIRST, is_begun=True),
    )
    decisions, known = decision.decisions(), reviewed.known()
    session = model.session(paths.inputs(), notes, begun=model.begin(paths.paths))
    classifier = open_classifier(session, labels, decisions, top_k=decision.top_k or TOP_K)
    if known is not None:
        known.check_labels(classifier.label_set.names)
    code = classified(session, classifier, request, n_shown=1, known=known)
    if not no_open:
        _open(output, notes.notes())
    return code


def _open(page: Path, notes: Notes) -> None:
    """Show a page in the user's browser, and do not wait for it."""
    import webbrowser

    address = page.absolute().as_uri()
    # Without a screen the library may start a browser that takes the terminal.
    has_screen = sys.platform in ("win32", "darwin") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    if not has_screen or not webbrowser.open(address):
        notes.say(f"no browser was found: open {page} in one")
