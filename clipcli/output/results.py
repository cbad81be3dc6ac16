"""Which outputs a run has, and keeps them in step.

Standard output gets a table on a terminal and TSV in a pipe, unless ``--format`` says otherwise;
each ``-o FILE`` gets the format of its ending, and standard output is then silent unless
``--format`` was given.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from clipcli.errors import ClipcliError, UsageError
from clipcli.labels.label_set import LabelSet
from clipcli.output.files import NewFile, check_target, output_error
from clipcli.output.formats import (
    CsvLines,
    Document,
    JsonDocument,
    LineDocument,
    ParquetDocument,
    Sink,
    jsonl_line,
    provenance_fields,
    require_pyarrow,
    tsv_line,
)
from clipcli.output.html.contact_sheet import HtmlDocument
from clipcli.output.table import Table
from clipcli.process import held
from clipcli.results import Provenance, Result

FORMATS = ("table", "tsv", "csv", "json", "jsonl", "parquet", "html")
ENDINGS = {f".{name}": name for name in FORMATS if name != "table"}
ENDINGS |= {".ndjson": "jsonl", ".htm": "html"}
BESIDE = ("tsv", "csv", "jsonl")  # formats with no room for provenance: it goes into FILE.meta.json


@dataclass(frozen=True, slots=True)
class OutputRequest:
    """What the options say about outputs."""

    format: str | None = None
    files: tuple[Path, ...] = ()
    overwrite: bool = False
    is_guarded: bool = False  # CSV cells that a spreadsheet would compute get an apostrophe


def requested(
    chosen: str | None,
    files: Sequence[Path] | None,
    *,
    overwrite: bool,
    guard_formulas: bool = False,
) -> OutputRequest:
    """Gather the output options into a request that was checked."""
    request = OutputRequest(chosen, tuple(files or ()), overwrite, guard_formulas)
    check_request(request)
    return request


def check_request(request: OutputRequest) -> None:
    """Refuse outputs that cannot work before any picture is read.

    Raises
    ------
    UsageError, OutputError, OutputExistsError, MissingExtraError
    """
    if request.format is not None and request.format not in FORMATS:
        raise UsageError(
            f"--format {request.format}: unknown format", hint=f"one of {', '.join(FORMATS)}"
        )
    names = [os.path.realpath(path) for path in request.files]
    for path, name in zip(request.files, names, strict=True):
        if names.count(name) > 1:
            raise UsageError(f"{path}: named twice as an output", hint="name each file once")
        is_beside = format_of(path) in BESIDE
        check_target(path, overwrite=request.overwrite)
        if is_beside:
            check_target(meta_path(path), overwrite=request.overwrite)
    if "parquet" in (request.format, *map(format_of, request.files)):
        require_pyarrow()
    if request.format in ("parquet", "html") and sys.stdout.isatty():
        name = request.format
        raise UsageError(f"--format {name}: not for a terminal", hint=f"use -o FILE.{name}")


def format_of(path: Path) -> str:
    """Return the format that a file's ending stands for."""
    try:
        return ENDINGS[path.suffix.lower()]
    except KeyError:
        raise UsageError(
            f"{path}: no format is known for the ending {path.suffix!r}",
            hint=f"end it with one of {', '.join(ENDINGS)}",
        ) from None


def meta_path(path: Path) -> Path:
    """Return where the provenance of a file goes that has no room for it."""
    return path.with_name(path.name + ".meta.json")


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
    ) -> None:
        csv_lines = partial(
            CsvLines,
            min(top_k, len(label_set.names)),
            independent=independent,
            is_guarded=request.is_guarded,
        )
        self._n_written = 0
        self._files: list[_FileWriter] = []
        self._stdout: Document | None = None
        try:
            for path in request.files:
                writer = _FileWriter(path, csv_lines, overwrite=request.overwrite)
                self._files.append(writer)
        except BaseException:
            self.abandon()
            raise
        if request.format is not None or not request.files:
            self._stdout = _stdout_writer(request.format, label_set, csv_lines, ranked=ranked)
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

        There is an error on its way already, so what else goes wrong here stays untold.
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
    chosen: str | None, label_set: LabelSet, csv_lines: Callable[..., CsvLines], *, ranked: bool
) -> Document:
    on_terminal = sys.stdout.isatty()
    name = chosen or ("table" if on_terminal else "tsv")
    if name == "table":
        parents = {label.parent for label in label_set.labels if label.parent}
        return Table([*label_set.names, *parents], ranked=ranked)
    return _StreamWriter(_Stdout(), name, csv_lines, for_terminal=on_terminal)


class _Stdout:
    """Standard output as bytes, sent at once: the reader of a pipe sees results as they come."""

    def write(self, content: bytes) -> None:
        try:
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise output_error("standard output", error) from error


class _StreamWriter:
    """Any format but the table, into a sink; nothing is sent before there is a result."""

    def __init__(
        self,
        sink: Sink,
        name: str,
        csv_lines: Callable[..., CsvLines],
        *,
        for_terminal: bool = False,
        folder: Path | None = None,  # where the document will lie, if that is known
    ) -> None:
        self._sink, self._name, self._folder = sink, name, folder
        self._csv_lines, self._for_terminal = csv_lines, for_terminal
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
                return ParquetDocument(self._sink)
            case "html":
                return HtmlDocument(self._sink, self._folder)
            case "csv":
                lines = self._csv_lines(for_terminal=self._for_terminal)
                return LineDocument(self._sink, lines.line, header=lines.header())
            case "jsonl":
                return LineDocument(self._sink, partial(jsonl_line, ascii_only=self._for_terminal))
            case _:
                return LineDocument(self._sink, partial(tsv_line, for_terminal=self._for_terminal))


class _FileWriter:
    """A file, and its ``.meta.json`` where the format has no room for provenance."""

    def __init__(self, path: Path, csv_lines: Callable[..., CsvLines], *, overwrite: bool) -> None:
        self._format, self._overwrite = format_of(path), overwrite
        self._file = NewFile(path, overwrite=overwrite)
        self._stream = _StreamWriter(self._file, self._format, csv_lines, folder=path.parent)

    def write(self, result: Result) -> None:
        self._stream.write(result)

    def finish(self, provenance: Provenance, error: str | None) -> None:
        self._file.check()
        self._stream.finish(provenance, error)
        self._file.commit()
        if self._format in BESIDE:
            meta = NewFile(meta_path(self._file.path), overwrite=self._overwrite)
            told = provenance_fields(provenance) | {"error": error}
            text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
            meta.write(text.encode("utf-8", "replace"))
            meta.commit()

    def abandon(self) -> None:
        self._file.discard()
