"""How the changes between two runs are written."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcli.output.reader import Entry
from clipcli.output.report import csv_bytes, json_bytes, tsv_bytes
from clipcli.output.table import VERDICTS, percent
from clipcli.output.text import digits, visible
from clipcli.results import path_fields, path_text
from clipcli.version import __version__
from clipcli.workflows.diff.changes import KINDS, Change, RunDifference

if TYPE_CHECKING:
    from rich.text import Text

    from clipcli.output.formats import Sink

FORMATS = ("table", "tsv", "csv", "json", "jsonl")
CSV_HEADER = ("path", "change", "label", "probability", "new_label", "new_probability", "reason")
ROWS_AT_ONCE = 1000
SHOWN = 20  # of each kind on a terminal; the rest is a count


@dataclass(frozen=True, slots=True)
class DiffReport:
    """What changed from one file of results to another."""

    before: str
    after: str
    difference: RunDifference

    def provenance(self) -> dict[str, Any]:
        """Return what was compared."""
        return {
            "version": __version__,
            "before": path_fields(self.before)["path"],
            "after": path_fields(self.after)["path"],
            "compared": self.difference.n_compared,
            "runs_differ_in": list(self.difference.facts),
            "counts": dict(self.difference.counts()),
        }

    def write(self, name: str, sink: Sink, *, for_terminal: bool, folder: Path | None) -> None:
        """Write it in one of :data:`FORMATS` but the table."""
        del folder  # no links in any of them
        records = map(_record, self.difference.changes)
        match name:
            case "json":
                data = self.provenance() | {"changes": list(records)}
                sink.write(json_bytes(data, for_terminal=for_terminal))
            case "jsonl":
                for record in records:
                    sink.write(json_bytes(record, for_terminal=for_terminal, indent=None))
            case "csv":
                for block in _blocks(self._csv_rows()):
                    sink.write(csv_bytes(block, for_terminal=for_terminal))
            case _:
                for block in _blocks(_row(one, one.path) for one in self.difference.changes):
                    sink.write(tsv_bytes(block, for_terminal=for_terminal))

    def print_table(self) -> None:
        """Print the changes below what kind they are."""
        from rich.text import Text

        from clipcli.output.table import terminal

        console = terminal(sys.stdout)
        counts = self.difference.counts()
        for kind, group in groupby(self.difference.changes, lambda change: change.kind):
            n = counts[kind]
            console.print(Text(f"{KINDS[kind]}: {n:,}", style="bold"))
            for change in islice(group, SHOWN):
                console.print(_line(change))
            if n > SHOWN:
                more = f"  and {n - SHOWN:,} more; all with --format tsv"
                console.print(Text(more, style="dim"))

    def _csv_rows(self) -> Iterator[tuple[str, ...]]:
        yield CSV_HEADER
        for change in self.difference.changes:
            path = path_text(change.path)
            yield *_row(change, path), _reason(change)


def _blocks(rows: Iterable[tuple[str, ...]]) -> Iterator[list[tuple[str, ...]]]:
    """Yield rows some at a time: there may be millions."""
    rest = iter(rows)
    while block := list(islice(rest, ROWS_AT_ONCE)):
        yield block


def summary(difference: RunDifference) -> str:
    """Say in a line how many pictures were compared and what was found."""
    n = difference.n_compared
    found = ", ".join(f"{count:,} {KINDS[kind]}" for kind, count in difference.counts().items())
    return f"{n:,} picture{'s' if n != 1 else ''} in both: {found or 'no change'}"


def _row(change: Change, path: str) -> tuple[str, ...]:
    return path, change.kind, *_cells(change.before), *_cells(change.after)


def _cells(entry: Entry | None) -> tuple[str, str]:
    if entry is None or entry.is_skipped or entry.probability is None:
        return "", ""
    return " | ".join(entry.labels or (entry.label or "",)), digits(entry.probability)


def _reason(change: Change) -> str:
    reasons = [entry.reason for entry in (change.before, change.after) if entry]
    return next((reason for reason in reasons if reason), "")


def _record(change: Change) -> dict[str, Any]:
    return path_fields(change.path) | {
        "change": change.kind,
        "before": _entry_record(change.before),
        "after": _entry_record(change.after),
    }


def _entry_record(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    if entry.is_skipped:
        return {"status": "skipped", "reason": entry.reason}
    record = {"status": "ok", "label": entry.label, "probability": entry.probability}
    record |= {"decision": entry.decision} if entry.decision != "label" else {}
    return record | ({"labels": list(entry.labels)} if entry.labels is not None else {})


def _line(change: Change) -> Text:
    """Write a change for people: what it was, what it is, and the path last."""
    from rich.text import Text

    line = Text("  ")
    if change.before is not None:
        line.append(_words(change.before), style="red" if change.after else "")
    if change.before is not None and change.after is not None:
        line.append(" -> ")
    if change.after is not None:
        line.append(_words(change.after), style="green" if change.before else "")
    return line.append(f"  {visible(change.path)}")


def _words(entry: Entry) -> str:
    if entry.is_skipped:
        return f"skipped: {visible(entry.reason)}" if entry.reason else "skipped"
    label = ", ".join(entry.labels or (entry.label or VERDICTS.get(entry.decision, "no label"),))
    return visible(label) + ("" if entry.probability is None else f" {percent(entry.probability)}")
