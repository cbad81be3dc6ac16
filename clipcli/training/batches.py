"""This file knows about making a step's batch: gathered, varied and normalised pictures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator

from clipcli.architecture import Preprocessing
from clipcli.training import augment
from clipcli.training.config import TrainingConfig
from clipcli.training.objectives import Batch
from clipcli.training.order import BatchOrder
from clipcli.training.pairs import Pairs


class Batches:
    """All batches of a run; each is a function of (seed, step), so nothing else is kept."""

    def __init__(self, config: TrainingConfig, pairs: Pairs, preprocessing: Preprocessing) -> None:
        self._config = config
        self._pairs = pairs
        self._preprocessing = preprocessing
        self.order = BatchOrder(pairs, config.batch_size, config.seed, config.sources)

    def make(self, step: int, size_px: int, device: torch.device) -> Batch:
        """Make the batch of a step: pixels float (n, 3, s, s)."""
        draw = np.random.default_rng((self._config.seed, step, 1))
        generator = Generator().manual_seed(int(draw.integers(2**62)))
        rows = np.sort(self.order.batch(step))  # (n,), ascending: kinder to the disk
        pictures = torch.from_numpy(self._pairs.pictures[rows])  # (n, H, W, 3)
        settings, own = self._config.augmentation, self._preprocessing
        crops = augment.random_crops(pictures, size_px, settings, generator)  # (n, 3, s, s)
        pixels = augment.normalise(crops, own.mean, own.std, settings, generator)  # the same
        return Batch(pixels.to(device, non_blocking=True), rows, draw)
