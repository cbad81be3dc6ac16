"""What changed between two runs over the same pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from clipcli.output.reader import Entry, ResultFile
from clipcli.results import path_text
from clipcli.workflows.diff.side_by_side import SideBySide

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
ORDER = tuple(KINDS)
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


@dataclass(frozen=True, slots=True)
class RunDifference:
    """All changes, by kind and then in the order of the runs, and in what the runs differ."""

    n_compared: int  # pictures that are in both
    n_first: int
    n_second: int
    facts: tuple[str, ...]  # "model (mini, then ViT-B/32)"
    _found: SideBySide

    @property
    def changes(self) -> Iterator[Change]:
        """Yield all of them, as often as they are asked for; memory holds one at a time."""
        for number, before, after in self._found.kept():
            one = after or before
            assert one is not None
            yield Change(ORDER[number], one.path, before, after)

    def counts(self) -> Mapping[Kind, int]:
        """Return how many changes of each kind there are."""
        found = self._found.counts()
        return {kind: found[i] for i, kind in enumerate(ORDER) if i in found}


def compare(before: ResultFile, after: ResultFile, *, min_move: float) -> RunDifference:
    """Compare two runs by path.

    Where the label stayed, a probability that moved by ``min_move`` or more is a change.

    Raises
    ------
    InputError
        What is wrong with a run that is read meanwhile, or a path that appears twice in it.
    OutputError
        If the temporary folder is full.
    """
    is_exact = before.has_exact_paths and after.has_exact_paths
    name_of = str if is_exact else path_text
    found = SideBySide()
    n_first = found.fill("first", before.source, before.entries, name_of)
    n_second = found.fill("second", after.source, after.entries, name_of)
    found.keep(_changes(found.differing(), min_move))
    facts = tuple(_facts(before, after))
    return RunDifference(found.n_in_both(), n_first, n_second, facts, found)


def _changes(
    differing: Iterable[tuple[int, Entry | None, Entry | None]], min_move: float
) -> Iterator[tuple[int, float, int, Entry | None, Entry | None]]:
    """Yield the number of a change's kind, its weight, its place, and what was said."""
    for place, before, after in differing:
        if before is None or after is None:
            kind: Kind | None = "added" if before is None else "removed"
        else:
            kind = _kind(before, after, min_move)
        if kind is not None:
            # Within a kind in the order of the runs, but the largest moves first.
            weight = -_move(before, after) if kind == "probability" else 0.0
            yield ORDER.index(kind), weight, place, before, after


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
    move = _move(before, after)
    return "probability" if move > 0 and move >= min_move else None


def _move(before: Entry | None, after: Entry | None) -> float:
    """Return how far the probability moved, 0..1."""
    if before is None or after is None:
        return 0.0
    return abs((after.probability or 0.0) - (before.probability or 0.0))


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
