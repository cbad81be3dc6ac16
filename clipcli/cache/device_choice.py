"""Which device and precision torch chose here, so that it need not be asked.

A vector's key holds its precision, and "auto" means what the hardware computes fast, which torch
alone can say. Guessing along would be wrong one day. So its answer is noted beside all facts that
could change it and that are had in a millisecond; with other facts torch is asked again.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from glob import glob
from importlib.util import find_spec
from pathlib import Path

# What shows that a GPU, its driver or the access to it came or went.
DEVICE_FILES = ("/dev/nvidia[0-9]*", "/dev/kfd", "/dev/dxg", "/dev/dri/render*")
DRIVER_FILES = ("/proc/driver/nvidia/version", "/sys/module/amdgpu/version")
VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "LD_LIBRARY_PATH",
    "ONEDNN_MAX_CPU_ISA",  # what of the processor torch may use
    "DNNL_MAX_CPU_ISA",  # its older name
    "PROCESSOR_IDENTIFIER",  # Windows' name of the processor
)
CPU_INFO = "/proc/cpuinfo"
CPU_INFO_BYTES = 8192  # the first processor's part; the whole is slow to make on large machines


def facts_of(asked: Sequence[str]) -> str:
    """Return, as one text, what the choice depends on; ``asked`` is what the user asked for."""
    return json.dumps(
        [
            list(asked),
            _torch_version(),
            sys.platform,
            platform.machine(),
            _processor(),
            sorted(path for pattern in DEVICE_FILES for path in glob(pattern)),  # noqa: PTH207
            [_head(path) for path in DRIVER_FILES],
            [os.environ.get(name) for name in VARIABLES],
        ]
    )


def _torch_version() -> str:
    """Return the text in which torch tells its version and build, without running any of it."""
    spec = find_spec("torch")
    origin = spec.origin if spec is not None else None
    return _head(str(Path(origin).with_name("version.py"))) if origin else ""


def _processor() -> list[str]:
    """Return the lines about what the processor can do; elsewhere the machine's name must do."""
    lines = {
        line.partition(":")[0].strip(): line for line in _head(CPU_INFO, CPU_INFO_BYTES).split("\n")
    }
    facts = [lines[name] for name in ("model name", "flags", "Features") if name in lines]
    return facts or [platform.node()]


def _head(path: str, n_bytes: int = 1024) -> str:
    try:
        with Path(path).open("rb") as file:
            return file.read(n_bytes).decode("utf-8", "replace")
    except OSError:
        return ""
