"""``clipcli diff``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from clipcli.cli import options
from clipcli.cli.groups import OutputOptions
from clipcli.errors import ExitCode


@dataclass
class DiffOutput(OutputOptions):
    """Where the differences go."""

    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="table, tsv, csv, json or jsonl on standard output. Left out: a table on a "
            "terminal, tsv in a pipe, nothing beside -o.",
        ),
    ] = None


def diff(
    output: DiffOutput,
    before: Annotated[
        str,
        typer.Argument(
            metavar="BEFORE",
            help="Results of classify: .jsonl, .json, .csv, .tsv or .parquet, or what batch "
            "classify has written, a folder or a URL.",
        ),
    ],
    after: Annotated[
        str, typer.Argument(metavar="AFTER", help="Results of another run; any of the formats.")
    ],
    min_move: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="PROBABILITY",
            help="Where the label stayed, list probabilities that moved by this or more.",
        ),
    ] = 0.1,
    quiet: options.Quiet = False,
) -> ExitCode:
    """Show what changed between two result files.

    Labels, decisions, pictures that came or went, and probabilities that moved.

    clipcli diff monday.jsonl tuesday.jsonl
    clipcli diff mini.csv large.csv --min-move 0.3 -o changes.csv

    The exit code is 6 if there is a change, else 0.
    """
    from clipcli.cli.progress import Notes
    from clipcli.output.reader import read_results
    from clipcli.output.report import send
    from clipcli.workflows.diff.changes import compare
    from clipcli.workflows.diff.report import FORMATS, DiffReport, summary

    notes = Notes(quiet=quiet)
    request = output.request(FORMATS)
    first, second = read_results(before), read_results(after)
    difference = compare(first, second, min_move=min_move)
    if difference.facts:
        notes.say(f"the runs differ in {', '.join(difference.facts)}")
    for file in (first, second):
        if file.provenance and file.provenance.get("error"):
            notes.say(f"{file.source} is not complete: {file.provenance['error']}")
    send(DiffReport(before, after, difference), request)
    notes.say(summary(difference))
    if not difference.n_compared and difference.n_first and difference.n_second:
        notes.say("no path is in both: were they run from different folders?")
    return ExitCode.FINDINGS if difference.counts() else ExitCode.DONE
