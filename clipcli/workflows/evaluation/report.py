"""How an evaluation is written, in each format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcli.errors import UsageError

if TYPE_CHECKING:
    from clipcli.output.formats import Sink
    from clipcli.workflows.evaluation.evaluated import Evaluated

FORMATS = ("table", "tsv", "csv", "json", "html")
CSV_END = "\r\n"  # of a line, as RFC 4180 has it


def csv_tables(confusion: Path | None, pictures: Path | None) -> list[tuple[Path, str]]:
    """Return the tables that options ask for, each with what goes into it.

    Raises
    ------
    UsageError
        If a file's ending is another than ``.csv``.
    """
    tables = []
    for path, name in ((confusion, "confusion"), (pictures, "pictures")):
        if path is not None and path.suffix.lower() != ".csv":
            raise UsageError(f"--{name} {path}: is a CSV file", hint="end it with .csv")
        if path is not None:
            tables.append((path, name))
    return tables


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """An evaluation in one of :data:`FORMATS`, or its tables ``confusion`` and ``pictures``."""

    evaluated: Evaluated

    def write(self, name: str, sink: Sink, *, for_terminal: bool, folder: Path | None) -> None:
        """Write it into a sink."""
        from clipcli.output.report import csv_bytes
        from clipcli.workflows.evaluation import report_data as data

        evaluated = self.evaluated
        rows = {"confusion": data.confusion_rows, "pictures": data.picture_rows}
        match name:
            case "json":
                text = data.json_text(evaluated, ascii_only=for_terminal)
            case "html":
                from clipcli.workflows.evaluation.page import write_page

                write_page(evaluated, sink, folder)
                return
            case "tsv":
                text = data.tsv_text(evaluated)
            case _:
                table = rows.get(name, data.label_rows)(evaluated)
                cells = (tuple(map(data.cell, row)) for row in table)
                sink.write(csv_bytes(cells, for_terminal=for_terminal, line_end=CSV_END))
                return
        sink.write(text.encode("utf-8", "replace"))

    def print_table(self) -> None:
        """Print it for people."""
        from clipcli.workflows.evaluation.report_text import print_report

        print_report(self.evaluated)

    def provenance(self) -> dict[str, Any]:
        """Return where it came from."""
        from clipcli.output.formats import provenance_fields

        return provenance_fields(self.evaluated.provenance)
