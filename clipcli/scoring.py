"""This file knows about the maths between vectors and ranked labels.

Symbols: ``n`` images, ``c`` labels, ``r`` reject prompts, ``p`` prompts, ``d`` embedding. Scores
follow Radford et al. 2021, figure 3 (softmax over scaled cosines), and Zhai et al. 2023 for the
sigmoid form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipcli.results import Classified, Decision, LabelScore

FloatArray: TypeAlias = NDArray[np.floating[Any]]

# Six significant digits are about what float16 vectors can carry; more would be noise that
# differs between a warm and a cold run.
SIGNIFICANT_DIGITS = 6
SCORES_AT_ONCE = 2**22  # 32 MB of float64: many images times very many labels go in blocks


def unit_rows(rows: FloatArray) -> FloatArray:
    """Scale each row (n, d) to length one; a row of zeros stays zero."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)  # (n, 1)
    return rows / np.where(lengths == 0, 1, lengths)


def ensemble(prompt_rows: FloatArray) -> NDArray[np.float32]:
    """Return one label's row (d,), float32, of its prompts' rows (p, d).

    Each prompt is normalised, then averaged, then normalised again, as in section 3.1.4 of the
    paper; in float64, so that the order of prompts does not show.
    """
    mean = unit_rows(prompt_rows.astype(np.float64)).mean(axis=0, keepdims=True)  # (1, d)
    row: NDArray[np.float32] = unit_rows(mean)[0].astype(np.float32)
    return row


def softmax(logits: FloatArray) -> FloatArray:
    """Softmax over the last axis, safe for large logits."""
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: FloatArray = exponents / exponents.sum(axis=-1, keepdims=True)
    return result


def sigmoid(logits: FloatArray) -> FloatArray:
    """Logistic function, safe for large logits of either sign."""
    result: FloatArray = np.exp(-np.logaddexp(0.0, -logits))
    return result


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
    thresholds: Mapping[str, float] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)  # label -> parent


def similarities(images: FloatArray, classifier: FloatArray) -> NDArray[np.float64]:
    """Cosines (n, c) of unit image rows (n, d) and unit label rows (c, d).

    Subtle: in float64 because float32 products differ in their last bits with the number of
    rows, and the same picture must get the same digits alone and in a batch.
    """
    result: NDArray[np.float64] = images.astype(np.float64) @ classifier.astype(np.float64).T
    return result


def probabilities(cosines: NDArray[np.float64], rules: ScoringRules) -> NDArray[np.float64]:
    """Probabilities (n, c) of cosines (n, c); softmax rows sum to one, sigmoid rows do not."""
    logits = cosines * rules.logit_scale + rules.logit_bias
    squash = softmax if rules.kind == "softmax" else sigmoid
    return squash(logits).astype(np.float64)


def score(
    paths: Sequence[str], images: FloatArray, classifier: FloatArray, rules: ScoringRules
) -> list[Classified]:
    """Rank the labels of n images; ``images`` (n, d), ``classifier`` (c + r, d), unit rows."""
    groups = _groups(rules)
    n_at_once = max(1, SCORES_AT_ONCE // len(classifier))
    results = []
    for start in range(0, len(paths), n_at_once):
        block = slice(start, start + n_at_once)
        cosines = similarities(images[block], classifier)  # (n', c + r)
        scores = probabilities(cosines, rules)  # (n', c + r)
        for path, row, cosine in zip(paths[block], scores, cosines, strict=True):
            results.append(_score_one(path, row, cosine, rules, groups))
    return results


def _score_one(
    path: str,
    row: NDArray[np.float64],
    cosines: NDArray[np.float64],
    rules: ScoringRules,
    groups: Mapping[str, list[int]],
) -> Classified:
    labels, rejects = row[: len(rules.names)], row[len(rules.names) :]  # (c,), (r,)
    # Stable, so that labels with equal scores keep the order of the label set.
    order = np.argsort(-labels, kind="stable")[: rules.top_k]
    top = tuple(LabelScore(rules.names[i], _digits(labels[i]), _digits(cosines[i])) for i in order)
    is_rejected = bool(rejects.size) and rejects.max() > labels.max()
    return Classified(
        path=path,
        top=top,
        decision=_decide(top[0], is_rejected, rules),
        parents=_sum_into_parents(labels, cosines, rules, groups),
    )


def _decide(best: LabelScore, is_rejected: bool, rules: ScoringRules) -> Decision:
    if is_rejected:
        return "rejected"
    if best.probability < rules.thresholds.get(best.label, rules.min_prob):
        return "below_threshold"
    return "label"


def _groups(rules: ScoringRules) -> dict[str, list[int]]:
    """Return each parent's children, as their places among the labels."""
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(rules.names):
        if name in rules.parents:
            groups.setdefault(rules.parents[name], []).append(i)
    return groups


def _sum_into_parents(
    labels: NDArray[np.float64],
    cosines: NDArray[np.float64],
    rules: ScoringRules,
    groups: Mapping[str, list[int]],
) -> tuple[LabelScore, ...]:
    """Sum the children's probabilities; sigmoid ones join as independent chances instead."""
    scores = []
    for parent, rows in groups.items():
        total = labels[rows].sum() if rules.kind == "softmax" else 1 - np.prod(1 - labels[rows])
        scores.append(LabelScore(parent, _digits(float(total)), _digits(cosines[rows].max())))
    return tuple(sorted(scores, key=lambda s: -s.probability))


def _digits(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") + 0.0  # no negative zero
