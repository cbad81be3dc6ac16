"""A report on a classifier: every figure, from answers and the truth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clipcli.workflows.evaluation import chance, detection, metrics, reliability
from clipcli.workflows.evaluation.answers import Answers, Scores

TOP = 5


@dataclass(frozen=True, slots=True)
class LabelReport:
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
class OutOfSet:
    """Pictures that belong to no label: who notices that."""

    n: int
    scores: dict[str, detection.Detection]  # by name of the score
    thresholds: tuple[detection.Rejection, ...]  # of the reject score
    turned_away: float | None  # by the label set's own means, if it has any


@dataclass(frozen=True, slots=True)
class Report:
    """How good one classifier is on one set of pictures."""

    n: int
    top1: chance.Interval
    top5: chance.Interval | None  # None: there are not more than five labels
    mean_per_class: chance.Interval
    calibration_error: float
    mean_probability: float  # of the first label
    bins: tuple[reliability.Bin, ...]
    coverage: tuple[reliability.Coverage, ...]
    labels: tuple[LabelReport, ...]
    confusion: metrics.Places  # (c, c), rows are the truth
    pairs: tuple[tuple[int, int, int], ...]  # most confused: true, predicted, count
    decided: Decided | None
    out_of_set: OutOfSet | None


def report(
    answers: Answers, classes: Mapping[str, tuple[str, ...]], strangers: Scores | None = None
) -> Report:
    """Judge answers; ``classes`` are the folders or cells behind each label's name."""
    names = answers.rules.names
    matrix = metrics.confusion(answers.truth, answers.first, len(names))
    bins = reliability.reliability(answers.first_probabilities, answers.is_right)
    right = np.diag(matrix)
    return Report(
        n=len(answers.truth),
        top1=chance.share_interval(answers.is_right),
        top5=chance.share_interval(answers.ranks < TOP) if len(names) > TOP else None,
        mean_per_class=chance.mean_recall_interval(right, matrix.sum(axis=1) - right),
        calibration_error=reliability.calibration_error(bins),
        mean_probability=float(answers.first_probabilities.mean()),
        bins=tuple(bins),
        coverage=tuple(reliability.coverage(answers.first_probabilities, answers.is_right)),
        labels=_label_reports(matrix, names, classes),
        confusion=matrix,
        pairs=tuple(metrics.confused_pairs(matrix)),
        decided=_decided(answers) if answers.has_decisions else None,
        out_of_set=_out_of_set(answers, strangers) if strangers else None,
    )


def _label_reports(
    matrix: metrics.Places, names: Sequence[str], classes: Mapping[str, tuple[str, ...]]
) -> tuple[LabelReport, ...]:
    precision, recall = metrics.precisions(matrix), metrics.recalls(matrix)
    f1 = metrics.f1_scores(matrix)
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    return tuple(
        LabelReport(
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


def _decided(answers: Answers) -> Decided:
    answered = answers.is_answered
    accuracy = float(answers.is_right[answered].mean()) if answered.any() else None
    return Decided(float(answered.mean()), accuracy)


def _out_of_set(answers: Answers, strangers: Scores) -> OutOfSet:
    inside, outside = answers.reject_scores, strangers.reject_scores
    c = len(answers.rules.names)
    return OutOfSet(
        n=len(outside),
        scores={
            "reject score": detection.detect(inside, outside),
            "1 - highest similarity": detection.detect(
                1 - answers.cosines[:, :c].max(axis=1), 1 - strangers.cosines[:, :c].max(axis=1)
            ),
            "1 - highest probability": detection.detect(
                1 - answers.first_probabilities, 1 - strangers.first_probabilities
            ),
        },
        thresholds=tuple(detection.rejections(inside, outside)),
        turned_away=float((~strangers.is_answered).mean()) if answers.has_decisions else None,
    )
