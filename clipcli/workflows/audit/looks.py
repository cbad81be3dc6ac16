"""Pictures that are odd by themselves or among the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clipcli.workflows.audit.dataset import NO_CLASS, Dataset
from clipcli.workflows.audit.findings import Finding
from clipcli.workflows.audit.measures import Measures

if TYPE_CHECKING:
    from numpy.typing import NDArray

TINY_PX = 64  # of the shorter side, where pictures in general are larger
TINY_SHARE = 0.5  # of the median shorter side, where they are not
BLUR = 0.63  # above all of 250 scenes and 250 objects; blurring over 1 % of the width passes it
DARK, BRIGHT = 60, 180  # of 255: 95 of 100 pixels are darker, or brighter
BLANK_CONTRAST = 4.0  # standard deviation of the greys
ASPECT = 3.0
NEIGHBOURS = 5
OUTLIER_DEVIATIONS = 4.0  # robust ones, below the median closeness
OUTLIER_SHARE = 0.02  # of all pictures, at most: in a loose set everything is far from something
FEW_SHARE = 0.1  # of the median class
ROWS_AT_ONCE = 1024


def looks(dataset: Dataset) -> list[Finding]:
    """Return what is tiny, blurred, dark, overexposed, blank, or extremely long."""
    if not dataset.measures:
        return []
    median_px = float(np.median([m.short_px for m in dataset.measures]))
    tiny_px = min(TINY_PX, TINY_SHARE * median_px)
    return [
        _about(dataset, i, kind, detail, score)
        for i, measures in enumerate(dataset.measures)
        for kind, detail, score in _faults(measures, tiny_px)
    ]


def _faults(m: Measures, tiny_px: float) -> list[tuple[str, str, float]]:
    """Return (kind, detail, score) of each fault."""
    found = []
    if m.short_px < tiny_px:
        found.append(("tiny", f"{m.width} x {m.height} pixels", 1 / m.short_px))
    if m.aspect > ASPECT:
        found.append(("aspect", f"{m.width} x {m.height}, {m.aspect:.1f} to 1", m.aspect))
    if m.contrast < BLANK_CONTRAST:  # neither sharp nor dark can be said of it
        return [*found, ("blank", f"contrast {m.contrast:.1f} of 255", 255 - m.contrast)]
    if m.blur > BLUR:
        found.append(("blurred", f"blur {m.blur:.2f} of 1", m.blur))
    if m.brightest < DARK:
        found.append(("dark", f"95 % darker than {m.brightest:.0f} of 255", 255 - m.brightest))
    if m.darkest > BRIGHT:
        found.append(("overexposed", f"95 % brighter than {m.darkest:.0f} of 255", m.darkest))
    return found


def outliers(dataset: Dataset) -> list[Finding]:
    """Return pictures that are far from their nearest neighbours, the farthest first."""
    if len(dataset) <= 10 * NEIGHBOURS:
        return []  # too few to say what is usual
    closeness = _closeness(dataset.vectors)
    median = float(np.median(closeness))
    spread = 1.4826 * float(np.median(np.abs(closeness - median))) or 1e-6  # as a deviation
    deviations = (median - closeness) / spread
    order = np.argsort(-deviations, kind="stable")[: int(OUTLIER_SHARE * len(dataset))]
    return [
        _about(
            dataset,
            int(i),
            "outlier",
            f"similarity {closeness[i]:.2f} to its neighbours, usually {median:.2f}",
            float(deviations[i]),
        )
        for i in order
        if deviations[i] >= OUTLIER_DEVIATIONS
    ]


def _closeness(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each vector's mean cosine to its nearest neighbours (n,)."""
    result = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        block = vectors[start : start + ROWS_AT_ONCE]
        cosines = block @ vectors.T  # (b, n)
        rows = np.arange(len(block))
        cosines[rows, rows + start] = -1  # itself
        nearest = np.partition(cosines, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:]
        result[start : start + ROWS_AT_ONCE] = nearest.mean(axis=1)
    return result


def _about(dataset: Dataset, i: int, kind: str, detail: str, score: float) -> Finding:
    place = dataset.places[i]
    return Finding(
        kind, dataset.paths[i], detail, round(score, 4), label=place.label or "", split=place.split
    )


def imbalance(dataset: Dataset) -> list[Finding]:
    """Return the classes with far fewer pictures than usual."""
    labels = dataset.labels()
    sizes = np.bincount(labels[labels != NO_CLASS], minlength=len(dataset.classes))
    median = float(np.median(sizes)) if len(sizes) else 0.0
    found = []
    for name, size in zip(dataset.classes, sizes.tolist(), strict=True):
        if size == 0:
            found.append(Finding("imbalance", "", "no picture", 1.0, label=name))
        elif size < FEW_SHARE * median or size == 1 < median:
            share = round(1 - size / max(median, 1), 4)
            detail = f"{size:,} of usually {median:,.0f} pictures"
            found.append(Finding("imbalance", "", detail, share, label=name))
    return found
