"""Loading a model to look at places; its engine is imported when one is loaded."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from clipcli.encoder.onnx.places import brings_places

if TYPE_CHECKING:
    from clipcli.encoder.places import PlaceEncoder
    from clipcli.models.source import ModelSource


def engine_of_places(source: ModelSource, device: str, backend: str = "auto") -> str:
    """Return what looks at a model's places, ``onnx`` or ``torch``, without importing either.

    The bundled model's graph for places lies beside its weights; other models are asked by torch.
    """
    may_be_onnx = backend in ("auto", "onnx") and device in ("auto", "cpu")
    is_there = may_be_onnx and find_spec("onnxruntime") is not None and brings_places(source)
    return "onnx" if is_there else "torch"


def load_places(source: ModelSource, device: str = "auto", backend: str = "auto") -> PlaceEncoder:
    """Load a model's image tower for its places, in fp32.

    Raises
    ------
    ModelError
        If its weights do not fit its architecture exactly.
    DeviceError
        If the device is not available here.
    """
    if engine_of_places(source, device, backend) == "onnx":
        from clipcli.encoder.onnx.places import OnnxPlaces

        return OnnxPlaces(source)
    from clipcli.encoder.torch.dense_runner import DenseRunner

    return DenseRunner(source, device)
