"""Scoring: similarities and rules in, ranked probabilities and decisions out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

import numpy as np

from clipcli.pipeline.file_rules import apply_rules
from clipcli.results import Classified, Decision, LabelScore
from clipcli.vectors import best_places, sigmoid, similarities, six_digits, softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clipcli.vectors import FloatArray

_PROBABILITY = attrgetter("probability")


SCORES_AT_ONCE = 2**22  # 32 MB of float64: many images times very many labels go in blocks


@dataclass(frozen=True, slots=True)
class ScoringRules:
    """All that turns similarities into a decision, besides the vectors.

    ``names`` are the c labels in classifier order; the classifier's further rows are reject
    prompts. ``thresholds`` are labels' own minimum probabilities; ``min_prob`` serves the rest.
    """

    names: tuple[str, ...]
    logit_scale: float  # multiplies the cosine; not its logarithm
    logit_bias: float = 0.0
    kind: Literal["softmax", "sigmoid"] = "softmax"
    top_k: int = 5
    min_prob: float = 0.0
    independent: bool = False  # each label is a question of its own, answered with yes or no
    reject_threshold: float | None = None  # reject scores above it mean: none of these
    neutral_scale: float = 1.0  # the model's own logit scale, which calibration leaves alone
    thresholds: Mapping[str, float] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)  # label -> parent
    file_rules: Mapping[str, str] = field(default_factory=dict)  # label -> what a file may say
    # A probe's labels have a scale and a bias of their own, (c,) each, in place of the model's.
    scales: FloatArray | None = None
    biases: FloatArray | None = None

    @property
    def is_one_choice(self) -> bool:
        """Whether probabilities are shares of one."""
        return self.kind == "softmax" and not self.independent

    def told(
        self, scores: NDArray[np.float64], origins: Sequence[int]
    ) -> tuple[NDArray[np.float64], list[str]]:
        """Change scores (n, c + r) by what n files tell; also return the rule that did, or ""."""
        return apply_rules(
            scores,
            origins,
            self.names,
            self.file_rules,
            is_one_choice=self.is_one_choice,
            is_independent=self.independent,
        )

    @property
    def needs_neutral(self) -> bool:
        """Whether the neutral words' rows have a part in it."""
        asks_each_label = self.independent and self.kind == "softmax"
        return asks_each_label or self.reject_threshold is not None


def probabilities(cosines: NDArray[np.float64], rules: ScoringRules) -> NDArray[np.float64]:
    """Probabilities (n, c) of cosines (n, c); softmax rows sum to one, sigmoid rows do not."""
    if rules.scales is not None and rules.biases is not None:
        logits = cosines * rules.scales + rules.biases
    else:
        logits = cosines * rules.logit_scale + rules.logit_bias
    squash = softmax if rules.kind == "softmax" else sigmoid
    return squash(logits).astype(np.float64)


def neutral_shares(
    cosines: NDArray[np.float64], neutral: NDArray[np.float64], scale: float
) -> NDArray[np.float64]:
    """Return the share (n,) of neutral words in a choice between them and the labels.

    ``cosines`` (n, c) are the labels', ``neutral`` (n, w) the neutral words'. The negative labels
    of Jiang et al. 2024 (NegLabel) without their search: the words are always the same few.
    """
    ours = np.logaddexp.reduce(scale * cosines, axis=1)  # (n,)
    others = np.logaddexp.reduce(scale * neutral, axis=1)  # (n,)
    return sigmoid(others - ours).astype(np.float64)


def own_probabilities(
    cosines: NDArray[np.float64], neutral: NDArray[np.float64], scale: float
) -> NDArray[np.float64]:
    """Return each label's share (n, c) where only it and the neutral words can be chosen."""
    others = np.logaddexp.reduce(scale * neutral, axis=1, keepdims=True)  # (n, 1)
    return sigmoid(scale * cosines - others).astype(np.float64)


