"""Descriptions written down as they come: for people, as lines or as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from clipcli.output.records import open_records, show_skipped
from clipcli.output.text import visible
from clipcli.results import Skipped
from clipcli.workflows.asking.describing import Described, record

if TYPE_CHECKING:
    from clipcli.output.streams import Opening, Stream

FORMATS = ("table", "tsv", "json", "jsonl")

Entry: TypeAlias = "Described | Skipped"


def open_writer(target: Opening) -> Stream[Entry, dict[str, Any]]:
    """Begin an output in one of :data:`FORMATS`."""
    return _Sentences() if target.name == "table" else open_records(target, record, _rows)


def _rows(entry: Entry) -> Iterator[tuple[str, str]]:
    if isinstance(entry, Described):
        yield entry.path, entry.sentence


class _Sentences:
    """Each sentence, and below it the parts with their probabilities."""

    def write(self, entry: Entry) -> None:
        if isinstance(entry, Skipped):
            show_skipped(entry, sys.stdout)
        else:
            _show(entry)

    def finish(self, provenance: dict[str, Any], error: str | None) -> None:
        """Do nothing: all is printed."""


def _show(entry: Described) -> None:
    from rich.text import Text

    from clipcli.output.table import terminal

    text = Text(visible(entry.path), style="bold")
    text.append(f"\n  {visible(entry.sentence)}", style="not bold")
    for part in entry.parts:
        said = "said" if part.is_said else "left out"
        line = f"\n    {part.aspect}: {visible(part.label)} {part.probability:.2f}, {said}"
        text.append(line, style="not bold dim")
    for thing in entry.things or ():
        corners = "  ".join(f"{v:.0f}" for v in thing.corners)
        line = f"\n    located: {visible(thing.label)} {thing.score:.2f} at {corners}"
        text.append(line, style="not bold dim")
    terminal(sys.stdout).print(text)
