"""This file knows about how often each text target is drawn, and what evens that out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from clipcli.training.config import TrainingConfig
from clipcli.training.pairs import Pairs
from clipcli.training.targets import TargetTable

# A name drawn less often than this share of the mean counts as if it were drawn so often: else
# what is hardly ever seen could be said of anything at no cost.
LEAST = 0.25


def balance_offsets(pairs: Pairs, table: TargetTable, config: TrainingConfig) -> Tensor | None:
    """Return what is added to each target's logit in training alone, float32 (m,).

    With ``balance`` 1 that is the logarithm of how often a target is drawn: the network then learns
    what tells names apart, and not which are frequent (Menon et al. 2020, arXiv:2007.07314).
    """
    if not config.targets.balance:
        return None
    expected = _expected_draws(pairs, table, config.targets.ancestors, config.sources)  # (m,)
    fixed = expected[: table.n_fixed]
    shares = np.maximum(fixed, LEAST * fixed.mean()) / fixed.sum()
    # A rare caption is a candidate only beside a picture of its own: one row of the batch in all.
    rare = np.full(len(expected) - len(fixed), 1 / max(1, config.batch_size))
    offsets = config.targets.balance * np.log(np.concatenate([shares, rare]))
    return torch.from_numpy(offsets.astype(np.float32))


def _expected_draws(
    pairs: Pairs, table: TargetTable, general_share: float, weights: Mapping[str, float]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return how often each target is drawn in an epoch: float64 (m,)."""
    said: defaultdict[tuple[tuple[str, ...], tuple[int, ...]], float] = defaultdict(float)
    for row in pairs.rows.tolist():
        said[pairs.captions[row], pairs.concepts[row]] += weights.get(pairs.sources[row], 1.0)
    draws = np.zeros(len(table.vectors))
    for (captions, concepts), weight in said.items():
        own = table.truths(captions, concepts)
        general = general_share if own.general else 0.0
        draws[list(own.names)] += weight * (1 - general) / len(own.names)
        if own.general:
            draws[list(own.general)] += weight * general / len(own.general)
    return draws
