"""File rules: where a file says what its picture is, labels get their share by that.

A label may have a rule, such as ``screenshot``. What a file tells (``images.origin``) was right for
all pictures that it was measured on; :data:`CERTAINTY` is what that many prove.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipcli.images.origin import ORIGINS, PHOTOGRAPH, SCAN, SCREENSHOT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]

# No photograph of 300 was taken for a screenshot, nor anything else for what it is not: with 95 %
# confidence the error is then below 3 in 300 (the "rule of three"; Hanley and Lippman-Hand 1983).
CERTAINTY = 0.99

# What a label's rule says cannot be where the file says otherwise.
_EXCLUDED = {PHOTOGRAPH: SCREENSHOT | SCAN}


def apply_rules(
    scores: Numbers,
    origins: Sequence[int],
    names: Sequence[str],
    rules: Mapping[str, str],
    *,
    is_one_choice: bool,
    is_independent: bool = False,
) -> tuple[Numbers, list[str]]:
    """Give labels their share by what files tell.

    Parameters
    ----------
    scores
        Probabilities (n, c + r) of c labels and r reject prompts.
    origins
        The flags (n,) of each picture.
    names
        The c labels.
    rules
        A label's name -> its rule.
    is_one_choice
        Rows sum to one, and shall go on doing so.
    is_independent
        Each label is a question of its own: what one gets is not taken from others.

    Returns
    -------
    tuple
        Scores (n, c + r), and for each picture the rule that changed them, or "".
    """
    fired = [""] * len(origins)
    if not rules or not any(origins):
        return scores, fired
    flags = np.array([ORIGINS.get(rules.get(name, ""), 0) for name in names])  # (c,)
    changed = scores.copy()
    for i, origin in enumerate(origins):
        claimed = (flags & origin) != 0  # (c,)
        excluded = (flags & _excluded(origin)) != 0
        row = changed[i]  # (c + r,), a view
        if claimed.any():
            _claim(row, claimed, is_one_choice=is_one_choice, is_independent=is_independent)
            fired[i] = rules[names[int(np.where(claimed, row[: len(names)], -1.0).argmax())]]
        elif excluded.any() and _exclude(row, excluded, is_one_choice=is_one_choice):
            fired[i] = "photograph"
    return changed, fired


def _excluded(origin: int) -> int:
    flags = 0
    for told, others in _EXCLUDED.items():
        flags |= others if origin & told else 0
    return flags


def _claim(row: Numbers, claimed: Flags, *, is_one_choice: bool, is_independent: bool) -> None:
    """Give the claimed labels CERTAINTY together; which of them is left to the model."""
    ours = np.zeros(len(row), dtype=bool)  # reject prompts are never claimed
    ours[: len(claimed)] = claimed
    if is_one_choice:
        row[ours] = CERTAINTY * _shares(row[ours])
        if not ours.all():
            row[~ours] = (1 - CERTAINTY) * _shares(row[~ours])
        return
    best = np.flatnonzero(ours)[row[ours].argmax()]
    row[best] = max(row[best], CERTAINTY)
    if not is_independent:
        row[~ours] *= 1 - CERTAINTY


def _exclude(row: Numbers, excluded: Flags, *, is_one_choice: bool) -> bool:
    """Leave excluded labels no more than a file's word may be wrong; say whether they had more."""
    ours = np.zeros(len(row), dtype=bool)
    ours[: len(excluded)] = excluded
    most = 1 - CERTAINTY
    if not is_one_choice:
        has_more = bool((row[ours] > most).any())
        row[ours] = np.minimum(row[ours], most)
        return has_more
    if row[ours].sum() <= most or ours.all():
        return False
    row[ours] = most * _shares(row[ours])
    row[~ours] = CERTAINTY * _shares(row[~ours])
    return True


def _shares(part: Numbers) -> Numbers:
    """Return numbers that sum to one, in the proportions of others that may all be zero."""
    total = part.sum()
    return part / total if total > 0 else np.full(len(part), 1 / len(part))
