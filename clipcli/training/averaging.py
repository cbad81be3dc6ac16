"""Averaging weights: over a run's last steps, and with its start."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class MovingAverage:
    """An exponential moving average of a model's state, batch norm statistics included."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self.state: dict[str, Tensor] = {
            name: tensor.detach().clone() for name, tensor in state.items()
        }
        self.n_updates = 0

    @torch.no_grad()
    def update(self, state: Mapping[str, Tensor], decay: float) -> None:
        """Move towards ``state`` by 1 - decay; whole numbers are copied."""
        mine: list[Tensor] = []
        theirs: list[Tensor] = []
        for name, tensor in state.items():
            if tensor.is_floating_point():
                mine.append(self.state[name])
                theirs.append(tensor.detach())
            else:
                self.state[name].copy_(tensor)
        torch._foreach_lerp_(mine, theirs, 1 - decay)
        self.n_updates += 1


def ema_decay(decay: float, n_updates: int) -> float:
    """Return the average's decay after ``n_updates``: short memory first, so no stale start."""
    return min(decay, (1 + n_updates) / (10 + n_updates))


def between(start: Mapping[str, Tensor], name: str, trained: Tensor, share: float) -> Tensor:
    """Return the weight that lies ``share`` of the way from a run's start to its end.

    Counters and classifiers have no start: they stay as trained (Wortsman et al. 2021,
    arXiv:2109.01903).
    """
    begin = start.get(name.removeprefix("clip."))
    if begin is None or not trained.is_floating_point():
        return trained
    return begin.to(trained.device).lerp(trained, share)
