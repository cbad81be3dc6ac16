"""All outputs of a run over pictures: each result goes to each, in step."""

from __future__ import annotations

import contextlib
import sys
from functools import partial
from pathlib import Path

from clipcli.errors import ClipcliError
from clipcli.labels.label_set import LabelSet
from clipcli.output.files import NewFile
from clipcli.output.formats import (
    Columns,
    CsvLines,
    Document,
    JsonDocument,
    LineDocument,
    PathsDocument,
    Sink,
    jsonl_line,
    provenance_fields,
    tsv_line,
)
from clipcli.output.request import BESIDE, PATHS, OutputRequest, StandardOutput, write_meta
from clipcli.output.table import Table
from clipcli.process import held
from clipcli.results import Provenance, Result

FORMATS = ("table", "tsv", "csv", "json", "jsonl", "parquet", "html")


class Outputs:
    """All outputs of a run: each result goes to each, all end together."""

    def __init__(
        self,
        request: OutputRequest,
        label_set: LabelSet,
        *,
        top_k: int,
        ranked: bool,
        independent: bool = False,
        n_shown: int = 1,  # labels a line, in TSV and in a table of many pictures
    ) -> None:
        n_labels = len(label_set.names)
        columns = Columns(
            min(top_k, n_labels), min(n_shown, n_labels), independent, request.is_guarded
        )
        self._n_written = 0
        self._files: list[_FileWriter] = []
        self._stdout: Document | None = None
        try:
            for path, name in request.files:
                writer = _FileWriter(path, name, columns, request)
                self._files.append(writer)
        except BaseException:
            self.abandon()
            raise
        if request.format is not None:
            self._stdout = _stdout_writer(
                request.format, label_set, columns, request, ranked=ranked
            )
        self.fills_terminal = self._stdout is not None and sys.stdout.isatty()
        self.has_table = isinstance(self._stdout, Table)

    def write(self, result: Result) -> None:
        """Send one result to every output, or to none."""
        with held():
            self._n_written += 1
            for file in self._files:
                file.write(result)
            try:
                if self._stdout:
                    self._stdout.write(result)
            except BrokenPipeError:
                if not self._files:
                    raise
                self._stdout = None  # who read there has enough; the files are to be whole

    def finish(self, provenance: Provenance, error: str | None = None) -> None:
        """Complete every output; a failure is raised when all have had their turn."""
        writers = [*self._files, *([self._stdout] if self._stdout else [])]
        self._files, self._stdout = [], None
        failures = []
        with held():
            for writer in writers:
                try:
                    writer.finish(provenance, error)
                except (ClipcliError, BrokenPipeError) as failure:
                    failures.append(failure)
        if failures:
            raise failures[0]

    def end_early(self, provenance: Provenance, reason: str) -> None:
        """Complete what has results, so that it can be used, and leave nothing else behind.

        There is an error on its way already, so what else goes wrong here is not reported.
        """
        if self._n_written:
            with contextlib.suppress(ClipcliError, BrokenPipeError):
                self.finish(provenance, reason)
        else:
            self.abandon()

    def abandon(self) -> None:
        """Leave no file behind."""
        for file in self._files:
            file.abandon()
        self._files = []


def _stdout_writer(
    name: str, label_set: LabelSet, columns: Columns, request: OutputRequest, *, ranked: bool
) -> Document:
    on_terminal = sys.stdout.isatty()
    if name == "table":
        parents = {label.parent for label in label_set.labels if label.parent}
        names = [*label_set.names, *parents]
        return Table(names, ranked=ranked, n_shown=columns.n_shown)
    if name in PATHS:
        return PathsDocument(StandardOutput(), PATHS[name], for_terminal=on_terminal)
    return _StreamWriter(StandardOutput(), name, columns, request, for_terminal=on_terminal)


class _StreamWriter:
    """Any format but the table, into a sink; nothing is sent before there is a result."""

    def __init__(
        self,
        sink: Sink,
        name: str,
        columns: Columns,
        request: OutputRequest,
        *,
        for_terminal: bool = False,
        folder: Path | None = None,  # where the document will lie, if that is known
    ) -> None:
        self._sink, self._name, self._folder = sink, name, folder
        self._request = request
        self._columns, self._for_terminal = columns, for_terminal
        self._document: Document | None = None

    def write(self, result: Result) -> None:
        if self._document is None:
            self._document = self._open()
        self._document.write(result)

    def finish(self, provenance: Provenance, error: str | None) -> None:
        if self._document is None:
            self._document = self._open()
        self._document.finish(provenance, error)

    def _open(self) -> Document:
        match self._name:
            case "json":
                return JsonDocument(self._sink, ascii_only=self._for_terminal)
            case "parquet":
                from clipcli.output.result_table import ParquetDocument

                return ParquetDocument(self._sink)
            case "html":
                from clipcli.output.html.contact_sheet import HtmlDocument

                asked = self._request
                return HtmlDocument(
                    self._sink, self._folder, asked.heading, asked.heats, asked.review
                )
            case "csv":
                lines = CsvLines(self._columns, for_terminal=self._for_terminal)
                return LineDocument(self._sink, lines.line, header=lines.header())
            case "jsonl":
                return LineDocument(self._sink, partial(jsonl_line, ascii_only=self._for_terminal))
            case _:
                line = partial(
                    tsv_line, n_shown=self._columns.n_shown, for_terminal=self._for_terminal
                )
                return LineDocument(self._sink, line)


class _FileWriter:
    """A file, and its ``.meta.json`` where the format has no room for provenance."""

    def __init__(self, path: Path, name: str, columns: Columns, request: OutputRequest) -> None:
        self._format, self._overwrite = name, request.overwrite
        self._file = NewFile(path, overwrite=request.overwrite)
        self._stream = _StreamWriter(self._file, name, columns, request, folder=path.parent)

    def write(self, result: Result) -> None:
        self._stream.write(result)

    def finish(self, provenance: Provenance, error: str | None) -> None:
        self._file.check()
        self._stream.finish(provenance, error)
        self._file.commit()
        if self._format in BESIDE:
            fields = provenance_fields(provenance) | {"error": error}
            write_meta(self._file.path, fields, overwrite=self._overwrite)

    def abandon(self) -> None:
        self._file.discard()
