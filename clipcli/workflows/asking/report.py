"""Descriptions written down: for people, as lines or as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcli.output.report import json_bytes, tsv_bytes
from clipcli.output.text import visible
from clipcli.results import Skipped
from clipcli.version import __version__
from clipcli.workflows.asking.describing import Described, record

if TYPE_CHECKING:
    from clipcli.output.formats import Sink

FORMATS = ("table", "tsv", "json", "jsonl")


@dataclass(frozen=True, slots=True)
class DescribeReport:
    """What was said of pictures, and where that came from."""

    entries: tuple[Described | Skipped, ...]
    provenance_record: dict[str, Any]

    def provenance(self) -> dict[str, Any]:
        """Return where it came from."""
        return self.provenance_record

    def write(self, name: str, sink: Sink, *, for_terminal: bool, folder: Path | None) -> None:
        """Write it in one of :data:`FORMATS` but the table."""
        del folder
        if name == "json":
            results = [record(entry) for entry in self.entries]
            data = {
                "version": __version__,
                "results": results,
                "provenance": self.provenance_record,
            }
            sink.write(json_bytes(data, for_terminal=for_terminal))
        elif name == "jsonl":
            for entry in self.entries:
                sink.write(json_bytes(record(entry), for_terminal=for_terminal, indent=None))
        else:
            rows = ((entry.path, entry.sentence) for entry in self._described())
            sink.write(tsv_bytes(rows, for_terminal=for_terminal))

    def print_table(self) -> None:
        """Print each sentence, and below it the parts with their probabilities."""
        from rich.text import Text

        from clipcli.output.table import terminal

        console = terminal(sys.stdout)
        for entry in self._described():
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
            console.print(text)

    def _described(self) -> Iterator[Described]:
        return (entry for entry in self.entries if isinstance(entry, Described))
