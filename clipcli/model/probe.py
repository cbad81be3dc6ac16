"""This file knows about what the devices of this machine can do."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from clipcli.errors import DeviceError
from clipcli.model.device import PRECISIONS, available_devices, resolve_precision


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
