"""Batch norms whose batch is spread over several processes.

torch's own ``SyncBatchNorm`` runs on GPUs alone; with this one, two processes on a CPU compute what
one does.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clipcli.training.distributed.group import ProcessGroup


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Normalises by mean and variance over the pictures of all processes.

    It has the names and tensors of the norm whose place it takes.
    """

    def __init__(self, norm: nn.BatchNorm2d, group: ProcessGroup) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum)
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.num_batches_tracked = norm.num_batches_tracked
        self._group = group

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each channel: (n, c, h, w) -> (n, c, h, w)."""
        if not self.training:
            return super().forward(x)
        wide = x.to(self.weight.dtype)  # bf16 would lose the statistics
        # Subtle: the parts are equally large, so the mean of their means is the mean of all.
        mean = self._group.mean(wide.mean(dim=(0, 2, 3)))  # (c,)
        centred = wide - mean[:, None, None]
        variance = self._group.mean(centred.square().mean(dim=(0, 2, 3)))  # (c,)
        self._remember(mean, variance, x.numel() // x.shape[1] * self._group.size)
        gain = self.weight * (variance + self.eps).rsqrt()  # (c,)
        y = centred * gain[:, None, None] + self.bias[:, None, None]
        return y.to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        # The variance of pictures to come is estimated without bias, as torch does.
        self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)


def share_batch_norms(model: nn.Module, group: ProcessGroup) -> None:
    """Put a shared norm in the place of each batch norm."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm2d:
                setattr(module, name, SharedBatchNorm2d(child, group))
