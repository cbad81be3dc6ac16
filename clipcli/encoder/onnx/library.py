"""ONNX Runtime, imported so that it tells nobody of it."""

from __future__ import annotations

import os
import threading
from contextlib import nullcontext
from typing import Any

from clipcli.process import held

# Builds for Linux and macOS since 1.32 write a number for the machine into the user's cache folder
# and are made to report how they are used, unless this is set before the import; it had another
# name at first.
SILENCE = ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED")


def onnx_runtime() -> Any:
    """Import ONNX Runtime with its telemetry off, unless the user has said otherwise."""
    for variable in SILENCE:
        os.environ.setdefault(variable, "1")
    # Subtle: an interrupt within the import of its C++ part comes out as "initialization failed".
    # Other threads than the main one get none, and must not count in the gate.
    is_main = threading.current_thread() is threading.main_thread()
    with held() if is_main else nullcontext():
        import onnxruntime

    if os.environ[SILENCE[0]] == "1":
        onnxruntime.disable_telemetry_events()  # Windows asks no variable
    return onnxruntime
