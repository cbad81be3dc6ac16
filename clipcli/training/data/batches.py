"""Making a step's batch: gathered, varied and normalised pictures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator

from clipcli.errors import UsageError
from clipcli.models.config import Preprocessing
from clipcli.training.config import TrainingConfig
from clipcli.training.data import augment
from clipcli.training.data.packed import Pairs
from clipcli.training.data.sampler import BatchOrder
from clipcli.training.distributed.group import ALONE, ProcessGroup
from clipcli.training.objectives import Batch


class Batches:
    """All batches of a run; each is a function of (seed, step), so nothing else is kept."""

    def __init__(
        self,
        config: TrainingConfig,
        pairs: Pairs,
        preprocessing: Preprocessing,
        group: ProcessGroup = ALONE,
    ) -> None:
        if config.batch_size % group.size:
            raise UsageError(
                f"batch_size {config.batch_size}: {group.size} processes cannot share it evenly",
                hint=f"make it a multiple of {group.size}",
            )
        self._config = config
        self._pairs = pairs
        self._preprocessing = preprocessing
        self._part = group.part(config.batch_size)
        self.order = BatchOrder(pairs, config.batch_size, config.seed, config.sources)

    def make(self, step: int, size_px: int, device: torch.device) -> Batch:
        """Make this process's part of a step's batch: pixels float (n / processes, 3, s, s)."""
        draw = np.random.default_rng((self._config.seed, step, 1))
        generator = Generator().manual_seed(int(draw.integers(2**62)))
        rows = np.sort(self.order.batch(step))  # (n,), ascending: kinder to the disk
        part = augment.BatchPart(self._part, len(rows))
        pictures = torch.from_numpy(self._pairs.pictures[rows[part.rows]])  # (n / p, H, W, 3)
        settings, own = self._config.augmentation, self._preprocessing
        crops = augment.random_crops(pictures, size_px, settings, generator, part)
        pixels = augment.normalise(crops, own.mean, own.std, settings, generator, part)
        return Batch(pixels.to(device, non_blocking=True), rows, part.rows, draw)
