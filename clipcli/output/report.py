"""Reports: answers that are written when all of them is known.

They go to standard output, as a table on a terminal, and into files in the format of their ending;
none is half-written. Which formats there are is each report's own affair.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from clipcli.errors import UsageError
from clipcli.output.files import NewFile, check_target, output_error
from clipcli.output.results import BESIDE, meta_path
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


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """What the options say: a format for standard output, and files with theirs."""

    format: str | None
    files: tuple[tuple[Path, str], ...]
    overwrite: bool

    def wants(self, name: str) -> bool:
        """Tell whether a format is among those asked for."""
        return name in (self.format, *(format_ for _, format_ in self.files))

    def send(self, report: Report) -> None:
        """Write a report everywhere: files first, since nobody can close those from outside."""
        for path, name in self.files:
            self._send_file(report, path, name)
        if self.format == "table":
            report.print_table()
        elif self.format is not None:
            is_terminal = sys.stdout.isatty()
            sys.stdout.flush()
            report.write(self.format, StandardOutput(), for_terminal=is_terminal, folder=None)

    def _send_file(self, report: Report, path: Path, name: str) -> None:
        file = NewFile(path, overwrite=self.overwrite)
        try:
            report.write(name, file, for_terminal=False, folder=path.parent)
            file.commit()
        except BaseException:
            file.discard()
            raise
        if name in BESIDE:
            told = json.dumps(report.provenance(), indent=2, ensure_ascii=False)
            meta = NewFile(meta_path(path), overwrite=self.overwrite)
            meta.write(f"{told}\n".encode("utf-8", "replace"))
            meta.commit()


def requested_report(
    chosen: str | None, files: Sequence[Path] | None, formats: Sequence[str], *, overwrite: bool
) -> ReportRequest:
    """Gather the output options, and refuse what cannot work before any work is done.

    Raises
    ------
    UsageError, OutputError, OutputExistsError
    """
    if chosen is not None and chosen not in formats:
        raise UsageError(f"--format {chosen}: unknown format", hint=f"one of {', '.join(formats)}")
    if chosen == "html" and sys.stdout.isatty():
        raise UsageError("--format html: not for a terminal", hint="use -o FILE.html")
    named = tuple((path, _format_of(path, formats)) for path in files or ())
    targets = [os.path.realpath(path) for path, _ in named]
    for (path, name), target in zip(named, targets, strict=True):
        if targets.count(target) > 1:
            raise UsageError(f"{path}: named twice as an output", hint="name each file once")
        check_target(path, overwrite=overwrite)
        if name in BESIDE:
            check_target(meta_path(path), overwrite=overwrite)
    if chosen is None and not named:
        chosen = "table" if sys.stdout.isatty() else "tsv"
    return ReportRequest(chosen, named, overwrite)


def _format_of(path: Path, formats: Sequence[str]) -> str:
    endings = {f".{name}": name for name in formats if name != "table"}
    endings |= {".ndjson": "jsonl"} if "jsonl" in formats else {}
    try:
        return endings[path.suffix.lower()]
    except KeyError:
        raise UsageError(
            f"{path}: no format is known here for the ending {path.suffix!r}",
            hint=f"end it with one of {', '.join(endings)}",
        ) from None


class StandardOutput:
    """Standard output as bytes, sent at once."""

    def write(self, content: bytes) -> None:
        """Send bytes; a closed pipe is told as such."""
        try:
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise output_error("standard output", error) from error


def tsv_bytes(rows: Iterable[Sequence[str]], *, for_terminal: bool) -> bytes:
    """Return rows as TSV; names that are not UTF-8 go out as the bytes they are."""
    shown = [[escape_tsv(cell) for cell in row] for row in rows]
    if for_terminal:
        shown = [list(map(visible, row)) for row in shown]
    text = "".join("\t".join(row) + "\n" for row in shown)
    return text.encode("utf-8", sys.getfilesystemencodeerrors())


def csv_bytes(rows: Iterable[Sequence[str]], *, for_terminal: bool) -> bytes:
    """Return rows as CSV, always UTF-8: one name that is not would keep readers from it all."""
    lines = []
    for row in rows:
        buffer = io.StringIO()
        # Subtle: up to Python 3.12 only the characters of its own line end make csv add quotes.
        writer = csv.writer(buffer, lineterminator="\r\n")
        writer.writerow([visible(cell) for cell in row] if for_terminal else row)
        lines.append(buffer.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines).encode("utf-8", "replace")


def json_bytes(data: Any, *, for_terminal: bool, indent: int | None = 2) -> bytes:
    """Return data as JSON and a line end."""
    text = json.dumps(data, indent=indent, ensure_ascii=for_terminal, allow_nan=False)
    return f"{text}\n".encode("utf-8", "replace")
