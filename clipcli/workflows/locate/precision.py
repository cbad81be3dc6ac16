"""COCO's average precision: how well boxes of known scores meet annotated ones.

Lin et al. 2014 (arXiv:1405.0312) and the rules of the reference, pycocotools' ``COCOeval``, to the
last tie: ten overlaps from 0.5 to 0.95, precision read at 101 recalls, sizes by area, and crowds
that forgive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST = 100  # boxes of a picture and category that count
AREAS = {  # square pixels; both ends are within
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
ALMOST_ONE = 1 - 1e-10  # an overlap of one is asked for as this
Key: TypeAlias = "tuple[int | str, int]"  # picture and category


@dataclass(frozen=True, slots=True)
class Truth:
    """Annotated boxes of one category in one picture."""

    boxes: NDArray[np.float64]  # (n, 4) left, top, width, height
    areas: NDArray[np.float64]  # (n,) of the thing's outline, where there is one
    is_crowd: NDArray[np.bool_]  # (n,)


@dataclass(frozen=True, slots=True)
class Guess:
    """Boxes that were found, of one category in one picture."""

    boxes: NDArray[np.float64]  # (m, 4) left, top, width, height
    scores: NDArray[np.float64]  # (m,)


@dataclass(frozen=True, slots=True)
class Precision:
    """Average precision and recall, 0 to 1; NaN where nothing is annotated."""

    ap: float
    ap50: float
    ap75: float
    by_size: Mapping[str, float]  # small, medium, large
    recall: float  # at most 100 boxes a picture
    by_category: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class _Matches:
    scores: NDArray[np.float64]  # (m,)
    is_hit: NDArray[np.bool_]  # (overlaps, m)
    is_ignored: NDArray[np.bool_]  # (overlaps, m)
    n_truths: int


def thresholds() -> NDArray[np.float64]:
    """Return the ten overlaps."""
    import numpy as np

    return np.linspace(0.5, 0.95, 10)


def average_precision(
    truths: Mapping[Key, Truth],
    guesses: Mapping[Key, Guess],
    pictures: Sequence[int | str],
    categories: Sequence[int],
) -> Precision:
    """Judge boxes over pictures and categories."""
    curves: dict[str, list[NDArray[np.float64]]] = {area: [] for area in AREAS}
    recalls: list[NDArray[np.float64]] = []
    by_category: dict[int, float] = {}
    for category in categories:
        keys = [(picture, category) for picture in pictures]
        pairs = [(truths.get(key), guesses.get(key)) for key in keys]
        for area, limits in AREAS.items():
            judged = _category(pairs, limits)
            if judged is None:
                continue
            curve, recall = judged
            curves[area].append(curve)  # (overlaps, 101)
            if area == "all":
                recalls.append(recall)
                by_category[category] = float(curve.mean())
    every = curves["all"]
    return Precision(
        ap=_mean(every),
        ap50=_mean([curve[0] for curve in every]),
        ap75=_mean([curve[5] for curve in every]),
        by_size={area: _mean(curves[area]) for area in AREAS if area != "all"},
        recall=_mean(recalls),
        by_category=by_category,
    )


def _mean(parts: Sequence[NDArray[np.float64]]) -> float:
    import numpy as np

    return float(np.mean(np.stack(parts))) if parts else float("nan")


def _category(
    pairs: Iterable[tuple[Truth | None, Guess | None]], limits: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return precision (overlaps, 101) and final recall (overlaps,), if anything is annotated."""
    import numpy as np

    matches = [_match(truth, guess, limits) for truth, guess in pairs if truth or guess]
    n_truths = sum(match.n_truths for match in matches)
    if n_truths == 0:
        return None
    scores = np.concatenate([match.scores for match in matches])
    order = np.argsort(-scores, kind="mergesort")
    is_hit = np.concatenate([match.is_hit for match in matches], axis=1)[:, order]
    is_ignored = np.concatenate([match.is_ignored for match in matches], axis=1)[:, order]
    hits = np.cumsum(is_hit & ~is_ignored, axis=1, dtype=float)  # (overlaps, m)
    misses = np.cumsum(~is_hit & ~is_ignored, axis=1, dtype=float)
    recall = hits / n_truths
    precision = hits / (hits + misses + np.spacing(1))
    # At a recall counts the best precision there or further on.
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    read_at = np.linspace(0.0, 1.0, 101)
    curve = np.zeros((len(recall), len(read_at)))
    for t in range(len(recall)):
        places = np.searchsorted(recall[t], read_at, side="left")
        inside = places < recall.shape[1]
        curve[t, inside] = precision[t, places[inside]]
    final = recall[:, -1] if recall.shape[1] else np.zeros(len(recall))
    return curve, final


