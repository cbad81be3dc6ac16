"""What an audit may find, and what it says of each finding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from clipcli.errors import UsageError
from clipcli.results import path_fields

# Every kind of finding, in the order that reports list them, and what it means.
KINDS = {
    "broken": "cannot be read",
    "unread": "sound, but of a kind that is not read, or not without an extra",
    "damaged": "damaged, although all pixels are there",
    "wrong-label": "another class is far more likely",
    "exact-duplicate": "the same bytes as another file",
    "near-duplicate": "the same picture as another, changed a little",
    "outlier": "unlike all other pictures",
    "tiny": "few pixels",
    "blurred": "no sharp detail",
    "dark": "almost black",
    "overexposed": "almost white",
    "blank": "nothing to be seen",
    "aspect": "extremely long or tall",
    "confusable": "two classes that the model cannot tell apart",
    "imbalance": "a class with very few or no pictures",
}
ACROSS_CLASSES, ACROSS_SPLITS = "across classes", "across splits"
# What --fail-on takes besides the kinds.
SELECTORS = {
    "any": "any finding",
    "duplicate": "exact-duplicate or near-duplicate",
    "conflict": "a duplicate in another class",
    "leak": "a duplicate in another split",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is worth a second look; ``path`` is empty where it is about a class."""

    kind: str
    path: str
    detail: str
    score: float  # higher is worse, comparable within a kind
    label: str = ""
    split: str = ""
    suggested: str = ""  # a better label, a picture to keep
    group: int = 0  # duplicates of each other share a number, from 1
    across: tuple[str, ...] = ()  # of duplicates: classes, splits
    why: str = ""  # of duplicates: what speaks for keeping it, or against

    def is_selected(self, selector: str) -> bool:
        """Tell whether a kind or another selector means this finding."""
        match selector:
            case "any":
                return True
            case "duplicate":
                return self.kind.endswith("-duplicate")
            case "conflict":
                return ACROSS_CLASSES in self.across
            case "leak":
                return ACROSS_SPLITS in self.across
            case _:
                return self.kind == selector


def check_selectors(text: str | None) -> tuple[str, ...]:
    """Split the value of ``--fail-on``, and refuse unknown kinds."""
    names = tuple(name.strip() for name in (text or "").split(",") if name.strip())
    for name in names:
        if name not in KINDS and name not in SELECTORS:
            raise UsageError(
                f"--fail-on {name}: no such kind of finding",
                hint=f"use {', '.join([*SELECTORS, *KINDS])}",
            )
    return names


def selected(findings: Iterable[Finding], selectors: Sequence[str]) -> list[Finding]:
    """Return the findings that at least one selector means."""
    return [f for f in findings if any(f.is_selected(selector) for selector in selectors)]


def finding_record(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON data; the keys are only ever added to."""
    return {
        "kind": finding.kind,
        **path_fields(finding.path),
        "label": finding.label or None,
        "split": finding.split or None,
        "suggested": finding.suggested or None,
        "score": finding.score,
        "group": finding.group or None,
        "across": list(finding.across),
        "detail": finding.detail,
    }
