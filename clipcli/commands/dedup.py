"""This file knows about ``clipcli dedup``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipcli.commands import options
from clipcli.commands.audit import FindingsFiles, FindingsFormat
from clipcli.errors import ExitCode

if TYPE_CHECKING:
    from clipcli.commands.runs import Run
    from clipcli.render.dedup import CopiesReport
    from clipcli.render.pages.thumbnails import ThumbnailSpool


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
    from clipcli.commands.runs import Inputs, ModelOptions, Run
    from clipcli.render.dedup import FORMATS
    from clipcli.render.notes import Notes
    from clipcli.render.pages.thumbnails import spooled
    from clipcli.render.reports import requested_report

    request = requested_report(format_, output, FORMATS, overwrite=overwrite)
    run = Run(
        inputs=Inputs(tuple(paths or ()), from_file, null),
        model=ModelOptions(model, device, precision, exact, max_pixels, no_cache),
        notes=Notes(quiet=quiet, verbose=verbose),
    )
    with spooled(is_wanted=request.wants("html")) as spool:
        request.send(_dedup(run, spool, is_guarded=guard_formulas))
    return run.conclude()


def _dedup(run: Run, spool: ThumbnailSpool | None, *, is_guarded: bool) -> CopiesReport:
    from clipcli.audit.copies import duplicates
    from clipcli.classtree import Place
    from clipcli.commands.auditing import Gathering
    from clipcli.provenance import describe_vectors, now
    from clipcli.render.dedup import CopiesReport

    started = now()
    found, _ = run.find()
    dataset = Gathering(run, (), lambda _: Place(None), spool).gather(list(found))
    for skipped, _ in dataset.broken:
        run.notes.say(f"skipped {skipped.path}: {skipped.reason}")
    copies = tuple(duplicates(dataset))
    told = describe_vectors(
        run.encoder, run.image_cache, started, run.counts(), is_exact=run.model.exact
    )
    return CopiesReport(dataset, copies, told, spool, is_guarded)
