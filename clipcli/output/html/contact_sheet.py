"""The contact sheet: results of ``classify`` as a gallery."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from clipcli.output.html.gallery import Card, Choice, Gallery, GallerySettings
from clipcli.output.table import REVIEWED, VERDICTS, percent
from clipcli.results import Classified, LabelScore, Provenance, Result

if TYPE_CHECKING:
    from clipcli.output.formats import Sink
    from clipcli.output.html.heat_views import HeatViews
    from clipcli.output.html.reviewing import Review

SETTINGS = GallerySettings(
    filters=(Choice("label", "Label"), Choice("status", "Status")),
    orders=(
        Choice("order", "as given"),
        Choice("probability", "most certain first", descending=True),
        Choice("probability", "least certain first"),
        Choice("draw", "in random order"),
    ),
)


class HtmlDocument:
    """One page for a browser, written while results come."""

    def __init__(
        self,
        sink: Sink,
        folder: Path | None,
        heading: str = "",
        heats: HeatViews | None = None,  # None: no heat maps
        review: Review | None = None,
    ) -> None:
        source, _, rest = heading.partition(" · ")
        title = f"Contact sheet of {source}" if source else "Contact sheet"
        self._gallery = Gallery(sink, SETTINGS, folder, title=title, lead=rest, review=review)
        self._heats = heats

    def write(self, result: Result) -> None:
        """Add one picture, or the reason why there is none."""
        card = _card(result)
        if self._heats is not None and isinstance(result, Classified):
            card = replace(card, heats=self._heats.of(result))
        self._gallery.add(card)

    def finish(self, provenance: Provenance, error: str | None) -> None:
        """Close the page, with what is to be known of its making."""
        rows = provenance_rows(provenance)
        self._gallery.finish(provenance=rows, error=error or "")


def _remark(result: Classified) -> str:
    """Say who gave the label, where it was not the model alone."""
    if result.decision == "reviewed":
        return REVIEWED
    return f"rule: {result.rule}" if result.rule else ""


def _card(result: Result) -> Card:
    if not isinstance(result, Classified):
        return Card(
            result.path,
            title="skipped",
            note=result.reason,
            tone="bad",
            is_readable=False,
            facets={"status": ("skipped",)},
        )
    verdict = result.label if result.label is not None else VERDICTS[result.decision]
    return Card(
        result.path,
        title=verdict,
        share=result.probability,
        note=_remark(result),
        tone="good" if result.decision == "reviewed" else "" if result.label else "warn",
        facets={
            "label": (verdict,),
            "status": (_status(result, verdict),),
        },
        # A sample of all pictures, the same on every page.
        numbers={"probability": result.probability, "draw": crc32(os.fsencode(result.path))},
        label=result.label,
        suggested=next((one.label for one in result.top if one.label != result.label), ""),
        vector=result.vector,
        bars=tuple((score.label, score.probability) for score in result.top),
        facts=tuple(map(_group_fact, result.parents)),
    )


def _status(result: Classified, verdict: str) -> str:
    if result.decision == "reviewed":
        return REVIEWED
    return "labelled" if result.label is not None else verdict


def _group_fact(parent: LabelScore) -> tuple[str, str]:
    return f"in group {parent.label}", percent(parent.probability)


def heading(provenance: Provenance) -> str:
    """Say in a line what a page's answers come from: label set, model, day."""
    from clipcli.output.text import visible

    day = provenance.finished.partition("T")[0]
    return " · ".join(map(visible, (labels_in_words(provenance.label_set), provenance.model, day)))


def labels_in_words(label_set: str) -> str:
    """Name a label set in a heading; one that was typed has no name."""
    from clipcli.labels.label_set import INLINE

    return "labels of the command line" if label_set == INLINE else f"labels {label_set}"


def vector_heading(record: Mapping[str, Any]) -> str:
    """Say the same of a page whose answers come from vectors alone: model, day."""
    from clipcli.output.text import visible

    day = str(record.get("finished", "")).partition("T")[0]
    return " · ".join(filter(None, (visible(str(record.get("model", ""))), day)))


def provenance_rows(provenance: Provenance) -> list[tuple[str, str]]:
    """Return what a page says of its making, as pairs of name and value."""
    from clipcli.output.text import visible

    rows = [
        ("Model", provenance.model),
        ("Fingerprint", provenance.fingerprint),
        ("Labels", provenance.label_set),
        ("Label set hash", provenance.label_set_hash),
        ("Templates", " | ".join(provenance.templates)),
        ("Ran on", f"{provenance.device}, {provenance.precision}"),
        ("Probabilities", provenance.probability_kind),
        ("Began", provenance.started),
        ("Ended", provenance.finished),
        ("Inputs", ", ".join(f"{n:,} {key}" for key, n in provenance.counts.items())),
        ("Versions", ", ".join(f"{k} {v}" for k, v in provenance.versions.items())),
    ]
    return [(name, visible(value)) for name, value in rows]
