"""A classifier's predictions for pictures whose labels are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from clipcli.pipeline.scoring import ScoringRules, neutral_shares, probabilities
from clipcli.vectors import similarities
from clipcli.workflows.evaluation.metrics import Flags, Numbers, Places, ranks_of_truth

if TYPE_CHECKING:
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.embed import Embedded
    from clipcli.vectors import FloatArray


@dataclass(frozen=True)
class Scores:
    """Similarities of n pictures to c labels and r reject prompts, and what is made of them."""

    paths: tuple[str, ...]
    cosines: Numbers  # (n, c + r)
    reject_scores: Numbers  # (n,), high where no label fits
    rules: ScoringRules

    @cached_property
    def probabilities(self) -> Numbers:
        """The labels' probabilities (n, c); reject prompts have had their share of a softmax."""
        return probabilities(self.cosines, self.rules)[:, : len(self.rules.names)]

    @cached_property
    def first(self) -> Places:
        """The place of each picture's first label (n,)."""
        labels: Places = self.probabilities.argmax(axis=1)
        return labels

    @cached_property
    def first_probabilities(self) -> Numbers:
        """How probable each picture's first label is (n,)."""
        highest: Numbers = self.probabilities.max(axis=1)
        return highest

    @cached_property
    def is_rejected(self) -> Flags:
        """Whether a reject prompt, or the reject threshold, rejects the picture (n,)."""
        c = len(self.rules.names)
        labels, prompts = self.cosines[:, :c], self.cosines[:, c:]
        is_out: Flags = prompts.max(axis=1, initial=-np.inf) > labels.max(axis=1)
        if self.rules.reject_threshold is not None:
            is_out = is_out | (self.reject_scores > self.rules.reject_threshold)
        return is_out

    @cached_property
    def is_answered(self) -> Flags:
        """Whether ``classify`` would name a label: not rejected, not below a threshold (n,)."""
        rules = self.rules
        least = np.array([rules.thresholds.get(name, rules.min_prob) for name in rules.names])
        return ~self.is_rejected & (self.first_probabilities >= least[self.first])

    @property
    def has_decisions(self) -> bool:
        """Whether there is anything by which a picture could stay without a label."""
        rules = self.rules
        has_prompts = self.cosines.shape[1] > len(rules.names)
        has_thresholds = bool(rules.thresholds or rules.min_prob)
        return has_prompts or has_thresholds or rules.reject_threshold is not None


@dataclass(frozen=True)
class Predictions(Scores):
    """Scores of pictures whose true labels are known."""

    truth: Places  # (n,), places among the labels

    @cached_property
    def ranks(self) -> Places:
        """How many labels stand before the true one (n,)."""
        return ranks_of_truth(self.probabilities, self.truth)

    @property
    def is_right(self) -> Flags:
        """Whether the true label is first (n,)."""
        right: Flags = self.ranks == 0
        return right


def score_pictures(classifier: Classifier, pictures: Sequence[Embedded]) -> Scores:
    """Score pictures of unknown content."""
    rows = np.stack([picture.row for picture in pictures])  # (n, d)
    cosines = similarities(rows, classifier.classifier)  # (n, c + r)
    rules = classifier.rules
    return Scores(
        paths=tuple(picture.path for picture in pictures),
        cosines=cosines,
        reject_scores=_reject_scores(classifier, rows, cosines),
        rules=rules,
    )


def _reject_scores(classifier: Classifier, rows: FloatArray, cosines: Numbers) -> Numbers:
    """Return how little each picture looks like any label (n,), 0..1."""
    rules = classifier.rules
    if classifier.probe is not None:  # has no words, so neutral ones say nothing beside it
        doubt: Numbers = 1 - probabilities(cosines, rules).max(axis=1)
        return doubt
    labels = cosines[:, : len(rules.names)]  # (n, c)
    return neutral_shares(labels, similarities(rows, classifier.neutral), rules.neutral_scale)


def predict(
    classifier: Classifier, pictures: Sequence[Embedded], truth: Sequence[int]
) -> Predictions:
    """Score pictures whose labels' places are known."""
    scores = score_pictures(classifier, pictures)
    return Predictions(
        scores.paths, scores.cosines, scores.reject_scores, scores.rules, np.array(truth, np.int64)
    )
