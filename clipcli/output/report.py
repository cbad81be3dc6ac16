"""Reports: answers that are written once all of them is known.

They go to standard output, as a table on a terminal, and into files in the format of their ending;
none is half-written. Which formats there are is each report's own affair.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from clipcli.output.files import NewFile
from clipcli.output.formats import csv_line
from clipcli.output.request import BESIDE, OutputRequest, StandardOutput, write_meta
from clipcli.output.text import escape_tsv, visible

if TYPE_CHECKING:
    from clipcli.output.formats import Sink


class Report(Protocol):
    """An answer that can be written in several formats."""

    def write(self, name: str, sink: Sink, *, for_terminal: bool, folder: Path | None) -> None:
        """Write it into a sink; ``folder`` is where that will lie, if it is known."""

    def print_table(self) -> None:
        """Print it for people."""

    def provenance(self) -> dict[str, Any]:
        """Return where it came from, as JSON data."""


def send(report: Report, request: OutputRequest) -> None:
    """Write a report everywhere: files first, since nobody can close those from outside.

    Raises
    ------
    OutputError, OutputExistsError, BrokenPipeError
    """
    for path, name in request.files:
        _send_file(report, path, name, overwrite=request.overwrite)
    if request.format == "table":
        report.print_table()
    elif request.format is not None:
        is_terminal = sys.stdout.isatty()
        report.write(request.format, StandardOutput(), for_terminal=is_terminal, folder=None)


def _send_file(report: Report, path: Path, name: str, *, overwrite: bool) -> None:
    file = NewFile(path, overwrite=overwrite)
    try:
        report.write(name, file, for_terminal=False, folder=path.parent)
        file.commit()
    except BaseException:
        file.discard()
        raise
    if name in BESIDE:
        write_meta(path, report.provenance(), overwrite=overwrite)


def tsv_bytes(rows: Iterable[Sequence[str]], *, for_terminal: bool) -> bytes:
    """Return rows as TSV; names that are not UTF-8 go out as the bytes they are."""
    shown = [[escape_tsv(cell) for cell in row] for row in rows]
    if for_terminal:
        shown = [list(map(visible, row)) for row in shown]
    text = "".join("\t".join(row) + "\n" for row in shown)
    return text.encode("utf-8", sys.getfilesystemencodeerrors())


def csv_bytes(rows: Iterable[Sequence[str]], *, for_terminal: bool, line_end: str = "\n") -> bytes:
    """Return rows as CSV, always UTF-8: one name that is not would keep readers from it all."""
    lines = (csv_line(map(visible, row) if for_terminal else row) for row in rows)
    return "".join(line + line_end for line in lines).encode("utf-8", "replace")


def json_bytes(data: Any, *, for_terminal: bool, indent: int | None = 2) -> bytes:
    """Return data as JSON and a line end."""
    text = json.dumps(data, indent=indent, ensure_ascii=for_terminal, allow_nan=False)
    return f"{text}\n".encode("utf-8", "replace")
