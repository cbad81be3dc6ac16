"""Labels that are likely wrong, and classes that are hard to tell apart.

A label is doubted where a classifier that did not see it finds another one at least :data:`ODDS`
times as likely. Where all classes of a picture are large enough, that classifier is fitted on the
other pictures' vectors, which finds far more than the words do; else it is the zero-shot one.
The idea of judging labels by out-of-sample probabilities is that of Northcutt, Jiang and Chuang
2021, "Confident learning: estimating uncertainty in dataset labels".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clipcli.workflows.audit.dataset import NO_CLASS, Dataset
from clipcli.workflows.audit.findings import Finding
from clipcli.workflows.audit.out_of_fold import out_of_fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

# With a tenth of labels shuffled, three of four doubted at 10 to 1 were wrong on CIFAR-10, and
# nine of ten on scenes and weather; on the sets as they are, one to five in a hundred are doubted.
ODDS = 10.0
PROBE_PICTURES = 10  # a class needs so many for the fitted classifier
ZERO_SHOT_ACCURACY = 0.5  # a model that agrees with fewer labels does not know these words
CONFUSED_SHARE = 0.1  # of two classes' pictures, taken for the other one
CONFUSED_PICTURES = 3
LEAST = 1e-9  # keeps logarithms finite


@dataclass(frozen=True, slots=True)
class LabelOpinion:
    """What was thought of the labels; rows are the data set's."""

    probabilities: NDArray[np.float32]  # (n, c); NaN where there is no opinion
    log_odds: NDArray[np.float64]  # (n,) of the best other class against the label; NaN without
    suggested: NDArray[np.int64]  # (n,) the best other class
    is_fitted: NDArray[np.bool_]  # (n,) whether the fitted classifier says so
    zero_shot_accuracy: float  # share of labels that zero-shot agrees with
    is_zero_shot_trusted: bool


def judge_labels(dataset: Dataset, zero_shot: NDArray[Any]) -> LabelOpinion:
    """Form an opinion of every label; ``zero_shot`` holds probabilities (n, c)."""
    labels = dataset.labels()
    n, c = len(dataset), len(dataset.classes)
    is_labelled = labels != NO_CLASS
    sizes = np.bincount(labels[is_labelled], minlength=c)
    is_large = sizes >= PROBE_PICTURES
    is_fitted = is_labelled & is_large[labels] if is_large.sum() > 1 else np.zeros(n, bool)
    agrees = zero_shot.argmax(axis=1)[is_labelled] == labels[is_labelled]
    accuracy = float(agrees.mean()) if is_labelled.any() else 0.0
    is_trusted = accuracy >= ZERO_SHOT_ACCURACY
    probabilities = np.full((n, c), np.nan, np.float32)
    if is_trusted:
        probabilities[is_labelled] = zero_shot[is_labelled]
    if is_fitted.any():
        probabilities[is_fitted] = _fitted(dataset, labels, is_fitted, is_large)
    log_odds, suggested = _log_odds(probabilities, labels)
    return LabelOpinion(probabilities, log_odds, suggested, is_fitted, accuracy, is_trusted)


def _fitted(
    dataset: Dataset,
    labels: NDArray[np.int64],
    is_fitted: NDArray[np.bool_],
    is_large: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Return out-of-fold probabilities (m, c) of the fitted pictures; small classes have none."""
    large = np.flatnonzero(is_large)
    place = np.full(len(is_large), NO_CLASS)
    place[large] = np.arange(len(large))
    own = place[labels[is_fitted]]
    result = np.zeros((int(is_fitted.sum()), len(is_large)), np.float32)
    result[:, large] = out_of_fold(dataset.vectors[is_fitted], own, len(large))
    return result


def _log_odds(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return log odds (n,) of the best other class against the label, and that class (n,)."""
    n, c = probabilities.shape
    if c < 2:
        return np.full(n, np.nan), np.full(n, NO_CLASS)
    rows, own_at = np.arange(n), np.maximum(labels, 0)
    own = probabilities[rows, own_at].astype(np.float64)
    others = np.nan_to_num(probabilities, copy=True)
    others[rows, own_at] = -1
    suggested = others.argmax(axis=1)
    best = others[rows, suggested].astype(np.float64)
    odds = np.log(np.maximum(best, LEAST)) - np.log(np.maximum(own, LEAST))
    return np.where(np.isnan(own), np.nan, odds), suggested


def wrong_labels(dataset: Dataset, opinion: LabelOpinion) -> list[Finding]:
    """Return the labels that are likely wrong, the most doubtful first."""
    labels = dataset.labels()
    doubted = np.flatnonzero(np.nan_to_num(opinion.log_odds) >= np.log(ODDS))
    found = []
    for i in doubted[np.argsort(-opinion.log_odds[doubted], kind="stable")]:
        own = float(opinion.probabilities[i, labels[i]])
        better = dataset.classes[opinion.suggested[i]]
        best = float(opinion.probabilities[i, opinion.suggested[i]])
        found.append(
            Finding(
                "wrong-label",
                dataset.paths[i],
                f"{better} {best:.1%}, {dataset.classes[labels[i]]} {own:.1%}",
                round(float(opinion.log_odds[i]), 3),
                label=dataset.classes[labels[i]],
                split=dataset.places[i].split,
                suggested=better,
            )
        )
    return found


def confusable_pairs(dataset: Dataset, opinion: LabelOpinion) -> list[Finding]:
    """Return pairs of classes of whose pictures many are taken for the other one."""
    labels, c = dataset.labels(), len(dataset.classes)
    is_judged = ~np.isnan(opinion.log_odds)
    taken_for = np.nan_to_num(opinion.probabilities[is_judged]).argmax(axis=1)
    counts = np.zeros((c, c), np.int64)
    np.add.at(counts, (labels[is_judged], taken_for), 1)
    sizes = counts.sum(axis=1)
    found = []
    for i, j in zip(*np.nonzero(np.triu(counts + counts.T, 1)), strict=True):
        wrong, total = int(counts[i, j] + counts[j, i]), int(sizes[i] + sizes[j])
        if wrong < CONFUSED_PICTURES or wrong / total < CONFUSED_SHARE:
            continue
        a, b = dataset.classes[i], dataset.classes[j]
        detail = f"{counts[i, j]} of {sizes[i]} {a} taken for {b}, "
        detail += f"{counts[j, i]} of {sizes[j]} {b} taken for {a}"
        share = round(wrong / total, 4)
        found.append(Finding("confusable", "", detail, share, label=a, suggested=b))
    return sorted(found, key=lambda finding: -finding.score)
