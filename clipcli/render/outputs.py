"""This file knows about which outputs a run has, and keeps them in step.

Standard output gets a table on a terminal and TSV in a pipe, unless ``--format`` says otherwise;
each ``-o FILE`` gets the format of its ending, and standard output is then silent unless
``--format`` was given.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from clipcli.errors import OutputError, UsageError
from clipcli.render.documents import (
    JsonDocument,
    ParquetDocument,
    Sink,
    provenance_fields,
    require_pyarrow,
)
from clipcli.render.files import NewFile, check_target, output_error
from clipcli.render.lines import CsvLines, jsonl_line, tsv_line
from clipcli.render.table import Table
from clipcli.results import Provenance, Result

FORMATS = ("table", "tsv", "csv", "json", "jsonl", "parquet")
ENDINGS = {f".{name}": name for name in FORMATS if name != "table"} | {".ndjson": "jsonl"}
BESIDE = ("tsv", "csv", "jsonl")  # formats with no room for provenance: it goes into FILE.meta.json


@dataclass(frozen=True, slots=True)
class OutputRequest:
    """What the options say about outputs."""

    format: str | None = None
    files: tuple[Path, ...] = ()
    overwrite: bool = False


class Writer(Protocol):
    """One output while it is being written."""

    def write(self, result: Result) -> None: ...

    def finish(self, provenance: Provenance, error: str | None) -> None: ...


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
    names = [path.resolve() for path in request.files]
    for path, name in zip(request.files, names, strict=True):
        if names.count(name) > 1:
            raise UsageError(f"{path}: named twice as an output", hint="name each file once")
        if format_of(path) in BESIDE:
            check_target(meta_path(path), overwrite=request.overwrite)
        check_target(path, overwrite=request.overwrite)
    if "parquet" in (request.format, *map(format_of, request.files)):
        require_pyarrow()
    if request.format == "parquet" and sys.stdout.isatty():
        raise UsageError("--format parquet: not for a terminal", hint="use -o FILE.parquet")


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

    def __init__(self, request: OutputRequest, *, top_k: int, ranked: bool) -> None:
        check_request(request)
        self._n_written = 0
        self._files = [
            _FileWriter(path, top_k=top_k, overwrite=request.overwrite) for path in request.files
        ]
        self._stdout: Writer | None = None
        if request.format is not None or not request.files:
            self._stdout = _stdout_writer(request.format, top_k=top_k, ranked=ranked)
        self.fills_terminal = self._stdout is not None and sys.stdout.isatty()

    def _writers(self) -> list[Writer]:
        return [*([self._stdout] if self._stdout else []), *self._files]

    def write(self, result: Result) -> None:
        """Send one result to every output."""
        for writer in self._writers():
            writer.write(result)
        self._n_written += 1

    def finish(self, provenance: Provenance) -> None:
        """Complete every output."""
        for writer in self._writers():
            writer.finish(provenance, None)

    def end_early(self, provenance: Provenance, reason: str) -> None:
        """Complete what has results, so that it can be used, and leave nothing else behind.

        Standard output may be what broke, so the files come first and it may fail in silence.
        """
        if not self._n_written:
            self.abandon()
            return
        for writer in [*self._files, *([self._stdout] if self._stdout else [])]:
            with contextlib.suppress(BrokenPipeError, OutputError):
                writer.finish(provenance, reason)

    def abandon(self) -> None:
        """Leave no file behind."""
        for writer in self._files:
            writer.abandon()


def _stdout_writer(chosen: str | None, *, top_k: int, ranked: bool) -> Writer:
    on_terminal = sys.stdout.isatty()
    name = chosen or ("table" if on_terminal else "tsv")
    if name == "table":
        return _TableWriter(ranked=ranked)
    return _StreamWriter(_Stdout(), name, top_k=top_k, for_terminal=on_terminal)


class _TableWriter:
    """The terminal's table; there is nothing to finish."""

    def __init__(self, *, ranked: bool) -> None:
        self._table = Table(ranked=ranked)

    def write(self, result: Result) -> None:
        self._table.write(result)

    def finish(self, provenance: Provenance, error: str | None) -> None: ...


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
    """Any format but the table, into a sink."""

    def __init__(self, sink: Sink, name: str, *, top_k: int, for_terminal: bool = False) -> None:
        self._sink, self._for_terminal = sink, for_terminal
        self._document: JsonDocument | ParquetDocument | None = None
        self._line: Any = None
        match name:
            case "json":
                self._document = JsonDocument(sink, ascii_only=for_terminal)
            case "parquet":
                self._document = ParquetDocument(sink)
            case "csv":
                lines = CsvLines(top_k)
                self._line = lines.line
                self._send(lines.header())
            case "jsonl":
                self._line = lambda result: jsonl_line(result, ascii_only=for_terminal)
            case _:
                self._line = lambda result: tsv_line(result, for_terminal=for_terminal)

    def write(self, result: Result) -> None:
        if self._document is not None:
            self._document.write(result)
        else:
            self._send(self._line(result))

    def _send(self, line: str) -> None:
        # Names that are not UTF-8 go out as the bytes they are, so that xargs finds the files.
        self._sink.write(line.encode("utf-8", "surrogateescape") + b"\n")

    def finish(self, provenance: Provenance, error: str | None) -> None:
        if self._document is not None:
            self._document.finish(provenance, error)


class _FileWriter:
    """A file, and its ``.meta.json`` where the format has no room for provenance."""

    def __init__(self, path: Path, *, top_k: int, overwrite: bool) -> None:
        self._format, self._overwrite = format_of(path), overwrite
        self._file = NewFile(path, overwrite=overwrite)
        self._stream = _StreamWriter(self._file, self._format, top_k=top_k)

    def write(self, result: Result) -> None:
        self._stream.write(result)

    def finish(self, provenance: Provenance, error: str | None) -> None:
        self._stream.finish(provenance, error)
        self._file.commit()
        if self._format in BESIDE:
            meta = NewFile(meta_path(self._file.path), overwrite=self._overwrite)
            told = provenance_fields(provenance) | {"error": error}
            meta.write(json.dumps(told, indent=2, ensure_ascii=False).encode() + b"\n")
            meta.commit()

    def abandon(self) -> None:
        self._file.discard()


def requested(
    chosen: str | None, files: Sequence[Path] | None, *, overwrite: bool
) -> OutputRequest:
    """Gather the output options into a request that was checked."""
    request = OutputRequest(chosen, tuple(files or ()), overwrite)
    check_request(request)
    return request
