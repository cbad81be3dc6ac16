"""``clipcli dedup``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipcli.cli.groups import FindingsOutput, ModelOptions, NoteOptions, PathOptions
from clipcli.errors import ExitCode

if TYPE_CHECKING:
    from clipcli.output.html.thumbnails import ThumbnailSpool
    from clipcli.pipeline.session import Session
    from clipcli.workflows.audit.copies_report import CopiesReport


def dedup(
    paths: PathOptions,
    model: ModelOptions,
    output: FindingsOutput,
    notes: NoteOptions,
) -> ExitCode:
    """Find pictures that are there twice, or nearly so.

    clipcli dedup photos/ -o copies.html
    clipcli dedup photos/ backup/ --format csv

    It says which of them to keep, and deletes nothing.
    """
    from clipcli.cli.conclude import conclude, note_files
    from clipcli.output.html.thumbnails import spooled
    from clipcli.output.report import send
    from clipcli.workflows.audit.copies_report import FORMATS

    request = output.guarded_request(FORMATS)
    session = model.session(paths.inputs(), notes)
    with spooled(is_wanted=request.wants("html")) as spool:
        send(_dedup(session, spool, is_guarded=output.guard_formulas), request)
        note_files(session, request)
    return conclude(session)


def _dedup(session: Session, spool: ThumbnailSpool | None, *, is_guarded: bool) -> CopiesReport:
    from clipcli.images.class_tree import Place
    from clipcli.pipeline.provenance import now
    from clipcli.workflows.audit.copies import duplicates
    from clipcli.workflows.audit.copies_report import CopiesReport
    from clipcli.workflows.audit.gather import Gathering

    started = now()
    found = session.find_files()
    dataset = Gathering(session, (), lambda _: Place(None), spool).gather(list(found))
    for skipped, _ in dataset.broken:
        session.notes.say(f"skipped {skipped.path}: {skipped.reason}")
    copies = tuple(duplicates(dataset))
    provenance = session.vector_provenance(started)
    source = session.inputs.in_words()
    return CopiesReport(dataset, copies, provenance, spool, is_guarded, source)
