"""The order of the data: which rows make up which batch.

The order is a function of (seed, epoch), so a run that goes on after a kill needs only its step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from clipcli.errors import InputError
from clipcli.training.data.packed import Pairs, Rows


class BatchOrder:
    """Every epoch is one shuffle of all rows, cut into batches; the last, short one is dropped."""

    def __init__(
        self, pairs: Pairs, batch_size: int, seed: int, weights: Mapping[str, float] | None = None
    ) -> None:
        self._rows = pairs.rows
        self._weights = _row_weights(pairs.sources, pairs.rows, weights or {})
        self._seed = seed
        self.batch_size = batch_size
        # Subtle: the number of batches is fixed by the expected number of rows, so that which
        # epoch a step belongs to does not depend on chance.
        self.batches_per_epoch = int(self._weights.sum() // batch_size)
        if self.batches_per_epoch == 0:
            raise InputError(
                f"batch_size {batch_size}: the data has only {int(self._weights.sum())} pairs",
                hint="lower --batch-size or add pictures",
            )
        self._epoch = -1
        self._shuffled = self._rows

    def batch(self, step: int) -> Rows:
        """Return the row numbers of a step, int64 (batch_size,)."""
        epoch, position = divmod(step, self.batches_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._shuffled = epoch, self._shuffle(epoch)
        start = position * self.batch_size
        return self._shuffled[start : start + self.batch_size]

    def _shuffle(self, epoch: int) -> Rows:
        draw = np.random.default_rng((self._seed, epoch))
        whole = np.floor(self._weights)
        extra = draw.random(len(self._rows)) < self._weights - whole
        rows = np.repeat(self._rows, (whole + extra).astype(np.int64))
        draw.shuffle(rows)
        short = self.batches_per_epoch * self.batch_size - len(rows)
        return np.concatenate([rows, rows[:short]]) if short > 0 else rows


def _row_weights(
    sources: Sequence[str], rows: Rows, weights: Mapping[str, float]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    unknown = set(weights) - set(sources)
    if unknown:
        raise InputError(
            f"sources: {sorted(unknown)[0]!r} is not a source of the data",
            hint=f"sources are {', '.join(sorted(set(sources)))}",
        )
    return np.array([float(weights.get(sources[row], 1.0)) for row in rows])
