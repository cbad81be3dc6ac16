"""A classifier's predictions for pictures whose labels are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from clipcli.pipeline.scoring import ScoringRules, claims, neutral_shares, probabilities
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
    origins: tuple[int, ...] = ()  # what each file tells of itself; none: nothing

    @cached_property
    def _told(self) -> tuple[Numbers, list[str]]:
        scores = probabilities(self.cosines, self.rules)  # (n, c + r)
        return self.rules.told(scores, self.origins or [0] * len(scores))

    @cached_property
    def is_told(self) -> Flags:
        """Whether a label was given by its rule, not by the model (n,)."""
        names, fired = self.rules.names, self._told[1]
        pairs = zip(self.first.tolist(), fired, strict=True)
        return np.array([claims(rule, names[i], self.rules) for i, rule in pairs], dtype=bool)

    @cached_property
    def probabilities(self) -> Numbers:
        """The labels' probabilities (n, c); reject prompts have had their share of a softmax."""
        return self._told[0][:, : len(self.rules.names)]

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
        return is_out & ~self.is_told

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

    truth: Places = field(kw_only=True)  # (n,), places among the labels

    @property
    def names(self) -> tuple[str, ...]:
        """The labels (c)."""
        return self.rules.names

    @property
    def n_ranked(self) -> int:
        """All labels are known to be in order."""
        return len(self.rules.names)

    def by_the_model(self) -> Predictions:
        """Return those that the model has made, without any that a file's own word decided."""
        kept = np.flatnonzero(~self.is_told)
        return replace(
            self,
            paths=tuple(self.paths[i] for i in kept),
            cosines=self.cosines[kept],
            reject_scores=self.reject_scores[kept],
            origins=tuple(self.origins[i] for i in kept) if self.origins else (),
            truth=self.truth[kept],
        )

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
        origins=tuple(picture.origin for picture in pictures),
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
    told = (scores.paths, scores.cosines, scores.reject_scores, scores.rules, scores.origins)
    return Predictions(*told, truth=np.array(truth, np.int64))
