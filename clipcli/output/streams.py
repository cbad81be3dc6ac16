"""Outputs of a run, in step: each entry goes to each, and however it ends, what is there is whole.

What an entry is, and how a format looks, is the affair of whoever opens the formats.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from clipcli.errors import ClipcliError
from clipcli.output.files import NewFile
from clipcli.output.request import BESIDE, OutputRequest, StandardOutput, write_meta
from clipcli.process import held

if TYPE_CHECKING:
    from clipcli.output.formats import Sink

Entry = TypeVar("Entry")
Origin = TypeVar("Origin")
Entry_contra = TypeVar("Entry_contra", contravariant=True)
Origin_contra = TypeVar("Origin_contra", contravariant=True)
NONE_IF_EMPTY = ("png",)  # a picture of nothing is none


class Stream(Protocol[Entry_contra, Origin_contra]):
    """One output while it is being written."""

    def write(self, entry: Entry_contra, /) -> None: ...

    def finish(self, provenance: Origin_contra, error: str | None, /) -> None: ...


class Opening(NamedTuple):
    """Where one output goes, and in which format."""

    name: str  # of the format
    sink: Sink
    folder: Path | None = None  # where the file will lie, if that is known
    for_terminal: bool = False


class Streams(Generic[Entry, Origin]):
    """All outputs of a run: each entry goes to each, all end together.

    Parameters
    ----------
    request
        Which formats go where.
    open_stream
        Opens one; nothing is opened before there is an entry, or the run ends without any.
    fields
        Makes JSON data of the provenance, for what lies beside a file.
    needs_all
        Whether somebody else is to see all entries, also when the reader of a pipe has enough.
    """

    def __init__(
        self,
        request: OutputRequest,
        open_stream: Callable[[Opening], Stream[Entry, Origin]],
        fields: Callable[[Origin], dict[str, Any]],
        *,
        needs_all: bool = False,
    ) -> None:
        self._n_written, self._needs_all = 0, needs_all
        self._files: list[_FileStream[Entry, Origin]] = []
        self._stdout: Stream[Entry, Origin] | None = None
        try:
            for path, name in request.files:
                file = _FileStream(path, name, open_stream, fields, overwrite=request.overwrite)
                self._files.append(file)
        except BaseException:
            self.abandon()
            raise
        is_terminal = sys.stdout.isatty()
        if request.format is not None:
            target = Opening(request.format, StandardOutput(), for_terminal=is_terminal)
            self._stdout = _Opened(target, open_stream)
        self.fills_terminal = request.format is not None and is_terminal
        self.has_table = request.format == "table"

    def write(self, entry: Entry) -> None:
        """Send one entry to every output, or to none."""
        with held():
            self._n_written += 1
            for file in self._files:
                file.write(entry)
            try:
                if self._stdout:
                    self._stdout.write(entry)
            except BrokenPipeError:
                if not self._files and not self._needs_all:
                    raise
                self._stdout = None  # who read there has enough; all else is to be whole

    def finish(self, provenance: Origin, error: str | None = None) -> None:
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

    def end_early(self, provenance: Origin, reason: str) -> None:
        """Complete what has entries, so that it can be used, and leave nothing else behind.

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


class _Opened(Generic[Entry, Origin]):
    """A format into a sink; nothing is sent before there is an entry."""

    def __init__(
        self, target: Opening, open_stream: Callable[[Opening], Stream[Entry, Origin]]
    ) -> None:
        self._target, self._open = target, open_stream
        self._stream: Stream[Entry, Origin] | None = None

    def write(self, entry: Entry) -> None:
        self._opened().write(entry)

    def finish(self, provenance: Origin, error: str | None) -> None:
        self._opened().finish(provenance, error)

    def _opened(self) -> Stream[Entry, Origin]:
        if self._stream is None:
            self._stream = self._open(self._target)
        return self._stream


class _FileStream(Generic[Entry, Origin]):
    """A file, and its ``.meta.json`` where the format has no room for provenance."""

    def __init__(
        self,
        path: Path,
        name: str,
        open_stream: Callable[[Opening], Stream[Entry, Origin]],
        fields: Callable[[Origin], dict[str, Any]],
        *,
        overwrite: bool,
    ) -> None:
        self._format, self._fields, self._overwrite = name, fields, overwrite
        self._file = NewFile(path, overwrite=overwrite)
        self._stream = _Opened(Opening(name, self._file, path.parent), open_stream)

    def write(self, entry: Entry) -> None:
        self._stream.write(entry)

    def finish(self, provenance: Origin, error: str | None) -> None:
        self._file.check()
        self._stream.finish(provenance, error)
        if self._format in NONE_IF_EMPTY and self._file.is_empty:
            self._file.discard()
            return
        self._file.commit()
        if self._format in BESIDE:
            fields = self._fields(provenance) | {"error": error}
            write_meta(self._file.path, fields, overwrite=self._overwrite)

    def abandon(self) -> None:
        self._file.discard()
