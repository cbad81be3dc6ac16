"""An audit as a whole: a data set in, all findings out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipcli.images.failures import is_sound
from clipcli.workflows.audit.copies import duplicates
from clipcli.workflows.audit.dataset import Dataset
from clipcli.workflows.audit.findings import KINDS, Finding
from clipcli.workflows.audit.looks import imbalance, looks, outliers
from clipcli.workflows.audit.mislabelled import (
    LabelOpinion,
    confusable_pairs,
    judge_labels,
    wrong_labels,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.images.class_tree import Place


@dataclass(frozen=True, slots=True)
class Audit:
    """A data set and what was found in it, by kind and the worst first."""

    dataset: Dataset
    opinion: LabelOpinion
    findings: tuple[Finding, ...]

    def counts(self) -> dict[str, int]:
        """Return how many findings there are of each kind, zeros included."""
        found = Counter(finding.kind for finding in self.findings)
        return {kind: found[kind] for kind in KINDS}

    def class_sizes(self) -> list[tuple[str, int]]:
        """Return how many readable pictures each class has."""
        found = Counter(place.label for place in self.dataset.places)
        return [(name, found[name]) for name in self.dataset.classes]

    def lead(self) -> str:
        """Say in a sentence what was examined."""
        dataset = self.dataset
        n = len(dataset) + len(dataset.broken)
        text = f"{n:,} pictures in {len(dataset.classes):,} classes"
        splits = Counter(place.split for place in dataset.places if place.split)
        if splits:
            text += " (" + ", ".join(f"{name} {size:,}" for name, size in splits.items()) + ")"
        return text

    def judged_by(self) -> str:
        """Say in a sentence what the labels were judged by."""
        opinion = self.opinion
        n_fitted, agreement = int(opinion.is_fitted.sum()), f"{opinion.zero_shot_accuracy:.0%}"
        if n_fitted:
            return (
                f"Labels are judged by a classifier fitted on the other pictures "
                f"({n_fitted:,} of them); zero-shot agrees with {agreement}."
            )
        if opinion.is_zero_shot_trusted:
            return f"Labels are judged zero-shot, which agrees with {agreement} of them."
        return (
            "Labels are not judged: the classes are too small to fit a classifier, and zero-shot "
            f"agrees with only {agreement} of them."
        )

    def about(self) -> dict[str, list[Finding]]:
        """Return the findings of each picture."""
        found: dict[str, list[Finding]] = {}
        for finding in self.findings:
            if finding.path:
                found.setdefault(finding.path, []).append(finding)
        return found


def audit(dataset: Dataset, zero_shot: NDArray[np.floating[Any]]) -> Audit:
    """Look for all there is to find; ``zero_shot`` holds probabilities (n, c)."""
    opinion = judge_labels(dataset, zero_shot)
    found: list[Finding] = [*_unreadable(dataset), *_damaged(dataset)]
    found += wrong_labels(dataset, opinion)
    found += duplicates(dataset)
    found += outliers(dataset)
    found += sorted(looks(dataset), key=lambda finding: -finding.score)
    found += confusable_pairs(dataset, opinion)
    found += imbalance(dataset)
    return Audit(dataset, opinion, tuple(_by_kind(found)))


def _unreadable(dataset: Dataset) -> Iterator[Finding]:
    for skipped, place in dataset.broken:
        kind = "unread" if is_sound(skipped.reason) else "broken"
        yield _about_file(kind, skipped.path, skipped.reason, place)


def _damaged(dataset: Dataset) -> Iterator[Finding]:
    for path, place, measures in zip(dataset.paths, dataset.places, dataset.measures, strict=False):
        if measures.note:
            yield _about_file("damaged", path, measures.note, place)


def _about_file(kind: str, path: str, detail: str, place: Place) -> Finding:
    return Finding(kind, path, detail, 1.0, label=place.label or "", split=place.split)


def _by_kind(findings: Sequence[Finding]) -> list[Finding]:
    order = {kind: i for i, kind in enumerate(KINDS)}
    return sorted(findings, key=lambda finding: order[finding.kind])
