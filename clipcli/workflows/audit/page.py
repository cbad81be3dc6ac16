"""The audit as a page: findings, classes, and the pictures themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipcli.output.html.contact_sheet import vector_heading
from clipcli.output.html.gallery import THUMBNAILS, Card, Choice, Gallery, GallerySettings
from clipcli.output.html.reviewing import Review
from clipcli.output.text import visible
from clipcli.workflows.audit.findings import KINDS, Finding

if TYPE_CHECKING:
    from clipcli.output.formats import Sink
    from clipcli.output.html.thumbnails import ThumbnailSpool
    from clipcli.workflows.audit.audit import Audit

SETTINGS = GallerySettings(
    filters=(
        Choice("finding", "Findings"),
        Choice("class", "Class"),
        Choice("suggested", "Suggested"),
        Choice("split", "Split"),
    ),
    orders=(
        Choice("doubt", "most doubtful label first", descending=True),
        Choice("order", "as found"),
        Choice("group", "copies together"),
        Choice("pixels", "smallest first"),
        Choice("blur", "most blurred first", descending=True),
        Choice("oddness", "oddest first", descending=True),
    ),
)
NOTHING = "no finding"
SERIOUS = ("broken", "wrong-label")
TOP = 5  # classes listed when a picture is opened
PAIRS = 50  # of confusable classes
# The order that shows a kind best, as its place among the orders.
ORDER_OF = {"exact-duplicate": 2, "near-duplicate": 2, "tiny": 3, "blurred": 4, "outlier": 5}


def write_page(
    audit: Audit,
    source: str,
    provenance: dict[str, Any],
    thumbnails: ThumbnailSpool | None,
    sink: Sink,
    folder: Path | None,
) -> None:
    """Write the page; of very large data sets it shows only the pictures with findings."""
    n = len(audit.dataset) + len(audit.dataset.broken)
    found = audit.about()
    is_all = n <= THUMBNAILS
    gallery = Gallery(
        sink,
        SETTINGS,
        folder,
        review=Review(tuple(audit.dataset.classes)),
        template="audit.html",
        title=f"Audit of {visible(source)}",
        lead=f"{audit.lead()} · {vector_heading(provenance)}",
        judged_by=audit.judged_by(),
        is_all=is_all,
        kinds=_kinds(audit),
        classes=_classes(audit),
        pairs=_pairs(audit),
        provenance=provenance_pairs(provenance),
    )
    try:
        for skipped, place in audit.dataset.broken:
            gallery.add(_broken_card(skipped.path, place.label, place.split, found))
        for i, path in enumerate(audit.dataset.paths):
            if is_all or path in found:
                thumbnail = thumbnails.url(path) if thumbnails else None
                gallery.add(_card(audit, i, found.get(path, []), thumbnail))
        gallery.finish()
    finally:
        gallery.close()


def _kinds(audit: Audit) -> list[dict[str, Any]]:
    return [
        {
            "name": kind,
            "meaning": KINDS[kind],
            "count": count,
            "is_serious": kind in SERIOUS,
            "order": ORDER_OF.get(kind, 0),
            "is_about_classes": kind in ("confusable", "imbalance"),
        }
        for kind, count in audit.counts().items()
        if count
    ]


def _classes(audit: Audit) -> list[dict[str, Any]]:
    sizes = audit.class_sizes()
    largest = max((size for _, size in sizes), default=0) or 1
    doubted: dict[str, int] = {}
    for finding in audit.findings:
        if finding.kind == "wrong-label":
            doubted[finding.label] = doubted.get(finding.label, 0) + 1
    return [
        {"name": visible(n), "size": k, "share": k / largest, "doubted": doubted.get(n, 0)}
        for n, k in sizes
    ]


def _pairs(audit: Audit) -> list[dict[str, Any]]:
    pairs = [finding for finding in audit.findings if finding.kind == "confusable"]
    return [
        {
            "first": visible(f.label),
            "second": visible(f.suggested),
            "share": f.score,
            "detail": visible(f.detail),
        }
        for f in pairs[:PAIRS]
    ]


def provenance_pairs(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    """Return provenance as a page shows it."""
    return [(key.replace("_", " "), visible(_in_words(value))) for key, value in provenance.items()]


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return " | ".join(value) if isinstance(value, tuple | list) else str(value)


def _facets(label: str | None, split: str, findings: list[Finding]) -> dict[str, tuple[str, ...]]:
    names = [finding.kind for finding in findings]
    names += [f"duplicate {crossed}" for finding in findings for crossed in finding.across]
    suggested = tuple(f.suggested for f in findings if f.kind == "wrong-label")
    facets = {
        "finding": tuple(dict.fromkeys(names)) or (NOTHING,),
        "class": (label or "no class",),
        "suggested": suggested,
        "split": (split,) if split else (),
    }
    return {key: values for key, values in facets.items() if values}


def _broken_card(path: str, label: str | None, split: str, found: dict[str, list[Finding]]) -> Card:
    findings = found.get(path, [])
    return Card(
        path,
        title=label or "no class",
        note=findings[0].detail if findings else "broken",
        tone="bad",
        is_readable=False,
        label=label,
        facets=_facets(label, split, findings),
    )


def _card(audit: Audit, i: int, findings: list[Finding], thumbnail: str | None) -> Card:
    dataset, opinion = audit.dataset, audit.opinion
    path, place = dataset.paths[i], dataset.places[i]
    kinds = {finding.kind for finding in findings}
    numbers: dict[str, float] = {}
    bars: tuple[tuple[str, float], ...] = ()
    share = None
    if not np.isnan(opinion.log_odds[i]):
        numbers["doubt"] = round(float(opinion.log_odds[i]), 3)
        row = opinion.probabilities[i]
        order = np.argsort(-row, kind="stable")[:TOP]
        bars = tuple((dataset.classes[j], round(float(row[j]), 4)) for j in order)
        share = round(float(row[dataset.classes.index(place.label or "")]), 4)
    facts: list[tuple[str, str]] = [(finding.kind, finding.detail) for finding in findings]
    if dataset.measures:
        measures = dataset.measures[i]
        numbers |= {"pixels": measures.width * measures.height, "blur": round(measures.blur, 3)}
        facts.append(("size", f"{measures.width} x {measures.height} pixels"))
    for finding in findings:
        if finding.group:
            numbers["group"] = finding.group
        if finding.kind == "outlier":
            numbers["oddness"] = finding.score
    return Card(
        path,
        title=place.label or "no class",
        share=share,
        note=_note(findings),
        tone="bad" if kinds & set(SERIOUS) else "warn" if kinds else "",
        thumbnail=thumbnail,
        facets=_facets(place.label, place.split, findings),
        numbers=numbers,
        bars=bars,
        facts=tuple(facts),
        group=str(next((f.group for f in findings if f.group), "")),
        label=place.label,
        suggested=_suggested(findings, bars),
        vector=dataset.vectors[i],
    )


def _suggested(findings: list[Finding], bars: tuple[tuple[str, float], ...]) -> str:
    """Return the class that a review may take at once: the finding's, or else the likeliest."""
    found = (finding.suggested for finding in findings if finding.kind == "wrong-label")
    return next(found, bars[0][0] if bars else "")


def _note(findings: list[Finding]) -> str:
    """Return the one thing to say of a picture below its thumbnail."""
    for finding in findings:
        if finding.kind == "wrong-label":
            return f"looks like {finding.suggested}"
    return ", ".join(dict.fromkeys(finding.kind for finding in findings))
