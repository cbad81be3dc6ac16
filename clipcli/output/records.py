"""Entries of any kind as they come: JSON, JSON lines, and rows of TSV."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import IO, TYPE_CHECKING, Any, Generic, TypeVar

from clipcli.output.report import json_bytes, tsv_bytes
from clipcli.output.text import visible
from clipcli.results import Skipped
from clipcli.version import __version__

if TYPE_CHECKING:
    from clipcli.output.formats import Sink
    from clipcli.output.streams import Opening, Stream

Entry = TypeVar("Entry")
Origin = TypeVar("Origin")


def open_records(
    target: Opening,
    record: Callable[[Entry], dict[str, Any]],
    rows: Callable[[Entry], Iterable[Sequence[str]]],
) -> Stream[Entry, dict[str, Any]]:
    """Begin ``json``, ``jsonl`` or ``tsv``: a record an entry, or as many rows as it has."""
    match target.name:
        case "json":
            return JsonRecords(target.sink, record, dict, ascii_only=target.for_terminal)
        case "jsonl":
            return RecordLines(target.sink, record, for_terminal=target.for_terminal)
        case _:
            return RecordRows(target.sink, rows, for_terminal=target.for_terminal)


class JsonRecords(Generic[Entry, Origin]):
    """``{"version", "results", "skipped", "error", "provenance"}``, results in input order."""

    def __init__(
        self,
        sink: Sink,
        record: Callable[[Entry], Any],
        fields: Callable[[Origin], dict[str, Any]],
        *,
        ascii_only: bool = False,
    ) -> None:
        self._sink, self._record, self._fields = sink, record, fields
        self._ascii_only = ascii_only
        self._n_results = self._n_skipped = 0
        self._send(f'{{"version": {json.dumps(__version__)},\n"results": [')

    def write(self, entry: Entry) -> None:
        """Add one record."""
        comma = "," if self._n_results else ""
        self._send(f"{comma}\n{self._dump(self._record(entry))}")
        self._n_results += 1
        self._n_skipped += isinstance(entry, Skipped)

    def finish(self, provenance: Origin, error: str | None) -> None:
        """Close the document; ``error`` says why it ends early."""
        tail = {
            "skipped": self._n_skipped,
            "error": error,
            "provenance": self._fields(provenance),
        }
        self._send(f"\n],\n{self._dump(tail)[1:]}\n")

    def _dump(self, data: Any) -> str:
        return json.dumps(data, ensure_ascii=self._ascii_only, allow_nan=False)

    def _send(self, text: str) -> None:
        # A label file's name may be no UTF-8; what a record says of such names is dealt with there.
        self._sink.write(text.encode("utf-8", "replace"))


class RecordLines(Generic[Entry]):
    """JSON, a line an entry."""

    def __init__(
        self, sink: Sink, record: Callable[[Entry], Any], *, for_terminal: bool = False
    ) -> None:
        self._sink, self._record, self._for_terminal = sink, record, for_terminal

    def write(self, entry: Entry) -> None:
        """Write one line."""
        data = self._record(entry)
        self._sink.write(json_bytes(data, for_terminal=self._for_terminal, indent=None))

    def finish(self, provenance: object, error: str | None) -> None:
        """Do nothing: every line is complete."""


class RecordRows(Generic[Entry]):
    """TSV, as many rows an entry as it has."""

    def __init__(
        self,
        sink: Sink,
        rows: Callable[[Entry], Iterable[Sequence[str]]],
        *,
        for_terminal: bool = False,
    ) -> None:
        self._sink, self._rows, self._for_terminal = sink, rows, for_terminal

    def write(self, entry: Entry) -> None:
        """Write an entry's rows, at once."""
        self._sink.write(tsv_bytes(self._rows(entry), for_terminal=self._for_terminal))

    def finish(self, provenance: object, error: str | None) -> None:
        """Do nothing: every row is complete."""


def show_skipped(entry: Skipped, stream: IO[str]) -> None:
    """Print, among what is shown of other entries, why there is nothing to show of one."""
    from rich.text import Text

    from clipcli.output.table import terminal

    text = Text(visible(entry.path), style="bold")
    text.append(f"  skipped: {visible(entry.reason)}", style="not bold yellow")
    terminal(stream).print(text)
