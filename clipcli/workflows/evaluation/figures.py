"""All figures of a classifier, from its predictions and the truth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from clipcli.workflows.evaluation import chance, metrics, out_of_distribution, reliability
from clipcli.workflows.evaluation.predictions import Predictions, Scores

TOP = 5


@dataclass(frozen=True, slots=True)
class LabelFigures:
    """One label; figures that would divide by nothing are None."""

    label: str
    classes: tuple[str, ...]  # folders or cells that stand for it; none: it is only on offer
    n: int
    n_right: int
    n_predicted: int
    precision: float | None
    recall: float | None
    f1: float | None
    often: str | None  # what its pictures are most often taken for instead


@dataclass(frozen=True, slots=True)
class Decided:
    """What the label set's own thresholds and reject prompts do."""

    answered: float  # share of pictures that get a label
    accuracy: float | None  # of those


@dataclass(frozen=True, slots=True)
class OutOfDistribution:
    """How well pictures that no label fits are recognised."""

    n: int
    scores: dict[str, out_of_distribution.Detection]  # by name of the score
    thresholds: tuple[out_of_distribution.Rejection, ...]  # of the reject score
    rejected: float | None  # by the label set's own means, if it has any


@dataclass(frozen=True, slots=True)
class Figures:
    """How good one classifier is on one set of pictures."""

    n: int
    top1: chance.Interval
    top5: chance.Interval | None  # None: there are not more than five labels
    mean_per_class: chance.Interval
    calibration_error: float
    mean_probability: float  # of the first label
    bins: tuple[reliability.Bin, ...]
    coverage: tuple[reliability.Coverage, ...]
    labels: tuple[LabelFigures, ...]
    confusion: metrics.Places  # (c, c), rows are the truth
    pairs: tuple[tuple[int, int, int], ...]  # most confused: true, predicted, count
    decided: Decided | None
    out_of_set: OutOfDistribution | None


class Judgeable(Protocol):
    """What is judged: answers for n pictures whose true labels are known, places among names."""

    @property
    def names(self) -> tuple[str, ...]:
        """The labels (c)."""

    @property
    def n_ranked(self) -> int:
        """How many labels of a picture are known to be in order; ranks above that are one."""

    @property
    def truth(self) -> metrics.Places:
        """The true label (n,)."""

    @property
    def first(self) -> metrics.Places:
        """The label that was found the most probable (n,)."""

    @property
    def first_probabilities(self) -> metrics.Numbers:
        """How probable that is (n,)."""

    @property
    def ranks(self) -> metrics.Places:
        """How many labels stand before the true one (n,)."""

    @property
    def is_right(self) -> metrics.Flags:
        """Whether the true label is first (n,)."""

    @property
    def has_decisions(self) -> bool:
        """Whether there is anything by which a picture could stay without a label."""

    @property
    def is_answered(self) -> metrics.Flags:
        """Whether a label was given (n,)."""


def compute_figures(
    predictions: Judgeable, classes: Mapping[str, tuple[str, ...]], ood: Scores | None = None
) -> Figures:
    """Judge predictions; ``classes`` are the folders or cells behind each label's name."""
    names = predictions.names
    matrix = metrics.confusion(predictions.truth, predictions.first, len(names))
    bins = reliability.reliability(predictions.first_probabilities, predictions.is_right)
    right = np.diag(matrix)
    knows_top = len(names) > TOP and predictions.n_ranked >= TOP
    return Figures(
        n=len(predictions.truth),
        top1=chance.share_interval(predictions.is_right),
        top5=chance.share_interval(predictions.ranks < TOP) if knows_top else None,
        mean_per_class=chance.mean_recall_interval(right, matrix.sum(axis=1) - right),
        calibration_error=reliability.calibration_error(bins),
        mean_probability=float(predictions.first_probabilities.mean()),
        bins=tuple(bins),
        coverage=tuple(reliability.coverage(predictions.first_probabilities, predictions.is_right)),
        labels=_label_figures(matrix, names, classes),
        confusion=matrix,
        pairs=tuple(metrics.confused_pairs(matrix)),
        decided=_decided(predictions) if predictions.has_decisions else None,
        out_of_set=_out_of_set(predictions, ood) if ood else None,
    )


def _label_figures(
    matrix: metrics.Places, names: Sequence[str], classes: Mapping[str, tuple[str, ...]]
) -> tuple[LabelFigures, ...]:
    precision, recall = metrics.precisions(matrix), metrics.recalls(matrix)
    f1 = metrics.f1_scores(matrix)
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    return tuple(
        LabelFigures(
            label=name,
            classes=classes.get(name, ()),
            n=int(matrix[i].sum()),
            n_right=int(matrix[i, i]),
            n_predicted=int(matrix[:, i].sum()),
            precision=_known(precision[i]),
            recall=_known(recall[i]),
            f1=_known(f1[i]),
            often=names[int(wrong[i].argmax())] if wrong[i].any() else None,
        )
        for i, name in enumerate(names)
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _decided(predictions: Judgeable) -> Decided:
    answered = predictions.is_answered
    accuracy = float(predictions.is_right[answered].mean()) if answered.any() else None
    return Decided(float(answered.mean()), accuracy)


def _out_of_set(predictions: Judgeable, ood: Scores) -> OutOfDistribution:
    assert isinstance(predictions, Predictions)
    inside, outside = predictions.reject_scores, ood.reject_scores
    c = len(predictions.rules.names)
    return OutOfDistribution(
        n=len(outside),
        scores={
            "reject score": out_of_distribution.detect(inside, outside),
            "1 - highest similarity": out_of_distribution.detect(
                1 - predictions.cosines[:, :c].max(axis=1), 1 - ood.cosines[:, :c].max(axis=1)
            ),
            "1 - highest probability": out_of_distribution.detect(
                1 - predictions.first_probabilities, 1 - ood.first_probabilities
            ),
        },
        thresholds=tuple(out_of_distribution.rejections(inside, outside)),
        rejected=float((~ood.is_answered).mean()) if predictions.has_decisions else None,
    )
