"""Results as a document: lines of text, into a sink."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import sys
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from clipcli.output.table import REVIEWED
from clipcli.output.text import digits, escape_tsv, guarded, path_bytes, visible
from clipcli.results import Classified, Provenance, Result, path_text, to_record


class Sink(Protocol):
    """Somewhere bytes go."""

    def write(self, content: bytes) -> None: ...


class Document(Protocol):
    """One output while it is being written."""

    def write(self, result: Result) -> None: ...

    def finish(self, provenance: Provenance, error: str | None) -> None: ...


def provenance_fields(provenance: Provenance) -> dict[str, Any]:
    """Return provenance as JSON data."""
    return dataclasses.asdict(provenance)


class LineDocument:
    """One record a line, below a header if there is one; provenance has no place in it."""

    def __init__(
        self, sink: Sink, line: Callable[[Result], str], *, header: str | None = None
    ) -> None:
        self._sink, self._line = sink, line
        if header is not None:
            self._send(header)

    def write(self, result: Result) -> None:
        """Add one line."""
        self._send(self._line(result))

    def _send(self, line: str) -> None:
        # Names that are not UTF-8 go out as the bytes they are, so that xargs finds the files.
        self._sink.write(line.encode("utf-8", sys.getfilesystemencodeerrors()) + b"\n")

    def finish(self, provenance: Provenance, error: str | None) -> None:
        """Do nothing: every line is complete."""


class PathsDocument:
    """The paths of pictures that were given a label, for programs such as ``xargs``."""

    def __init__(self, sink: Sink, end: bytes, *, for_terminal: bool) -> None:
        self._sink, self._end, self._for_terminal = sink, end, for_terminal

    def write(self, result: Result) -> None:
        """Add a path, unless no label was given."""
        if isinstance(result, Classified) and result.label is not None:
            self._sink.write(path_bytes(result.path, self._end, for_terminal=self._for_terminal))

    def finish(self, provenance: Provenance, error: str | None) -> None:
        """Do nothing: every path is complete."""


@dataclasses.dataclass(frozen=True, slots=True)
class Columns:
    """How many labels a line holds, and what else it has."""

    top_k: int = 5  # in CSV
    n_shown: int = 1  # in TSV
    independent: bool = False  # several labels may be given
    is_guarded: bool = False  # cells that a spreadsheet would compute get an apostrophe


def tsv_line(result: Result, *, n_shown: int = 1, for_terminal: bool = False) -> str:
    """``path``, ``label``, ``probability``; label empty where none fits, both where skipped.

    With ``n_shown`` above 1 the labels that come next follow, each with its probability. Where
    labels were asked one by one, each that was answered with yes has a line. What somebody decided
    ends with ``reviewed``.
    """
    rows = [[result.path, *[""] * (2 * n_shown)]]
    if isinstance(result, Classified):
        rest = [
            x for score in result.top[1:n_shown] for x in (score.label, digits(score.probability))
        ]
        rows = [[result.path, result.label or "", digits(result.probability), *rest]]
        if result.labels:
            rows = [[result.path, s.label, digits(s.probability)] for s in result.labels]
        if result.decision == "reviewed":
            rows = [[*row, REVIEWED] for row in rows]
    lines = ["\t".join(escape_tsv(field) for field in fields) for fields in rows]
    if for_terminal:
        lines = ["\t".join(map(visible, line.split("\t"))) for line in lines]
    return "\n".join(lines)


def jsonl_line(result: Result, *, ascii_only: bool = False) -> str:
    """Write the record as one line of JSON; text stays as it is written, UTF-8."""
    return json.dumps(to_record(result), ensure_ascii=ascii_only)


class CsvLines:
    r"""``path,status,label,probability,reason,label_2,probability_2,…``, as a spreadsheet reads.

    Always UTF-8: one name that is not would keep most readers from the whole table, so its bytes
    show as ``\xE9`` here; TSV has them as they are, JSON in base64.
    """

    def __init__(self, columns: Columns, *, for_terminal: bool = False) -> None:
        self._top_k, self._for_terminal = columns.top_k, for_terminal
        self._independent, self._is_guarded = columns.independent, columns.is_guarded

    def header(self) -> str:
        """Return the first line."""
        more = [f"{key}_{i}" for i in range(2, self._top_k + 1) for key in ("label", "probability")]
        more += ["labels"] if self._independent else []
        return self._line(["path", "status", "label", "probability", "reason", *more])

    def line(self, result: Result) -> str:
        """Return the line of one result."""
        path = path_text(result.path)
        if not isinstance(result, Classified):
            blanks = [""] * (2 * (self._top_k - 1) + self._independent)
            return self._line([path, "skipped", "", "", result.reason, *blanks])
        reason = "" if result.decision == "label" else result.decision
        first = [path, "ok", result.label or "", digits(result.probability), reason]
        rest = [x for score in result.top[1:] for x in (score.label, digits(score.probability))]
        rest += [""] * (2 * (self._top_k - len(result.top)))
        if self._independent:
            rest.append(" | ".join(score.label for score in result.labels or ()))
        return self._line(first + rest)

    def _line(self, fields: list[str]) -> str:
        if self._for_terminal:
            fields = [visible(field) for field in fields]
        if self._is_guarded:
            fields = [guarded(field) for field in fields]
        return csv_line(fields)


def csv_line(fields: Iterable[str]) -> str:
    """Return a line of CSV (RFC 4180) without its end."""
    buffer = io.StringIO()
    # Subtle: up to Python 3.12 only the characters of its own line end make csv add quotes.
    csv.writer(buffer, lineterminator="\r\n").writerow(fields)
    return buffer.getvalue().removesuffix("\r\n")
