"""How groups of copies are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcli.output.html.contact_sheet import vector_heading
from clipcli.output.html.gallery import Card, Choice, Gallery, GallerySettings
from clipcli.output.html.reviewing import Review
from clipcli.output.report import csv_bytes, json_bytes, tsv_bytes
from clipcli.output.text import guarded, print_line, visible
from clipcli.results import path_fields, path_text

if TYPE_CHECKING:
    from clipcli.output.formats import Sink
    from clipcli.output.html.thumbnails import ThumbnailSpool
    from clipcli.workflows.audit.dataset import Dataset
    from clipcli.workflows.audit.findings import Finding

FORMATS = ("table", "tsv", "csv", "json", "jsonl", "html")
HEADER = ("group", "kind", "suggestion", "path", "why")
SETTINGS = GallerySettings(
    filters=(Choice("kind", "Copies"), Choice("suggestion", "Suggestion")),
    orders=(Choice("order", "group by group"), Choice("size", "large groups first", True)),
    noun="copies",
    framed="order",
)


@dataclass(frozen=True, slots=True)
class CopiesReport:
    """Pictures that have copies, group by group."""

    dataset: Dataset
    copies: tuple[Finding, ...]
    provenance_record: dict[str, Any]
    thumbnails: ThumbnailSpool | None = None
    is_guarded: bool = False
    source: str = ""  # what was looked through

    def write(self, name: str, sink: Sink, *, for_terminal: bool, folder: Path | None) -> None:
        """Write the groups, or a page of them."""
        match name:
            case "html":
                self._write_page(sink, folder)
            case "json":
                data = {"groups": list(self._groups()), "provenance": self.provenance_record}
                sink.write(json_bytes(data, for_terminal=for_terminal))
            case "jsonl":
                for group in self._groups():
                    sink.write(json_bytes(group, for_terminal=for_terminal, indent=None))
            case "csv":
                guard = guarded if self.is_guarded else str
                rows = [list(map(guard, _cells(one, clean=True))) for one in self.copies]
                sink.write(csv_bytes([HEADER, *rows], for_terminal=for_terminal))
            case _:
                sink.write(tsv_bytes(map(_cells, self.copies), for_terminal=for_terminal))

    def provenance(self) -> dict[str, Any]:
        """Return where it came from."""
        return self.provenance_record

    def print_table(self) -> None:
        """Print group by group."""
        for line in self._lines():
            print_line(line)

    def _lines(self) -> Iterator[str]:
        n_groups = len({one.group for one in self.copies})
        n_spare = sum(_suggestion(one) == "spare" for one in self.copies)
        yield (
            f"{len(self.dataset):,} pictures; {len(self.copies):,} have copies, in {n_groups:,} "
            f"groups; {n_spare:,} could go"
        )
        for number, group in groupby(self.copies, key=lambda one: one.group):
            several = list(group)
            yield ""
            yield f"group {number}, {several[0].kind}"
            for one in several:
                yield f"  {_suggestion(one):<5}  {visible(one.path)}  ({one.why})"

    def _groups(self) -> Iterator[dict[str, Any]]:
        for number, group in groupby(self.copies, key=lambda one: one.group):
            several = list(group)
            yield {
                "group": number,
                "kind": several[0].kind,
                "keep": path_fields(_kept(several).path)["path"],
                "why": _kept(several).why,
                "pictures": [
                    path_fields(one.path) | {"suggestion": _suggestion(one), "why": one.why}
                    for one in several
                ],
            }

    def _write_page(self, sink: Sink, folder: Path | None) -> None:
        from clipcli.workflows.audit.page import provenance_pairs

        facts = provenance_pairs(self.provenance_record)
        title = f"Copies in {visible(self.source)}" if self.source else "Copies"
        lead = vector_heading(self.provenance_record)
        gallery = Gallery(
            *(sink, SETTINGS, folder), review=Review(), title=title, lead=lead, provenance=facts
        )
        # Of vectors alone nobody knows how large the pictures are.
        measures = dict(zip(self.dataset.paths, self.dataset.measures, strict=False))
        vectors = dict(zip(self.dataset.paths, self.dataset.vectors, strict=True))
        try:
            for one in self.copies:
                known = measures.get(one.path)
                size = f"{known.width} x {known.height}" if known else ""
                gallery.add(replace(self._card(one, size), vector=vectors[one.path]))
            gallery.finish()
        finally:
            gallery.close()

    def _card(self, one: Finding, size: str) -> Card:
        suggestion = _suggestion(one)
        return Card(
            one.path,
            title=f"{one.group}: {suggestion}",
            note=f"{one.why}; {size}" if size else one.why,
            tone="good" if suggestion == "keep" else "",
            thumbnail=self.thumbnails.url(one.path) if self.thumbnails else None,
            facets={"kind": (one.kind,), "suggestion": (suggestion,)},
            numbers={"size": one.score},
            facts=(("kind", one.kind), ("why", one.why))
            + ((("size", f"{size} pixels"),) if size else ()),
            group=str(one.group),
        )


def _kept(group: Sequence[Finding]) -> Finding:
    """Return the picture that is kept for the others; a raw photograph may be kept beside it."""
    spare = next((one for one in group if _suggestion(one) == "spare"), group[0])
    return next(one for one in group if one.path == spare.suggested)


def _suggestion(one: Finding) -> str:
    return "keep" if one.suggested == one.path else "spare"


def _cells(one: Finding, *, clean: bool = False) -> list[str]:
    path = path_text(one.path) if clean else one.path
    return [str(one.group), one.kind, _suggestion(one), path, one.why]
