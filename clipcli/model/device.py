"""This file knows about where the network runs and how many bits its numbers have there."""

from __future__ import annotations

import torch

from clipcli.errors import DeviceError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def available_devices() -> list[str]:
    """Name the devices of this machine, the fastest first."""
    devices = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, "cpu"]


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device that a name means; ``auto`` is CUDA, then MPS, then the CPU.

    Raises
    ------
    DeviceError
        If there is no such device here.
    """
    available = available_devices()
    if name == "auto":
        return torch.device(available[0])
    full_name = "cuda:0" if name == "cuda" else name
    if full_name not in available:
        raise DeviceError(
            f"device {name!r} is not available", hint=f"available here: {', '.join(available)}"
        )
    return torch.device(full_name)


def resolve_precision(name: str, device: torch.device) -> str:
    """Return ``fp32``, ``bf16`` or ``fp16``; ``auto`` is the fastest that is accurate enough.

    Raises
    ------
    DeviceError
        If there is no such precision, or the device cannot compute in it.
    """
    if name == "auto":
        if device.type == "cuda":
            return "fp16"
        return "bf16" if device.type == "cpu" and has_fast_bf16() else "fp32"
    if name not in PRECISIONS:
        raise DeviceError(
            f"precision {name!r} is not known", hint=f"use auto, {', '.join(PRECISIONS)}"
        )
    if not _can_compute(PRECISIONS[name], device):
        raise DeviceError(f"precision {name!r} is not available on {device}", hint="use fp32")
    return name


def has_fast_bf16() -> bool:
    """Tell whether the processor multiplies bf16 in hardware (AVX512-BF16, AMX)."""
    # Torch has no public question for this; where a version lacks the private one, fp32 is right.
    for question in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        ask = getattr(torch.cpu, question, None)
        if ask is not None and ask():
            return True
    return False


def _can_compute(dtype: torch.dtype, device: torch.device) -> bool:
    """Try a small product, which older devices and versions refuse for the half types."""
    try:
        product = torch.ones(2, 2, dtype=dtype, device=device) @ torch.ones(
            2, 2, dtype=dtype, device=device
        )
    except (RuntimeError, TypeError):
        return False
    return bool((product == 2).all())
