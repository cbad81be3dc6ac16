"""Which engine runs a model: as asked for, as remembered, or by processor.

Nothing is imported to answer: neither torch nor ONNX Runtime, each of which takes longer than a
few pictures.
"""

from __future__ import annotations

import json
import math
import platform
import re
import shutil
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from clipcli.cache.text_cache import default_folder
from clipcli.errors import DeviceError, MissingExtraError, ModelError
from clipcli.files import write_atomically
from clipcli.models.folder import builtin_model_folder
from clipcli.models.source import ModelSource
from clipcli.process import processor_features
from clipcli.strict_json import read_json

BACKENDS = ("auto", "torch", "onnx", "openvino")
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")
# Processors that multiply bf16 in hardware. Measured with ViT-B/32 (EPYC with AVX512-BF16 and no
# AMX, one thread): torch bf16 46 ms a picture, ONNX Runtime fp32 89, torch fp32 103.
FAST_BF16 = {"avx512_bf16", "amx_bf16", "amx_tile"}
# A smaller image tower runs with torch before it would be exported; only toys are so small.
WORTH_EXPORTING = 1_000_000  # weights
CHOICES_NAME = "engines.json"


class Engine(NamedTuple):
    """A backend, and the precision that is asked of it ("auto": the backend's own)."""

    backend: str
    precision: str


def choose_engine(source: ModelSource, device: str, precision: str, backend: str) -> Engine:
    """Return ``torch``, ``onnx`` or ``openvino``, and the precision.

    Parameters
    ----------
    device, precision, backend
        As the user asked; "auto" leaves a thing to what was measured. A choice that was made for
        a model on a kind of processor stays, so that its vectors do not change from day to day.

    Raises
    ------
    DeviceError
        If one of them is known nowhere, or they do not go together.
    MissingExtraError
        If the backend is not installed.
    """
    check_names(device, precision, backend)
    if backend != "auto":
        return Engine(backend, precision)
    if precision != "int8" and not _may_be_onnx(source, device, precision):
        return Engine("torch", precision)
    if precision != "auto":
        return Engine("onnx", precision)
    return remembered(source) or _choose(source)


def _choose(source: ModelSource) -> Engine:
    """Choose for a model that has no choice yet; the bundled one has its graph."""
    choice = usual_engine(source)
    if source.path == builtin_model_folder():
        return choice
    with suppress(OSError):
        remember(source, *choice)
    return choice


def _may_be_onnx(source: ModelSource, device: str, precision: str) -> bool:
    """Tell whether ONNX Runtime can do what is asked, and there is nothing faster for sure."""
    if precision in ("bf16", "fp16") or device not in ("auto", "cpu"):
        return False
    if find_spec("onnxruntime") is None:
        return False
    if source.path == builtin_model_folder():
        return True
    has_card = device == "auto" and may_have_card()
    return not has_card and _n_image_weights(source) >= WORTH_EXPORTING


def check_names(device: str, precision: str, backend: str) -> None:
    """Refuse, before anything is loaded, what is a device, precision or backend nowhere."""
    if backend not in BACKENDS:
        raise DeviceError(f"backend {backend!r} is not known", hint=f"use {', '.join(BACKENDS)}")
    if backend == "openvino":
        from clipcli.encoder.exports import OPENVINO
        from clipcli.encoder.openvino.runner import resolve

        OPENVINO.check_installed()
        resolve(device, precision)
        return
    if device not in DEVICES and not re.fullmatch("cuda:[0-9]+", device):
        raise DeviceError(f"device {device!r} is not known", hint="use cpu, cuda, cuda:N or mps")
    if precision not in PRECISIONS:
        raise DeviceError(
            f"precision {precision!r} is not known", hint=f"use {', '.join(PRECISIONS)}"
        )
    if backend == "onnx" or (backend == "auto" and precision == "int8"):
        from clipcli.encoder.exports import ONNX
        from clipcli.encoder.onnx.runner import resolve as resolve_onnx

        ONNX.check_installed()
        resolve_onnx(device, precision)
    elif precision == "int8":
        raise DeviceError("precision 'int8' is not there with torch", hint="leave --backend out")


def usual_engine(source: ModelSource) -> Engine:
    """Return what runs a model on a processor like this one, unless somebody chose otherwise."""
    if find_spec("onnxruntime") is None:
        return Engine("torch", "auto")
    if source.path == builtin_model_folder():
        return Engine("onnx", "auto")
    is_worth_it = _n_image_weights(source) >= WORTH_EXPORTING
    return Engine(by_processor() if is_worth_it else "torch", "auto")


def by_processor() -> str:
    """Return the backend that was the fastest on processors of this kind."""
    return "torch" if FAST_BF16 & processor_features() else "onnx"


def remembered(source: ModelSource) -> Engine | None:
    """Return what was chosen for a model on a processor of this kind."""
    path = _choices_path()
    if path is None:
        return None
    choice = Engine(*_read(path).get(_key(source), "").partition(" ")[::2])
    try:
        if choice.backend != "auto":
            check_names("auto", choice.precision, choice.backend)
            return choice
    # What was the fastest may have been uninstalled, and a damaged note says anything.
    except (DeviceError, MissingExtraError):
        pass
    return None


def remember(source: ModelSource, backend: str, precision: str = "auto") -> None:
    """Keep a choice.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    path = _choices_path()
    if path is None:
        raise FileNotFoundError
    choices = _read(path) | {_key(source): f"{backend} {precision}"}
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, json.dumps(choices, indent=1) + "\n")


def _choices_path() -> Path | None:
    folder = default_folder()
    return folder / CHOICES_NAME if folder is not None else None


def _read(path: Path) -> dict[str, str]:
    try:
        data = read_json(path, ModelError)
    except ModelError:
        return {}
    data = data if isinstance(data, dict) else {}
    return {key: value for key, value in data.items() if isinstance(value, str)}


def _key(source: ModelSource) -> str:
    """Name a model and a kind of processor: a home folder may be shared by several."""
    kind = "fast bf16" if FAST_BF16 & processor_features() else "plain"
    # The bundled model has its graph beside it; a copy, of the same fingerprint, need not.
    place = " bundled" if source.path == builtin_model_folder() else ""
    return f"{source.config.fingerprint} {platform.machine()} {kind}{place}"


def _n_image_weights(source: ModelSource) -> int:
    return sum(
        math.prod(part.place.shape)
        for name, piece in source.plan.items()
        if name.startswith("visual.")
        for part in piece.parts
    )


def may_have_card() -> bool:
    """Tell whether there may be a graphics card that torch can use; it alone knows."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    return any(shutil.which(tool) for tool in ("nvidia-smi", "rocm-smi"))
