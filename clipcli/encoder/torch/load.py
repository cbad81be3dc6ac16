"""Putting weights into the network, strictly and without copying them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, overload

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from clipcli.encoder.torch.clip import CLIP
from clipcli.encoder.torch.siglip import Siglip
from clipcli.encoder.torch.tensors import gather
from clipcli.models.config import Architecture, SiglipArchitecture
from clipcli.models.fingerprint import ModelFolder
from clipcli.models.formats.safetensors import RawTensor
from clipcli.models.formats.tensor_map import complain, is_weightless
from clipcli.models.source import ModelSource, source_of

STORED_TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


@overload
def load_model(model: ModelFolder, dtype: torch.dtype | None = ...) -> CLIP: ...
@overload
def load_model(model: ModelSource, dtype: torch.dtype | None = ...) -> CLIP | Siglip: ...
def load_model(
    model: ModelFolder | ModelSource, dtype: torch.dtype | None = torch.float32
) -> CLIP | Siglip:
    """Load a model for inference; None keeps the types of the file, and its memory map.

    Raises
    ------
    ModelError
        If the weights do not fit the architecture exactly.
    """
    source = model if isinstance(model, ModelSource) else source_of(model)
    their_names = {ours: " + ".join(piece.names) for ours, piece in source.plan.items()}
    place = next(part.path for piece in source.plan.values() for part in piece.parts)
    return build_model(
        source.config.architecture, gather(source.plan), str(place), dtype, their_names=their_names
    )


@overload
def build_model(
    architecture: Architecture,
    state: Mapping[str, Tensor],
    source: str,
    dtype: torch.dtype | None = ...,
    *,
    their_names: Mapping[str, str] = ...,
) -> CLIP: ...
@overload
def build_model(
    architecture: Architecture | SiglipArchitecture,
    state: Mapping[str, Tensor],
    source: str,
    dtype: torch.dtype | None = ...,
    *,
    their_names: Mapping[str, str] = ...,
) -> CLIP | Siglip: ...
def build_model(
    architecture: Architecture | SiglipArchitecture,
    state: Mapping[str, Tensor],
    source: str,
    dtype: torch.dtype | None = torch.float32,
    *,
    their_names: Mapping[str, str] = MappingProxyType({}),
) -> CLIP | Siglip:
    """Build the network around the given tensors; ``source`` names them in errors.

    ``their_names`` are the tensors' names there, where those are not ours.

    No weights are drawn that would be thrown away: the network is built without storage, and
    then takes the tensors themselves where their type is ``dtype`` already.
    """
    model = empty_model(architecture)
    state = {name: tensor for name, tensor in state.items() if not is_weightless(name)}
    expected = model.state_dict()
    _check_fit(expected, state, source, their_names)
    whole = {name: tensor if dtype is None else tensor.to(dtype) for name, tensor in state.items()}
    whole |= {
        name: torch.zeros_like(expected[name], device="cpu") for name in expected.keys() - state
    }
    model.load_state_dict(whole, assign=True)
    return model.eval()


@overload
def empty_model(architecture: Architecture) -> CLIP: ...
@overload
def empty_model(architecture: Architecture | SiglipArchitecture) -> CLIP | Siglip: ...
def empty_model(architecture: Architecture | SiglipArchitecture) -> CLIP | Siglip:
    """Build the network on the meta device: names and shapes without storage."""
    with torch.device("meta"), _WithoutDrawing():
        if isinstance(architecture, SiglipArchitecture):
            return Siglip(architecture)
        return CLIP(architecture)


def stored_tensors(
    state: Mapping[str, Tensor], dtype: torch.dtype | None = torch.float16
) -> dict[str, RawTensor]:
    """Turn a state dict into what :func:`clipcli.models.folder.write_model_folder` writes.

    None keeps the types as they are.
    """
    return {
        name: _stored(tensor.to("cpu", dtype or tensor.dtype))
        for name, tensor in state.items()
        if not is_weightless(name)
    }


class _WithoutDrawing(TorchFunctionMode):
    """Skip random initialisation, which on the meta device does nothing but takes seconds.

    The first ``normal_`` on that device makes torch import its compiler.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init":
            return None  # nobody looks at what they return
        return func(*args, **(kwargs or {}))


def _stored(tensor: Tensor) -> RawTensor:
    # As bytes, because numpy has no bfloat16; a scalar has no last axis to view as bytes.
    data = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data
    return RawTensor(STORED_TYPES[tensor.dtype], tuple(tensor.shape), data)


def _check_fit(
    expected: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    source: str,
    their_names: Mapping[str, str],
) -> None:
    missing = [name for name in expected if name not in state and not is_weightless(name)]
    unexpected = [name for name in state if name not in expected]
    misshapen = [
        f"{their_names.get(name, name)} {_axes(tensor)} where {_axes(expected[name])} belongs"
        for name, tensor in state.items()
        if name in expected and tensor.shape != expected[name].shape
    ]
    faults = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    complain(source, faults)


def _axes(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"
