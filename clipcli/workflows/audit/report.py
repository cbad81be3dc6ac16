"""How an audit is written: a summary for people, findings for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcli.output.report import csv_bytes, json_bytes, tsv_bytes
from clipcli.output.text import guarded, print_line, visible
from clipcli.results import path_text
from clipcli.version import __version__
from clipcli.workflows.audit.findings import KINDS, Finding, finding_record

if TYPE_CHECKING:
    from clipcli.output.formats import Sink
    from clipcli.output.html.thumbnails import ThumbnailSpool
    from clipcli.workflows.audit.audit import Audit

FORMATS = ("table", "tsv", "csv", "json", "jsonl", "html")
HEADER = ("kind", "path", "label", "split", "suggested", "score", "group", "across", "detail")
EXAMPLES = 3  # of each kind, in the summary
KIND_CELLS = max(map(len, KINDS))


@dataclass(frozen=True, slots=True)
class AuditReport:
    """An audit, and where it came from; ``is_guarded`` keeps CSV cells from being formulas."""

    source: str
    audit: Audit
    provenance_record: dict[str, Any]
    thumbnails: ThumbnailSpool | None = None
    is_guarded: bool = False

    def write(self, name: str, sink: Sink, *, for_terminal: bool, folder: Path | None) -> None:
        """Write all findings, or the page."""
        findings = self.audit.findings
        match name:
            case "html":
                from clipcli.workflows.audit.page import write_page

                write_page(
                    self.audit, self.source, self.provenance_record, self.thumbnails, sink, folder
                )
            case "json":
                sink.write(json_bytes(self._data(), for_terminal=for_terminal))
            case "jsonl":
                for finding in findings:
                    record = finding_record(finding)
                    sink.write(json_bytes(record, for_terminal=for_terminal, indent=None))
            case "csv":
                guard = guarded if self.is_guarded else str
                rows = [HEADER, *(list(map(guard, _cells(f, clean=True))) for f in findings)]
                sink.write(csv_bytes(rows, for_terminal=for_terminal))
            case _:
                sink.write(tsv_bytes(map(_cells, findings), for_terminal=for_terminal))

    def _data(self) -> dict[str, Any]:
        opinion = self.audit.opinion
        return {
            "version": __version__,
            "source": self.source,
            "pictures": len(self.audit.dataset),
            "classes": [{"name": n, "pictures": k} for n, k in self.audit.class_sizes()],
            "counts": self.audit.counts(),
            "zero_shot_agreement": opinion.zero_shot_accuracy,
            "findings": [finding_record(finding) for finding in self.audit.findings],
            "provenance": self.provenance_record,
        }

    def provenance(self) -> dict[str, Any]:
        """Return where it came from."""
        return self.provenance_record

    def print_table(self) -> None:
        """Print how many findings there are of each kind, and the worst of them."""
        for line in summary(self):
            print_line(line)


def _cells(finding: Finding, *, clean: bool = False) -> list[str]:
    cell = path_text if clean else str
    return [
        finding.kind,
        cell(finding.path),
        finding.label,
        finding.split,
        cell(finding.suggested),
        f"{finding.score:g}",
        str(finding.group or ""),
        ", ".join(finding.across),
        cell(finding.detail),
    ]


def summary(report: AuditReport) -> Iterator[str]:
    """Yield the lines of a summary."""
    yield f"{visible(report.source)}: {report.audit.lead()}"
    yield report.audit.judged_by()
    counts = report.audit.counts()
    for kind, meaning in KINDS.items():
        if not counts[kind]:
            continue
        yield ""
        yield f"{kind:<{KIND_CELLS}}  {counts[kind]:>6,}  {meaning}"
        several = [finding for finding in report.audit.findings if finding.kind == kind]
        for finding in several[:EXAMPLES]:
            yield f"  {_in_a_line(finding)}"
        if len(several) > EXAMPLES:
            yield f"  and {len(several) - EXAMPLES:,} more"
    clean = [kind for kind in KINDS if not counts[kind]]
    if clean:
        yield ""
        yield f"none: {', '.join(clean)}"


def _in_a_line(finding: Finding) -> str:
    about = finding.path or finding.label
    if finding.kind == "confusable":
        about = f"{finding.label} and {finding.suggested}"
    across = f" ({', '.join(finding.across)})" if finding.across else ""
    return f"{visible(about)}: {visible(finding.detail)}{across}"
