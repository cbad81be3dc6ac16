"""What changed between two runs over the same pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from clipcli.output.reader import Entry, ResultFile
from clipcli.results import path_text

Kind: TypeAlias = Literal[
    "label", "labels", "decision", "skipped", "readable", "removed", "added", "probability"
]
# In the order of the report, with the words for people.
KINDS: dict[Kind, str] = {
    "label": "another label",
    "labels": "other labels",
    "decision": "another decision",
    "skipped": "newly skipped",
    "readable": "newly readable",
    "removed": "only in the first",
    "added": "only in the second",
    "probability": "the same label, another probability",
}
# What makes two runs different before any picture is looked at.
FACTS = {
    "fingerprint": "model",
    "label_set_hash": "labels",
    "templates": "templates",
    "probe": "probe",
    "probability_kind": "kind of probability",
    "temperature": "calibration",
    "reject_threshold": "reject threshold",
    "min_prob": "least probability",
}
NAMES = {"model": "model", "labels": "label_set"}  # where facts have a name for people


@dataclass(frozen=True, slots=True)
class Change:
    """One picture of which two runs say different things; None: it is not in that run."""

    kind: Kind
    path: str
    before: Entry | None
    after: Entry | None

    @property
    def move(self) -> float:
        """How far the probability moved, 0..1."""
        if self.before is None or self.after is None:
            return 0.0
        return abs((self.after.probability or 0.0) - (self.before.probability or 0.0))


@dataclass(frozen=True, slots=True)
class RunDifference:
    """All changes, by kind and then in the order of the runs, and in what the runs differ."""

    changes: tuple[Change, ...]
    n_compared: int  # pictures that are in both
    facts: tuple[str, ...]  # "model (mini, then ViT-B/32)"

    def counts(self) -> Mapping[Kind, int]:
        """Return how many changes of each kind there are."""
        found = Counter(change.kind for change in self.changes)
        return {kind: found[kind] for kind in KINDS if found[kind]}


def compare(before: ResultFile, after: ResultFile, *, min_move: float) -> RunDifference:
    """Compare two runs by path.

    Where the label stayed, a probability that moved by ``min_move`` or more is a change.
    """
    first, second = before.entries, after.entries
    if not (before.has_exact_paths and after.has_exact_paths):
        first, second = _as_in_csv(first), _as_in_csv(second)
    changes = list(_changes(first, second, min_move))
    order = {kind: i for i, kind in enumerate(KINDS)}
    # Stable: within a kind in the order of the runs, but the largest moves first.
    changes.sort(key=lambda change: (order[change.kind], _weight(change)))
    n_compared = sum(path in second for path in first)
    return RunDifference(tuple(changes), n_compared, tuple(_facts(before, after)))


def _weight(change: Change) -> float:
    return -change.move if change.kind == "probability" else 0.0


def _as_in_csv(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    return {path_text(path): entry for path, entry in entries.items()}


def _changes(
    first: Mapping[str, Entry], second: Mapping[str, Entry], min_move: float
) -> Iterator[Change]:
    for path, before in first.items():
        after = second.get(path)
        if after is None:
            yield Change("removed", path, before, None)
        elif (kind := _kind(before, after, min_move)) is not None:
            yield Change(kind, path, before, after)
    for path, after in second.items():
        if path not in first:
            yield Change("added", path, None, after)


def _kind(before: Entry, after: Entry, min_move: float) -> Kind | None:
    if before.is_skipped or after.is_skipped:
        if before.is_skipped and after.is_skipped:
            return None
        return "skipped" if after.is_skipped else "readable"
    if not _same_decision(before.decision, after.decision):
        return "decision"
    if before.label != after.label:
        return "label"
    if set(before.labels or ()) != set(after.labels or ()) and before.labels and after.labels:
        return "labels"
    move = Change("probability", before.path, before, after).move
    return "probability" if move > 0 and move >= min_move else None


def _same_decision(before: str, after: str) -> bool:
    if "none" in (before, after):  # TSV tells only that there is no label
        return (before == "label") == (after == "label")
    return before == after


def _facts(before: ResultFile, after: ResultFile) -> Iterator[str]:
    """Say in what two runs differ, as far as both tell."""
    first, second = before.provenance, after.provenance
    if first is None or second is None:
        return
    for key, name in FACTS.items():
        if key in first and key in second and first[key] != second[key]:
            yield f"{name}{_in_words(name, first, second)}"


def _in_words(name: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    key = NAMES.get(name)
    if key is None or first.get(key) == second.get(key):
        return ""
    return f" ({first.get(key)}, then {second.get(key)})"
