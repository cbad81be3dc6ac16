"""``clipcli search``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from clipcli.cli import options
from clipcli.cli.groups import ModelOptions, NoteOptions, OutputOptions, PathOptions
from clipcli.errors import ExitCode

if TYPE_CHECKING:
    from clipcli.output.request import OutputRequest
    from clipcli.pipeline.session import Session
    from clipcli.workflows.search.query import SearchRequest


@dataclass
class SearchPaths(PathOptions):
    """Where to search, and perhaps what for."""

    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATHS [TEXT]",
            help="Pictures, folders, patterns, or - for standard input; and last or first, in "
            "quotes, what to look for, unless --query or --like says that.",
            show_default=False,
        ),
    ] = None


@dataclass
class QueryOptions:
    """What to look for."""

    HEADING: ClassVar = "Query"
    query: Annotated[
        list[str] | None,
        typer.Option(
            "--query",
            metavar="TEXT",
            help="What to look for; '2*beach + sunset - people' adds, weighs and avoids. Given "
            "several times, each is a search of its own. Left out: the text among PATHS.",
        ),
    ] = None
    like: Annotated[
        list[Path] | None,
        typer.Option(
            "--like",
            metavar="PICTURE",
            help="Look for pictures like this one, or like several together; with --query, like "
            "both. Left out: only the text counts.",
        ),
    ] = None
    top: Annotated[
        int,
        typer.Option(
            "--top-k", "--top", "-k", min=1, metavar="N", help="How many pictures to list."
        ),
    ] = 10
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
    ] = -1.0
    templates: Annotated[
        str | None,
        typer.Option(
            "--templates",
            "-t",
            metavar="SET",
            help="Put each text into templates, as labels are: a set such as photo, a file, or "
            "'a photo of a {}.'. Left out: the text as it is written.",
        ),
    ] = None


@dataclass
class SearchOutput(OutputOptions):
    """Where the finds go."""

    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="table, tsv, csv, json, jsonl or html on standard output. Left out: a table on a "
            "terminal, tsv in a pipe, nothing beside -o.",
        ),
    ] = None
    paths_only: options.PathsOnly = False


def search(
    paths: SearchPaths,
    query: QueryOptions,
    model: ModelOptions,
    output: SearchOutput,
    notes: NoteOptions,
) -> ExitCode:
    """Find the pictures most like a text, or like a picture.

    clipcli search photos/ "a red car in snow"
    clipcli search photos/ --like examples/cat.jpg --top 20 -o found.html
    """
    from clipcli.pipeline.inputs import Inputs
    from clipcli.workflows.search.query import read_request
    from clipcli.workflows.search.report import FORMATS

    request = output.paths_request(FORMATS, paths_only=output.paths_only, null=paths.null)
    places, search_request = read_request(
        paths.paths or (),
        query.query or (),
        query.like or (),
        has_list=paths.from_file is not None,
    )
    begun = model.begin(places)
    session = model.session(Inputs(places, paths.from_file, paths.null), notes, begun=begun)
    search_request = search_request.with_templates(query.templates)
    return _search(session, search_request, request, query.top, query.min_similarity)


def _search(
    session: Session,
    search_request: SearchRequest,
    request: OutputRequest,
    top: int,
    min_similarity: float,
) -> ExitCode:
    from clipcli.cli.conclude import conclude, note_files
    from clipcli.output.report import send
    from clipcli.pipeline.provenance import now
    from clipcli.workflows.search.query import rows_of, searched
    from clipcli.workflows.search.ranking import QueryHits, Ranking
    from clipcli.workflows.search.report import SearchReport

    started = now()
    found, _ = session.find()
    ranking = Ranking(rows_of(session, search_request), top, min_similarity)
    ranking.add_all(searched(session, search_request, found))
    if not session.n_ok and not ranking.n_seen:
        return conclude(session)
    provenance: dict[str, Any] = session.vector_provenance(started)
    templates = list(search_request.templates)
    provenance |= {"templates": templates, "top": top, "min_similarity": min_similarity}
    finds = map(QueryHits, search_request.queries, ranking.hits())
    send(SearchReport(tuple(finds), provenance, session.inputs.in_words()), request)
    note_files(session, request)
    return conclude(session)
