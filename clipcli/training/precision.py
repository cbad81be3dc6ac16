"""This file knows about how precisely a run computes; its weights are fp32 whatever happens."""

from __future__ import annotations

import torch

from clipcli.model.device import has_fast_bf16, resolve_precision

AMPERE = (8, 0)  # the first NVIDIA generation that multiplies bf16


def training_precision(name: str, device: torch.device) -> str:
    """Return bf16, fp16 or fp32; ``auto`` is bf16 where the device multiplies it in hardware.

    Older NVIDIA GPUs take fp16, in which gradients vanish unless the loss is scaled up.
    """
    if name != "auto":
        return resolve_precision(name, device)
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= AMPERE else "fp16"
    return "bf16" if device.type == "cpu" and has_fast_bf16() else "fp32"
