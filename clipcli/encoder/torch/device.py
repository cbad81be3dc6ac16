"""Where the network runs and how many bits its numbers have there."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from clipcli.errors import DeviceError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# Values of oneDNN's ONEDNN_MAX_CPU_ISA below which the products of bf16 would be emulated.
WITHOUT_BF16 = frozenset(
    ["SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI"]
)


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
    """Tell whether the processor multiplies bf16 in hardware (AVX512-BF16, AMX), and may."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or ""
    if limit.upper() in WITHOUT_BF16:
        return False
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


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """One device: what torch calls it, what it is, and in which precisions it computes."""

    device: str
    description: str
    precisions: tuple[str, ...]
    fastest: str  # the precision that is taken when none is asked for


def probe_devices() -> list[DeviceFacts]:
    """Look at all devices, the one that is taken by default first."""
    return [_probe(torch.device(name)) for name in available_devices()]


def _probe(device: torch.device) -> DeviceFacts:
    precisions = tuple(name for name in PRECISIONS if _computes(name, device))
    return DeviceFacts(
        str(device), _describe(device), precisions, resolve_precision("auto", device)
    )


def _computes(precision: str, device: torch.device) -> bool:
    try:
        return resolve_precision(precision, device) == precision
    except DeviceError:
        return False


def _describe(device: torch.device) -> str:
    if device.type == "cuda":
        facts = torch.cuda.get_device_properties(device)
        return f"{facts.name}, {facts.total_memory / 1e9:.0f} GB"
    if device.type == "mps":
        return "Apple GPU"
    n = torch.get_num_threads()
    return f"{n} thread{'s' if n != 1 else ''}"
