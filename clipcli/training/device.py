"""This file knows about where a run computes, and how precisely."""

from __future__ import annotations

from typing import Literal

import torch

from clipcli.errors import DeviceError


def choose_device(name: str) -> torch.device:
    """Return the device of this name; ``auto`` is CUDA, then MPS, then the processor."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise DeviceError(
            f"device {name!r} is not there", hint="use --device auto, cpu, cuda or mps"
        ) from error
    return device


def choose_precision(name: str, device: torch.device) -> Literal["fp32", "bf16"]:
    """Return bf16 or fp32; ``auto`` is bf16 where the device computes with it natively."""
    if name == "auto":
        return "bf16" if _is_bf16_native(device) else "fp32"
    return "bf16" if name == "bf16" else "fp32"


def _is_bf16_native(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        return torch.cpu.get_capabilities().get("avx512_bf16") is True
    return False
