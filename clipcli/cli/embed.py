"""``clipcli embed``."""

from __future__ import annotations

from collections.abc import Sequence
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
        list[Path],
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where vectors go: FILE.npz or FILE.parquet; may be given several times.",
        ),
    ],
    overwrite: options.Overwrite = False,
) -> ExitCode:
    """Write each picture's embedding, a unit vector, to a file.

    clipcli embed photos/ -o vectors.npz
    clipcli embed --from-file list.txt --model ViT-B/32 -o vectors.parquet
    """
    from clipcli.output.vectors import check_vector_targets

    check_vector_targets(output, overwrite=overwrite)
    session = model.session(paths.inputs(), notes, begun=model.begin(paths.paths))
    return _embed(session, output, overwrite=overwrite)


def _embed(session: Session, output: Sequence[Path], *, overwrite: bool) -> ExitCode:
    """Send each vector to the files; what is cut short by Ctrl-C is whole and says so."""
    from clipcli.cli.conclude import conclude, reason_of
    from clipcli.output.vectors import VectorOutput
    from clipcli.pipeline.provenance import now
    from clipcli.process import held

    encoder = session.encoder
    found, _ = session.find()
    width = encoder.config.architecture.embed_dim
    files: list[VectorOutput] = []
    started = now()

    def provenance(error: str | None) -> dict[str, Any]:
        return session.vector_provenance(started) | {"error": error}

    try:
        with held():  # importing pyarrow takes a while, and a temporary file is there already
            files += (VectorOutput(path, width, overwrite=overwrite) for path in output)
        with session.notes.progress(session.total()) as advance:
            for entry in session.tally(session.embedded(found)):
                with held():
                    for file in files:
                        file.write(entry)
                advance()
        for file in files:
            file.finish(provenance(None))
    except BaseException as error:
        for file in files:
            file.end_early(provenance(reason_of(error)))
        raise
    return conclude(session)
