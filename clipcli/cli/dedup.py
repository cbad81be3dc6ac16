"""``clipcli dedup``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipcli.cli import options
from clipcli.cli.audit import FindingsFiles, FindingsFormat
from clipcli.errors import ExitCode

if TYPE_CHECKING:
    from clipcli.output.html.thumbnails import ThumbnailSpool
    from clipcli.pipeline.session import Session
    from clipcli.workflows.audit.copies_report import CopiesReport


def dedup(
    paths: options.Paths = None,
    model: options.Model = None,
    format_: FindingsFormat = None,
    output: FindingsFiles = None,
    overwrite: options.Overwrite = False,
    guard_formulas: options.GuardFormulas = False,
    from_file: options.FromFile = None,
    null: options.Null = False,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    exact: options.Exact = False,
    max_pixels: options.MaxPixels = 200.0,
    no_cache: options.NoCache = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> ExitCode:
    """Find pictures that are there twice, or nearly so, and say which to keep; deletes nothing.

    clipcli dedup photos/ -o copies.html
    """
    from clipcli.cli.conclude import conclude
    from clipcli.cli.progress import Notes
    from clipcli.output.html.thumbnails import spooled
    from clipcli.output.report import requested_report
    from clipcli.pipeline.inputs import Inputs
    from clipcli.pipeline.session import ModelOptions, Session
    from clipcli.workflows.audit.copies_report import FORMATS

    request = requested_report(format_, output, FORMATS, overwrite=overwrite)
    session = Session(
        inputs=Inputs(tuple(paths or ()), from_file, null),
        model=ModelOptions(model, device, precision, exact, max_pixels, no_cache),
        notes=Notes(quiet=quiet, verbose=verbose),
    )
    with spooled(is_wanted=request.wants("html")) as spool:
        request.send(_dedup(session, spool, is_guarded=guard_formulas))
    return conclude(session)


def _dedup(session: Session, spool: ThumbnailSpool | None, *, is_guarded: bool) -> CopiesReport:
    from clipcli.images.class_tree import Place
    from clipcli.pipeline.provenance import now
    from clipcli.workflows.audit.copies import duplicates
    from clipcli.workflows.audit.copies_report import CopiesReport
    from clipcli.workflows.audit.gather import Gathering

    started = now()
    found, _ = session.find()
    dataset = Gathering(session, (), lambda _: Place(None), spool).gather(list(found))
    for skipped, _ in dataset.broken:
        session.notes.say(f"skipped {skipped.path}: {skipped.reason}")
    copies = tuple(duplicates(dataset))
    told = session.vector_provenance(started)
    return CopiesReport(dataset, copies, told, spool, is_guarded)
