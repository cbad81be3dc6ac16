"""Averaging weights over the last steps of a run."""

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
