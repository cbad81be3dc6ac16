"""``clipcli embed``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clipcli.cli import options
from clipcli.errors import ExitCode

if TYPE_CHECKING:
    from clipcli.pipeline.session import Session


def embed(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where vectors go: FILE.npz or FILE.parquet."
        ),
    ],
    paths: options.Paths = None,
    model: options.Model = None,
    overwrite: options.Overwrite = False,
    from_file: options.FromFile = None,
    null: options.Null = False,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    backend: options.Backend = "torch",
    exact: options.Exact = False,
    max_pixels: options.MaxPixels = 200.0,
    no_cache: options.NoCache = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> ExitCode:
    """Write each picture's embedding, a unit vector, to a file.

    clipcli embed photos/ -o vectors.npz
    """
    from clipcli.cli.progress import Notes
    from clipcli.output.vectors import check_vector_target
    from clipcli.pipeline.inputs import Inputs
    from clipcli.pipeline.session import ModelOptions, Session

    check_vector_target(output, overwrite=overwrite)
    session = Session(
        inputs=Inputs(tuple(paths or ()), from_file, null),
        model=ModelOptions(model, device, precision, exact, max_pixels, no_cache, backend),
        notes=Notes(quiet=quiet, verbose=verbose),
    )
    return _embed(session, output, overwrite=overwrite)


def _embed(session: Session, output: Path, *, overwrite: bool) -> ExitCode:
    """Send each vector to the file; one that is cut short by Ctrl-C is whole and says so."""
    from clipcli.cli.conclude import conclude, reason_of
    from clipcli.output.vectors import VectorOutput
    from clipcli.pipeline.provenance import now

    encoder = session.encoder
    found, _ = session.find()
    width = encoder.config.architecture.embed_dim
    file = VectorOutput(output, width, overwrite=overwrite)
    started = now()

    def provenance(error: str | None) -> dict[str, Any]:
        return session.vector_provenance(started) | {"error": error}

    try:
        with session.notes.progress(session.total()) as advance:
            for entry in session.tally(session.embedded(found)):
                file.write(entry)
                advance()
        file.finish(provenance(None))
    except BaseException as error:
        file.end_early(provenance(reason_of(error)))
        raise
    return conclude(session)
