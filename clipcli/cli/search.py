"""``clipcli search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clipcli.cli import options
from clipcli.errors import ExitCode

if TYPE_CHECKING:
    from clipcli.output.report import ReportRequest
    from clipcli.pipeline.session import Session
    from clipcli.workflows.search.query import Wanted


def search(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATHS [TEXT]",
            help="Pictures, folders, patterns, or - for a list on standard input; and last, in "
            "quotes, what to look for, unless --query or --like says that.",
            show_default=False,
        ),
    ] = None,
    query: Annotated[
        list[str] | None,
        typer.Option(
            "--query",
            metavar="TEXT",
            help="What to look for. Given several times, each is a search of its own. Left out: "
            "the last of PATHS.",
        ),
    ] = None,
    like: Annotated[
        list[Path] | None,
        typer.Option(
            "--like",
            metavar="PICTURE",
            help="Look for pictures like this one, or like several together; with --query, like "
            "both. Left out: only the text counts.",
        ),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", "-k", min=1, metavar="N", help="How many pictures to list.")
    ] = 10,
    min_similarity: Annotated[
        float,
        typer.Option(
            min=-1.0,
            max=1.0,
            metavar="COSINE",
            help="List no picture that is less similar. Left out: the best are listed, however "
            "little they fit.",
            show_default=False,
        ),
    ] = -1.0,
    templates: Annotated[
        str | None,
        typer.Option(
            "--templates",
            "-t",
            metavar="SET",
            help="Put each text into templates, as labels are: a set such as photo, a file, or "
            "'a photo of a {}.'. Left out: the text as it is written.",
        ),
    ] = None,
    model: options.Model = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="table, tsv, csv, json, jsonl or html on standard output. Left out: a table on a "
            "terminal, tsv in a pipe, nothing beside -o.",
        ),
    ] = None,
    output: options.Outputs = None,
    overwrite: options.Overwrite = False,
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
    """Find the pictures that are most like a text, or like a picture.

    clipcli search photos/ "a red car in snow"
    """
    from clipcli.cli.progress import Notes
    from clipcli.output.report import requested_report
    from clipcli.pipeline.inputs import Inputs
    from clipcli.pipeline.session import ModelOptions, Session
    from clipcli.workflows.search.query import wanted
    from clipcli.workflows.search.report import FORMATS

    request = requested_report(format_, output, FORMATS, overwrite=overwrite)
    places, want = wanted(paths or (), query or (), like or (), has_list=from_file is not None)
    session = Session(
        inputs=Inputs(places, from_file, null),
        model=ModelOptions(model, device, precision, exact, max_pixels, no_cache),
        notes=Notes(quiet=quiet, verbose=verbose),
    )
    return _search(session, want.with_templates(templates), request, top, min_similarity)


def _search(
    session: Session, want: Wanted, request: ReportRequest, top: int, min_similarity: float
) -> ExitCode:
    from clipcli.cli.conclude import conclude
    from clipcli.pipeline.provenance import now
    from clipcli.workflows.search.query import rows_of, searched
    from clipcli.workflows.search.ranking import Found, Ranking
    from clipcli.workflows.search.report import SearchReport

    started = now()
    found, _ = session.find()
    ranking = Ranking(rows_of(session, want), top, min_similarity)
    ranking.add_all(searched(session, want, found))
    if not session.n_ok and not ranking.n_seen:
        return conclude(session)
    told: dict[str, Any] = session.vector_provenance(started)
    told |= {"templates": list(want.templates), "top": top, "min_similarity": min_similarity}
    finds = map(Found, want.queries, ranking.hits())
    request.send(SearchReport(tuple(finds), told))
    return conclude(session)
