"""``clipcli embed``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clipcli.cli import options
from clipcli.cli.groups import ModelOptions, NoteOptions, PathOptions
from clipcli.errors import ExitCode

if TYPE_CHECKING:
    from clipcli.pipeline.session import Session


def embed(
    paths: PathOptions,
    model: ModelOptions,
    notes: NoteOptions,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where vectors go: FILE.npz or FILE.parquet."
        ),
    ],
    overwrite: options.Overwrite = False,
) -> ExitCode:
    """Write each picture's embedding, a unit vector, to a file.

    clipcli embed photos/ -o vectors.npz
    clipcli embed --from-file list.txt --model ViT-B/32 -o vectors.parquet
    """
    from clipcli.output.vectors import check_vector_target

    check_vector_target(output, overwrite=overwrite)
    session = model.session(paths.inputs(), notes, begun=model.begin(paths.paths))
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