def score(
    paths: Sequence[str],
    images: FloatArray,
    classifier: FloatArray,
    rules: ScoringRules,
    neutral: FloatArray | None = None,
    origins: Sequence[int] | None = None,
) -> list[Classified]:
    """Rank the labels of n images; unit rows.

    ``images`` is (n, d), ``classifier`` (c + r, d), ``neutral`` (w, d) where the rules need it;
    ``origins`` are n numbers of flags, of what the files tell (``images.origin``).
    """
    told = [0] * len(paths) if origins is None else origins
    n_at_once = max(1, SCORES_AT_ONCE // len(classifier))
    results: list[Classified] = []
    for start in range(0, len(paths), n_at_once):
        block = slice(start, start + n_at_once)
        cosines = similarities(images[block], classifier)  # (n', c + r)
        others = None if neutral is None else similarities(images[block], neutral)  # (n', w)
        scores = _scores(cosines, others, rules)  # (n', c + r)
        rejects = _reject_scores(cosines, others, rules)  # n' numbers or None
        scores, fired = rules.told(scores, told[block])
        results += _rank(paths[block], scores, cosines, rejects, rules, fired)
    return results


def _scores(
    cosines: NDArray[np.float64], neutral: NDArray[np.float64] | None, rules: ScoringRules
) -> NDArray[np.float64]:
    if rules.independent and rules.kind == "softmax":
        assert neutral is not None
        return own_probabilities(cosines, neutral, rules.neutral_scale)
    return probabilities(cosines, rules)


def _reject_scores(
    cosines: NDArray[np.float64], neutral: NDArray[np.float64] | None, rules: ScoringRules
) -> Iterable[float | None]:
    if rules.reject_threshold is None:
        return [None] * len(cosines)
    assert neutral is not None
    labels = cosines[:, : len(rules.names)]  # (n', c)
    shares: list[float] = six_digits(neutral_shares(labels, neutral, rules.neutral_scale)).tolist()
    return shares


def _rank(
    paths: Sequence[str],
    scores: NDArray[np.float64],
    cosines: NDArray[np.float64],
    reject_scores: Iterable[float | None],
    rules: ScoringRules,
    fired: Sequence[str],
) -> list[Classified]:
    """Rank each of n images by its scores and cosines (n, c + r)."""
    c = len(rules.names)
    labels, rejects = scores[:, :c], scores[:, c:]  # (n, c), (n, r)
    order = best_places(labels, c if rules.independent else rules.top_k)  # (n, k)
    is_rejected = (rejects > labels.max(axis=1, keepdims=True)).any(axis=1).tolist()
    shown = zip(
        paths,
        order.tolist(),
        six_digits(np.take_along_axis(labels, order, axis=1)).tolist(),
        six_digits(np.take_along_axis(cosines, order, axis=1)).tolist(),
        _parents(labels, cosines, rules),
        is_rejected,
        reject_scores,
        fired,
        strict=True,
    )
    return [_classified(rules, *row) for row in shown]


def _classified(
    rules: ScoringRules,
    path: str,
    order: list[int],
    labels: list[float],
    cosines: list[float],
    parents: tuple[LabelScore, ...],
    is_rejected: bool,
    reject_score: float | None,
    rule: str,
) -> Classified:
    """Decide about one image of which the k best labels are known."""
    names = rules.names
    ranked = tuple(
        [LabelScore(names[i], p, s) for i, p, s in zip(order, labels, cosines, strict=True)]
    )
    if claims(rule, ranked[0].label, rules):
        is_rejected = False  # the file said that the label fits
    elif reject_score is not None and rules.reject_threshold is not None:
        is_rejected = is_rejected or reject_score > rules.reject_threshold
    candidates = ranked if rules.independent else ranked[:1]
    accepted = tuple([s for s in candidates if _is_enough(s, rules) and not is_rejected])
    return Classified(
        path=path,
        top=ranked[: rules.top_k],
        decision=_decide(accepted, is_rejected),
        parents=parents,
        labels=accepted if rules.independent else None,
        reject_score=reject_score,
        rule=rule,
    )


def claims(rule: str, label: str, rules: ScoringRules) -> bool:
    """Say whether the rule that changed a picture's scores is the label's own."""
    return bool(rule) and rules.file_rules.get(label) == rule


def _decide(accepted: Sequence[LabelScore], is_rejected: bool) -> Decision:
    if accepted:
        return "label"
    return "rejected" if is_rejected else "below_threshold"


def _is_enough(score: LabelScore, rules: ScoringRules) -> bool:
    return score.probability >= rules.thresholds.get(score.label, rules.min_prob)


def _groups(rules: ScoringRules) -> dict[str, list[int]]:
    """Return each parent's children, as their places among the labels."""
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(rules.names):
        if name in rules.parents:
            groups.setdefault(rules.parents[name], []).append(i)
    return groups


def _parents(
    labels: NDArray[np.float64], cosines: NDArray[np.float64], rules: ScoringRules
) -> Iterable[tuple[LabelScore, ...]]:
    """Sum the children's probabilities; sigmoid ones join as independent chances instead."""
    groups = _groups(rules)
    if not groups:
        return [()] * len(labels)
    columns = []  # one of each parent, n scores in it
    for parent, places in groups.items():
        children = labels[:, places]  # (n, children)
        totals = children.sum(axis=1) if rules.is_one_choice else 1 - np.prod(1 - children, axis=1)
        best = cosines[:, places].max(axis=1)  # (n,)
        shown = zip(six_digits(totals).tolist(), six_digits(best).tolist(), strict=True)
        columns.append([LabelScore(parent, *row) for row in shown])
    rows = zip(*columns, strict=True)
    return [tuple(sorted(row, key=_PROBABILITY, reverse=True)) for row in rows]