def _match(truth: Truth | None, guess: Guess | None, limits: tuple[float, float]) -> _Matches:
    """Give each box, best first, the annotated box that it overlaps most and nobody has taken."""
    import numpy as np

    truth, guess = truth or _no_truth(), guess or _no_guess()
    low, high = limits
    is_out = truth.is_crowd | (truth.areas < low) | (truth.areas > high)
    by_ignored = np.argsort(is_out, kind="mergesort")  # those that count come first
    boxes, is_out = truth.boxes[by_ignored], is_out[by_ignored]
    is_crowd = truth.is_crowd[by_ignored]
    best_first = np.argsort(-guess.scores, kind="mergesort")[:MOST]
    found, scores = guess.boxes[best_first], guess.scores[best_first]
    shares = overlap_table(found, boxes, is_crowd)  # (m, n)
    asked = np.minimum(thresholds(), ALMOST_ONE)  # (overlaps,)
    is_taken = np.zeros((len(asked), len(boxes)), bool)
    is_hit = np.zeros((len(asked), len(found)), bool)
    is_ignored = np.zeros((len(asked), len(found)), bool)
    for i, row in enumerate(shares):
        is_free = ~is_taken | is_crowd
        may = is_free & (row >= asked[:, None])  # (overlaps, n)
        chosen, is_hit[:, i] = _choose(may, row, is_out)
        hit = np.flatnonzero(is_hit[:, i])
        is_taken[hit, chosen[hit]] = True
        is_ignored[hit, i] = is_out[chosen[hit]]
    areas = found[:, 2] * found[:, 3]
    is_ignored |= ~is_hit & ((areas < low) | (areas > high))
    return _Matches(scores, is_hit, is_ignored, int((~is_out).sum()))


def _choose(
    may: NDArray[np.bool_], shares: NDArray[np.float64], is_out: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Choose for each overlap the best of those that count, else the best of the others.

    Among equals the last one is taken, as the reference does.
    """
    import numpy as np

    if not may.shape[1]:
        return np.zeros(len(may), np.intp), np.zeros(len(may), bool)
    counts: NDArray[np.bool_] = may & ~is_out
    counting = counts.any(axis=1, keepdims=True)  # (overlaps, 1)
    may = np.where(counting, counts, may)
    values = np.where(may, shares, -1.0)
    last = may.shape[1] - 1 - np.argmax(values[:, ::-1], axis=1)
    found: NDArray[np.bool_] = np.asarray(may.any(axis=1))
    return last, found


def overlap_table(
    found: NDArray[np.float64], boxes: NDArray[np.float64], is_crowd: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return intersection over union of boxes (m, 4) and (n, 4), each left, top, width, height.

    With a crowd it is the part of the found box that lies within it.
    """
    import numpy as np

    left_top = np.maximum(found[:, None, :2], boxes[None, :, :2])  # (m, n, 2)
    right_bottom = np.minimum(
        found[:, None, :2] + found[:, None, 2:], boxes[None, :, :2] + boxes[None, :, 2:]
    )
    common = np.maximum(right_bottom - left_top, 0).prod(axis=2)  # (m, n)
    areas = found[:, 2:].prod(axis=1)[:, None]
    union = areas + boxes[:, 2:].prod(axis=1)[None] - common
    whole = np.where(is_crowd[None], areas, union)
    shares: NDArray[np.float64] = np.divide(
        common, whole, out=np.zeros_like(common), where=whole > 0
    )
    return shares


def _no_truth() -> Truth:
    import numpy as np

    return Truth(np.zeros((0, 4)), np.zeros(0), np.zeros(0, bool))


def _no_guess() -> Guess:
    import numpy as np

    return Guess(np.zeros((0, 4)), np.zeros(0))
