"""How the pictures that a search found are written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcli.output.report import csv_bytes, json_bytes, tsv_bytes
from clipcli.output.request import PATHS
from clipcli.output.text import path_bytes, visible
from clipcli.results import path_text
from clipcli.version import __version__
from clipcli.workflows.search.ranking import Hit, Query, QueryHits, hit_record, query_record

if TYPE_CHECKING:
    from clipcli.output.formats import Sink
    from clipcli.output.html.gallery import Card

FORMATS = ("table", "tsv", "csv", "json", "jsonl", "html")
CSV_HEADER = ("path", "rank", "similarity", "query")


@dataclass(frozen=True, slots=True)
class SearchReport:
    """What each query found, and where that came from."""

    found: tuple[QueryHits, ...]
    provenance_record: dict[str, Any]
    source: str = ""  # where was searched

    def provenance(self) -> dict[str, Any]:
        """Return where it came from."""
        return self.provenance_record

    def write(self, name: str, sink: Sink, *, for_terminal: bool, folder: Path | None) -> None:
        """Write it in one of :data:`FORMATS` but the table, or paths alone."""
        match name:
            case "html":
                self._write_page(sink, folder)
            case "json":
                sink.write(json_bytes(self._data(), for_terminal=for_terminal))
            case "jsonl":
                for found, hit in self._hits():
                    record = hit_record(found.query, hit)
                    sink.write(json_bytes(record, for_terminal=for_terminal, indent=None))
            case "paths" | "paths0":
                for path in dict.fromkeys(hit.path for _, hit in self._hits()):
                    sink.write(path_bytes(path, PATHS[name], for_terminal=for_terminal))
            case "csv":
                sink.write(csv_bytes(self._csv_rows(), for_terminal=for_terminal))
            case _:
                rows = ((h.path, _digits(h), str(found.query)) for found, h in self._hits())
                sink.write(tsv_bytes(rows, for_terminal=for_terminal))

    def print_table(self) -> None:
        """Print rank, similarity and path of each picture below its query."""
        from rich.text import Text

        from clipcli.output.table import terminal

        console = terminal(sys.stdout)
        for i, found in enumerate(self.found):
            lines = [Text(visible(str(found.query)), style="bold")]
            width = len(str(len(found.hits)))
            for hit in found.hits:
                line = Text(f"  {hit.rank:>{width}}  ", style="dim")
                line.append(f"{hit.similarity:.3f}", style="green")
                lines.append(line.append(f"  {visible(hit.path)}", style="default not dim"))
            if not found.hits:
                lines.append(Text("  nothing", style="yellow"))
            console.print(Text("\n").join([*([Text()] if i else []), *lines]))

    def _hits(self) -> Iterator[tuple[QueryHits, Hit]]:
        for found in self.found:
            for hit in found.hits:
                yield found, hit

    def _csv_rows(self) -> Iterator[tuple[str, ...]]:
        yield CSV_HEADER
        for found, hit in self._hits():
            path = path_text(hit.path)
            yield path, str(hit.rank), _digits(hit), str(found.query)

    def _data(self) -> dict[str, Any]:
        searches = [
            query_record(found.query)
            | {"results": [_without_query(hit_record(found.query, hit)) for hit in found.hits]}
            for found in self.found
        ]
        return {"version": __version__, "searches": searches, "provenance": self.provenance_record}

    def _write_page(self, sink: Sink, folder: Path | None) -> None:
        from clipcli.output.html.contact_sheet import vector_heading
        from clipcli.output.html.gallery import Choice, Gallery, GallerySettings
        from clipcli.output.html.reviewing import Review

        settings = GallerySettings(
            filters=(Choice("query", "Query"),) if len(self.found) > 1 else (),
            orders=(
                Choice("order", "best first"),
                Choice("similarity", "most similar first", descending=True),
            ),
        )
        words = "; ".join(visible(str(found.query)) for found in self.found)
        where = f"{visible(self.source)} · " if self.source else ""
        lead = where + vector_heading(self.provenance_record)
        title = f"Most like {words}"
        gallery = Gallery(sink, settings, folder, review=Review(), title=title, lead=lead)
        try:
            for found, hit in self._hits():
                gallery.add(_card(found.query, hit))
            gallery.finish(provenance=_page_facts(self.provenance_record))
        finally:
            gallery.close()


def _card(query: Query, hit: Hit) -> Card:
    from clipcli.output.html.gallery import Card

    return Card(
        hit.path,
        title=f"{hit.rank}. {query}",
        note=f"similarity {hit.similarity:.3f}",
        facets={"query": (str(query),)},
        numbers={"similarity": hit.similarity},
        vector=hit.row,
    )


def _page_facts(record: dict[str, Any]) -> list[tuple[str, str]]:
    counts = ", ".join(f"{n:,} {key}" for key, n in record["counts"].items())
    rows = [
        ("Model", record["model"]),
        ("Fingerprint", record["fingerprint"]),
        ("Templates", " | ".join(record["templates"]) or "none: texts as they were written"),
        ("Ran on", f"{record['device']}, {record['precision']}"),
        ("Ended", record["finished"]),
        ("Inputs", counts),
        ("Versions", ", ".join(f"{k} {v}" for k, v in record["versions"].items())),
    ]
    return [(name, visible(value)) for name, value in rows]


def _without_query(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in ("query", "like")}


def _digits(hit: Hit) -> str:
    return f"{hit.similarity:.6f}"
