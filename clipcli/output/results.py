"""The outputs of a classifier's results, in every format."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from clipcli.output.formats import (
    Columns,
    CsvLines,
    Document,
    LineDocument,
    PathsDocument,
    jsonl_line,
    provenance_fields,
    tsv_line,
)
from clipcli.output.request import PATHS, OutputRequest
from clipcli.output.streams import Opening, Streams
from clipcli.results import Provenance, Result, to_record

if TYPE_CHECKING:
    from clipcli.labels.label_set import LabelSet

FORMATS = ("table", "tsv", "csv", "json", "jsonl", "parquet", "html")


class Outputs(Streams[Result, Provenance]):
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
        opener = partial(
            _open, label_set=label_set, columns=columns, request=request, ranked=ranked
        )
        super().__init__(request, opener, provenance_fields)


def _open(
    target: Opening,
    *,
    label_set: LabelSet,
    columns: Columns,
    request: OutputRequest,
    ranked: bool,
) -> Document:
    sink = target.sink
    match target.name:
        case "table":
            from clipcli.output.table import Table

            parents = {label.parent for label in label_set.labels if label.parent}
            names = [*label_set.names, *parents]
            return Table(names, ranked=ranked, n_shown=columns.n_shown)
        case "json":
            from clipcli.output.records import JsonRecords

            return JsonRecords(sink, to_record, provenance_fields, ascii_only=target.for_terminal)
        case "parquet":
            from clipcli.output.result_table import ParquetDocument

            return ParquetDocument(sink)
        case "html":
            from clipcli.output.html.contact_sheet import HtmlDocument

            return HtmlDocument(sink, target.folder, request.heading, request.heats, request.review)
        case _:
            return _open_lines(target, columns)


def _open_lines(target: Opening, columns: Columns) -> Document:
    name, sink, for_terminal = target.name, target.sink, target.for_terminal
    if name in PATHS:
        return PathsDocument(sink, PATHS[name], for_terminal=for_terminal)
    if name == "csv":
        lines = CsvLines(columns, for_terminal=for_terminal)
        return LineDocument(sink, lines.line, header=lines.header())
    if name == "jsonl":
        return LineDocument(sink, partial(jsonl_line, ascii_only=for_terminal))
    line = partial(tsv_line, n_shown=columns.n_shown, for_terminal=for_terminal)
    return LineDocument(sink, line)
